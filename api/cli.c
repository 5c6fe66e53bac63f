/* SPDX-License-Identifier: MIT */
/* The commands of the program. Adding one is a row here, its options in cli_options.c and
 * a function in a file of its own. `serve` and the trainer are main.c's; they stand here
 * for their help. */
#include "api/cli.h"

#include <string.h>

#include "api/cli_int.h"
#include "model/kinds.h"
#include "server/settings.h"

static enum cli_status cli_help(struct cli *cli);
static enum cli_status cli_version(struct cli *cli);

#define COLUMNS                                                                          \
    "Text comes on standard input, results go to standard output, one a line, in "       \
    "columns "                                                                           \
    "separated\nby TAB (or as JSON); totals go to standard error.\n"

const struct cli_command cli_commands[] = {
    {"serve", CLI_SERVE, NULL, 0, 0,
     "[--store firth.db] [--listen 127.0.0.1:8080] [--config FILE]", "Answer over HTTP",
     NULL},
    {"train", CLI_TRAIN, cli_train, 0, 0,
     "--store FILE --kind KIND --model NAME --corpus NAME|- [--param NAME=VALUE]…",
     "Learn a model from a text",
     "The text is a corpus of the store or standard input, one sentence a line unless "
     "--segment says\notherwise. With --model-file FILE instead of --store and --model, "
     "the model goes to a file.\n"},
    {"score", CLI_SCORE, cli_score, 0, 0, "--store FILE --model NAME <TEXT",
     "Tell how likely each line is",
     COLUMNS "Columns: log-probability, tokens scored, unknown words, perplexity; with "
             "--tokens also each\ntoken and its log-probability. Each line is "
             "scored on its own, unless --carry, --cache or --dynamic\nsay that the "
             "input is one text in order.\n"},
    {"next", CLI_NEXT, cli_next, 0, 0, "--store FILE --model NAME <CONTEXTS",
     "Tell what comes after each line",
     COLUMNS "Columns: token, probability, token, probability, … in falling order.\n"},
    {"generate", CLI_GENERATE, cli_generate, 0, 0,
     "--store FILE --model NAME [--prompt TEXT | <PROMPTS]", "Write on from each line",
     COLUMNS
     "TAB, line end and backslash within a text are written \\t, \\n and \\\\.\n"},
    {"neighbors", CLI_NEIGHBORS, cli_neighbors, 0, 0, "--store FILE --model NAME <WORDS",
     "Tell which words are nearest to each line's",
     COLUMNS "Columns: word, similarity (or distance), word, … nearest first. An unknown "
             "word's line is empty.\n"},
    {"analogy", CLI_ANALOGY, cli_analogy, 0, 0, "--store FILE --model NAME <TRIPLES",
     "Answer: a is to b as c is to what?",
     COLUMNS "A line has the three words a, b and c. Columns: word, similarity, word, … "
             "best first. With an\nunknown word the line is empty.\n"},
    {"evaluate", CLI_EVALUATE, cli_evaluate, 0, 0,
     "--store FILE --model NAME [--corpus NAME | <TEXT]",
     "Measure perplexity, analogies or word pairs",
     "Segments end as the model's tokenizer says. Columns: a figure's name and its "
     "value; for analogies\na section, questions asked, right and skipped.\n"},
    {"import", CLI_IMPORT, cli_import, 0, 1,
     "--store FILE --model NAME [--format FORMAT] [FILE]",
     "Put a model file into the store",
     "Without FILE the model comes on standard input.\n"},
    {"export", CLI_EXPORT, cli_export, 0, 1,
     "--store FILE --model NAME [--format FORMAT] [FILE]",
     "Take a model out of the store",
     "Without FILE the model goes to standard output.\n"},
    {"check", CLI_CHECK, cli_check, 0, 0, "--store FILE",
     "Verify every checksum of the store", NULL},
    {"backup", CLI_BACKUP, cli_backup, 1, 1, "--store FILE COPY",
     "Copy the store, also while it serves", NULL},
    {"keys", CLI_KEYS, cli_keys, 1, 2, "--store FILE list | add | remove ID",
     "List, add and remove API keys",
     "A new key is shown once; only its digest is kept. While there is no key, the "
     "daemon "
     "serves\nloopback only and allows everything.\n"},
    {"help", CLI_HELP, cli_help, 0, 1, "[COMMAND]", "Show this list, or a command's page",
     NULL},
    {"version", CLI_VERSION, cli_version, 0, 0, "", "Show the version", NULL},
    {NULL, 0, NULL, 0, 0, NULL, NULL, NULL},
};

static const struct cli_command *find(const char *name)
{
    for (const struct cli_command *command = cli_commands; command->name; command++)
        if (strcmp(command->name, name) == 0)
            return command;
    return NULL;
}

/* ---- help ---- */

static void help_serve(FILE *to)
{
    fprintf(to, "\nEvery setting may stand in the configuration file (name = value), in "
                "the environment\n(FIRTH_NAME), or here as --name VALUE:\n\n");
#define TEXT ""
#define INTEGER ""
#define X(name, type, fallback, minimum, maximum, help)                                  \
    fprintf(to, "  %-20s %s%s%s%s\n", #name, help, *(fallback) ? " [" : "", fallback,    \
            *(fallback) ? "]" : "");
    SETTINGS_TABLE(X)
#undef X
#undef TEXT
#undef INTEGER
}

static void help_kinds(FILE *to)
{
    fprintf(to, "\nKinds and their parameters (defaults in brackets):\n");
    for (size_t i = 0; kinds[i]; i++) {
        fprintf(to, "\n  %s: %s\n", kinds[i]->name, kinds[i]->help);
        for (const struct param *param = kinds[i]->params; param->name; param++)
            fprintf(to, "    %-16s %s%s%s%s [%s]\n", param->name, param->help,
                    param->choices ? ": " : "", param->choices ? param->choices : "", "",
                    param->fallback);
    }
}

static enum cli_status show_help(const struct cli_command *command)
{
    cli_help_command(command, stdout);
    if (command->bit == CLI_SERVE)
        help_serve(stdout);
    if (command->bit == CLI_TRAIN)
        help_kinds(stdout);
    return fflush(stdout) == 0 ? CLI_DONE : CLI_FAILED;
}

static enum cli_status cli_help(struct cli *cli)
{
    if (cli->arguments.rest.count == 0) {
        cli_help_all(stdout);
        return fflush(stdout) == 0 ? CLI_DONE : CLI_FAILED;
    }
    const struct cli_command *command = find(cli->arguments.rest.items[0]);
    if (!command)
        return cli_misuse(cli, "there is no command '%.40s'",
                          cli->arguments.rest.items[0]);
    return show_help(command);
}

static enum cli_status cli_version(struct cli *cli)
{
    (void)cli;
    return printf("firthd %s\n", PACKAGE_VERSION) > 0 && fflush(stdout) == 0 ? CLI_DONE
                                                                             : CLI_FAILED;
}

/* ---- running ---- */

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

int cli_run(int argc, char **argv)
{
    struct cli cli;
    const char *name = argc > 1 ? argv[1] : NULL;
    if (!name) {
        cli_help_all(stderr);
        return CLI_USAGE;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    else if (strcmp(name, "--version") == 0)
        name = "version";
    cli.command = find(name);
    if (!cli.command) {
        fprintf(stderr, "firthd: there is no command '%.40s'; firthd help lists them\n",
                name);
        return CLI_USAGE;
    }
    if (asks_for_help(argc - 2, argv + 2))
        return (int)show_help(cli.command);
    if (!cli.command->run) {
        fprintf(stderr, "firthd: '%s' cannot be run from here\n", cli.command->name);
        return CLI_FAILED;
    }
    enum cli_status status =
        cli_options_parse(cli.command, argc - 2, argv + 2, &cli.arguments);
    return (int)(status ? status : cli.command->run(&cli));
}

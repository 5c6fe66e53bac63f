/* SPDX-License-Identifier: MIT */
/* Options are written --name VALUE or --name=VALUE; `--` ends them; a lone `-` is an
 * argument. A wrong one is answered with what would be right and status 2. */
#include "api/cli_options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum option_type { OPTION_TEXT, OPTION_INTEGER, OPTION_NUMBER, OPTION_FLAG, OPTION_LIST };

struct option {
    const char *name;
    enum option_type type;
    size_t offset;
    unsigned commands; /* bits */
    const char *value; /* what stands for the value in help */
    double minimum, maximum;
    size_t given; /* offset + 1 of a bool set when present; 0: none */
    const char *help;
};

#define AT(member) offsetof(struct cli_arguments, member)
#define GIVEN(member) (AT(member) + 1)
enum {
    CLI_WORDS = CLI_NEIGHBORS | CLI_ANALOGY,
    CLI_ASK = CLI_SCORE | CLI_NEXT | CLI_GENERATE | CLI_EVALUATE | CLI_WORDS,
    CLI_ON_STORE =
        CLI_TRAIN | CLI_ASK | CLI_IMPORT | CLI_EXPORT | CLI_CHECK | CLI_BACKUP | CLI_KEYS,
    CLI_ON_MODEL = CLI_TRAIN | CLI_ASK | CLI_IMPORT | CLI_EXPORT,
    CLI_IN_ORDER = CLI_SCORE | CLI_EVALUATE,
    CLI_SOME = ~0
};

static const struct option options[] = {
    {"store", OPTION_TEXT, AT(store), CLI_ON_STORE, "FILE", 0, 0, 0,
     "the store; default firth.db"},
    {"model", OPTION_TEXT, AT(model), CLI_ON_MODEL, "NAME", 0, 0, 0,
     "a model of the store, by name or alias"},
    {"model-file", OPTION_TEXT, AT(model_file), CLI_TRAIN | CLI_ASK, "FILE", 0, 0, 0,
     "a model file instead of a store (train: write it there)"},
    {"kind", OPTION_TEXT, AT(kind), CLI_TRAIN, "KIND", 0, 0, 0,
     "what to train; the kinds are listed below"},
    {"corpus", OPTION_TEXT, AT(corpus), CLI_TRAIN | CLI_EVALUATE, "NAME", 0, 0, 0,
     "a corpus of the store, or - for standard input (the default)"},
    {"valid", OPTION_TEXT, AT(valid), CLI_TRAIN, "WHAT", 0, 0, 0,
     "corpus to measure on, or the fraction kept aside; default 0.05, 0 none"},
    {"valid-file", OPTION_TEXT, AT(valid_file), CLI_TRAIN, "FILE", 0, 0, 0,
     "a file to measure on instead"},
    {"param", OPTION_LIST, AT(params), CLI_TRAIN, "NAME=VALUE", 0, 0, 0,
     "a parameter of the kind; may be repeated"},
    {"part", OPTION_LIST, AT(parts), CLI_TRAIN, "FILE", 0, 0, 0,
     "with --kind mixture and --model-file: the model file of a part; repeated"},
    {"unit", OPTION_TEXT, AT(unit), CLI_TRAIN | CLI_IMPORT, "UNIT", 0, 0, 0,
     "tokens are: word, whitespace, char or bpe"},
    {"segment", OPTION_TEXT, AT(segment), CLI_TRAIN, "HOW", 0, 0, 0,
     "segments are: line, sentence or document"},
    {"lowercase", OPTION_FLAG, AT(lowercase), CLI_TRAIN | CLI_IMPORT, NULL, 0, 0, 0,
     "make texts lower-case"},
    {"min-count", OPTION_INTEGER, AT(min_count), CLI_TRAIN, "N", 1, 4294967295.0, 0,
     "rarer words become <unk>"},
    {"max-vocab", OPTION_INTEGER, AT(max_vocab), CLI_TRAIN, "N", 0, 1073741824, 0,
     "most words of the vocabulary; 0: no limit"},
    {"threads", OPTION_INTEGER, AT(threads), CLI_TRAIN | CLI_EVALUATE, "N", 0, 64, 0,
     "0: all cores"},
    {"epochs", OPTION_NUMBER, AT(epochs), CLI_TRAIN, "N", 0, 1e9, 0,
     "passes over the corpus; 0: the kind's default"},
    {"seconds", OPTION_NUMBER, AT(seconds), CLI_TRAIN, "N", 0, 1e9, 0,
     "stop learning after this time; 0: no limit"},
    {"patience", OPTION_INTEGER, AT(patience), CLI_TRAIN, "N", 0, 1e6, 0,
     "stop after so many validations without a better one; 0: never"},
    {"memory", OPTION_INTEGER, AT(memory), CLI_TRAIN, "BYTES", 1048576, 1e15, 0,
     "for counting; what is more is spilled to disk"},
    {"scratch", OPTION_TEXT, AT(scratch), CLI_TRAIN | CLI_EVALUATE, "FOLDER", 0, 0, 0,
     "for temporary files; default: the system's"},
    {"replace", OPTION_FLAG, AT(replace), CLI_TRAIN | CLI_IMPORT, NULL, 0, 0, 0,
     "replace a model that has this name"},
    {"format", OPTION_TEXT, AT(format), CLI_IMPORT | CLI_EXPORT, "FORMAT", 0, 0, 0,
     "arpa, word2vec, word2vec-bin, glove, or checkpoint (the default), Firth's own"},
    {"seed", OPTION_INTEGER, AT(seed), CLI_TRAIN | CLI_GENERATE, "N", 0,
     9007199254740991.0, GIVEN(seed_given), "of the random numbers"},
    {"k", OPTION_INTEGER, AT(k), CLI_NEXT | CLI_WORDS, "N", 0, 10000, 0,
     "how many answers; default 10"},
    {"metric", OPTION_TEXT, AT(metric), CLI_NEIGHBORS, "METRIC", 0, 0, 0,
     "cosine (the default), dot or euclidean"},
    {"method", OPTION_TEXT, AT(method), CLI_ANALOGY | CLI_EVALUATE, "METHOD", 0, 0, 0,
     "of analogies: 3cosadd (the default) or 3cosmul"},
    {"restrict-vocab", OPTION_INTEGER, AT(restrict_vocab), CLI_WORDS | CLI_EVALUATE, "N",
     1, 4294967295.0, 0, "of word vectors only the N most frequent"},
    {"analogies", OPTION_TEXT, AT(analogies), CLI_EVALUATE, "FILE", 0, 0, 0,
     "answer this file of analogies, four words a line, instead"},
    {"word-pairs", OPTION_TEXT, AT(word_pairs), CLI_EVALUATE, "FILE", 0, 0, 0,
     "correlate with this file of word pairs and judgements instead"},
    {"word", OPTION_LIST, AT(words), CLI_NEXT, "WORD", 0, 0, 0,
     "also tell this word's probability; may be repeated"},
    {"temperature", OPTION_NUMBER, AT(temperature), CLI_NEXT | CLI_GENERATE, "T", 0, 100,
     0, "default 1; 0: only the likeliest token"},
    {"prompt", OPTION_TEXT, AT(prompt), CLI_GENERATE, "TEXT", 0, 0, 0,
     "go on from this text instead of from each line of standard input"},
    {"max-tokens", OPTION_INTEGER, AT(max_tokens), CLI_GENERATE, "N", 0, 1e7, 0,
     "of each text; default 64"},
    {"n", OPTION_INTEGER, AT(n), CLI_GENERATE, "N", 1, 128, 0,
     "texts a prompt; default 1"},
    {"top-k", OPTION_INTEGER, AT(top_k), CLI_GENERATE, "N", 0, 1e6, 0,
     "draw among the k likeliest; 0: all"},
    {"top-p", OPTION_NUMBER, AT(top_p), CLI_GENERATE, "P", 0, 1, 0,
     "draw among the likeliest that have this probability together"},
    {"stop", OPTION_LIST, AT(stops), CLI_GENERATE, "TEXT", 0, 0, 0,
     "a text that ends an output; may be repeated"},
    {"tokens", OPTION_FLAG, AT(tokens), CLI_SCORE, NULL, 0, 0, 0,
     "tell every token's log-probability, too"},
    {"totals", OPTION_FLAG, AT(totals), CLI_SCORE, NULL, 0, 0, 0,
     "only the totals, no line for each input (fastest)"},
    {"no-bos", OPTION_FLAG, AT(no_bos), CLI_SCORE, NULL, 0, 0, 0,
     "a line does not begin a segment"},
    {"no-eos", OPTION_FLAG, AT(no_eos), CLI_SCORE, NULL, 0, 0, 0,
     "do not score the end of a line"},
    {"oov", OPTION_TEXT, AT(oov), CLI_SCORE, "HOW", 0, 0, 0,
     "unknown words: unk (score as <unk>, the default), skip or error"},
    {"carry", OPTION_FLAG, AT(carry), CLI_IN_ORDER, NULL, 0, 0, 0,
     "the input is one text in order: a neural model's state goes on from line to line"},
    {"cache", OPTION_FLAG, AT(cache), CLI_IN_ORDER, NULL, 0, 0, 0,
     "carry, and mix in a cache of recent words (the usual settings)"},
    {"cache-size", OPTION_INTEGER, AT(cache_size), CLI_IN_ORDER, "N", 1, 16384,
     GIVEN(cache_size_given), "tokens the cache remembers; default 2000"},
    {"cache-theta", OPTION_NUMBER, AT(cache_theta), CLI_IN_ORDER, "T", 0, 100,
     GIVEN(cache_theta_given), "how sharply likeness of contexts counts; default 0.3"},
    {"cache-weight", OPTION_NUMBER, AT(cache_weight), CLI_IN_ORDER, "W", 0, 0.999,
     GIVEN(cache_weight_given), "of the cache in the mixture; default 0.1"},
    {"dynamic", OPTION_FLAG, AT(dynamic), CLI_IN_ORDER, NULL, 0, 0, 0,
     "carry, and adapt a neural model to the text scored so far"},
    {"dynamic-rate", OPTION_NUMBER, AT(dynamic_rate), CLI_IN_ORDER, "R", 1e-9, 10,
     GIVEN(dynamic_rate_given), "learning rate of the adaptation; default 0.004"},
    {"dynamic-decay", OPTION_NUMBER, AT(dynamic_decay), CLI_IN_ORDER, "D", 0, 1,
     GIVEN(dynamic_decay_given),
     "share of the way back to the original, each step; default 0.001"},
    {"dynamic-steps", OPTION_INTEGER, AT(dynamic_steps), CLI_IN_ORDER, "N", 1, 256,
     GIVEN(dynamic_steps_given),
     "tokens between two steps of the adaptation; default 20"},
    {"log-base", OPTION_INTEGER, AT(log_base), CLI_ASK & ~CLI_WORDS, "2|10", 2, 10, 0,
     "of all logarithms; default: natural"},
    {"label", OPTION_TEXT, AT(label), CLI_KEYS, "TEXT", 0, 0, 0,
     "what the new key is for"},
    {"scope", OPTION_TEXT, AT(scope), CLI_KEYS, "LIST", 0, 0, 0,
     "of the new key: read, train, admin, by comma; default read"},
    {"json", OPTION_FLAG, AT(json), CLI_TRAIN | CLI_ASK | CLI_IMPORT | CLI_KEYS, NULL, 0,
     0, 0, "JSON instead of columns, one object a line"},
    {"quiet", OPTION_FLAG, AT(quiet), CLI_TRAIN | CLI_ASK, NULL, 0, 0, 0,
     "no progress and no totals on standard error"},
    {"help", OPTION_FLAG, AT(help), (unsigned)CLI_SOME, NULL, 0, 0, 0, "this page"},
};
enum { OPTION_COUNT = sizeof options / sizeof options[0] };

static const struct option *find(const struct cli_command *command, const char *name,
                                 size_t size)
{
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if ((options[i].commands & command->bit) && strlen(options[i].name) == size &&
            strncmp(options[i].name, name, size) == 0)
            return &options[i];
    return NULL;
}

static enum cli_status complain(const struct cli_command *command, const char *what,
                                const char *name)
{
    fprintf(stderr, "firthd %s: %s%s; see firthd %s --help\n", command->name, what, name,
            command->name);
    return CLI_USAGE;
}

static bool read_number(const struct option *option, const char *text, void *to)
{
    char *end = NULL;
    errno = 0;
    double value = strtod(text, &end);
    if (end == text || *end || errno || !(value >= option->minimum) ||
        !(value <= option->maximum))
        return false;
    if (option->type == OPTION_NUMBER) {
        memcpy(to, &value, sizeof value);
        return true;
    }
    int64_t integer = strtoll(text, &end, 10);
    if (*end)
        return false;
    memcpy(to, &integer, sizeof integer);
    return true;
}

static bool set(const struct option *option, const char *text,
                struct cli_arguments *arguments)
{
    char *to = (char *)arguments + option->offset;
    if (option->given)
        *(bool *)((char *)arguments + (option->given - 1)) = true;
    switch (option->type) {
    case OPTION_TEXT:
        memcpy(to, &text, sizeof text);
        return true;
    case OPTION_LIST: {
        struct cli_list *list = (struct cli_list *)(void *)to;
        if (list->count == CLI_LIST_MAX)
            return false;
        list->items[list->count++] = text;
        return true;
    }
    case OPTION_FLAG:
        *(bool *)to = true;
        return true;
    case OPTION_INTEGER:
    case OPTION_NUMBER:
    default:
        return read_number(option, text, to);
    }
}

/* One argument that begins with two dashes; *i moves on when its value is the next. */
static enum cli_status parse_one(const struct cli_command *command, int argc, char **argv,
                                 int *i, struct cli_arguments *arguments)
{
    const char *name = argv[*i] + 2, *equals = strchr(name, '=');
    size_t size = equals ? (size_t)(equals - name) : strlen(name);
    const struct option *option = find(command, name, size);
    const char *value = equals ? equals + 1 : NULL;
    if (!option)
        return complain(command, "there is no option --", name);
    if (option->type == OPTION_FLAG && value)
        return complain(command, "no value belongs to --", option->name);
    if (option->type != OPTION_FLAG && !value) {
        if (*i + 1 >= argc)
            return complain(command, "a value is missing after --", option->name);
        value = argv[++*i];
    }
    if (set(option, value, arguments))
        return CLI_DONE;
    fprintf(stderr, "firthd %s: --%s wants a value from %.15g to %.15g, not '%.40s'\n",
            command->name, option->name, option->minimum, option->maximum, value);
    return CLI_USAGE;
}

enum cli_status cli_options_parse(const struct cli_command *command, int argc,
                                  char **argv, struct cli_arguments *arguments)
{
    bool open = true;
    *arguments = (struct cli_arguments){.store = "firth.db",
                                        .k = 10,
                                        .n = 1,
                                        .max_tokens = 64,
                                        .temperature = 1,
                                        .top_p = 1};
    for (int i = 0; i < argc; i++) {
        struct cli_list *rest = &arguments->rest;
        enum cli_status status = CLI_DONE;
        if (open && strcmp(argv[i], "--") == 0)
            open = false;
        else if (open && strncmp(argv[i], "--", 2) == 0)
            status = parse_one(command, argc, argv, &i, arguments);
        else if (open && strcmp(argv[i], "-h") == 0)
            arguments->help = true;
        else if (open && argv[i][0] == '-' && argv[i][1])
            status = complain(command, "options have two dashes: ", argv[i]);
        else if (rest->count < command->rest_max)
            rest->items[rest->count++] = argv[i];
        else
            status = complain(command, "what is this: ", argv[i]);
        if (status)
            return status;
    }
    if (arguments->log_base != 0 && arguments->log_base != 2 && arguments->log_base != 10)
        return complain(command, "--log-base is 2 or 10", "");
    if (!arguments->help && arguments->rest.count < command->rest_min)
        return complain(command, "arguments are missing: ", command->usage);
    return CLI_DONE;
}

/* ---- help ---- */

void cli_help_all(FILE *to)
{
    fprintf(to, "firthd trains language models on your own text and answers questions "
                "with them.\n\nusage: firthd COMMAND [OPTION]…\n\n");
    for (const struct cli_command *command = cli_commands; command->name; command++)
        fprintf(to, "  %-10s %s\n", command->name, command->summary);
    fprintf(to, "\nfirthd COMMAND --help tells more. Exit status: 0 done, 1 failed, "
                "2 wrong usage.\n");
}

void cli_help_command(const struct cli_command *command, FILE *to)
{
    size_t size = strlen(command->summary);
    bool question = size > 0 && command->summary[size - 1] == '?';
    fprintf(to, "usage: firthd %s %s\n\n%s%s\n", command->name, command->usage,
            command->summary, question ? "" : ".");
    if (command->text)
        fprintf(to, "\n%s", command->text);
    fprintf(to, "\n");
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        char name[48];
        if (!(options[i].commands & command->bit))
            continue;
        (void)snprintf(name, sizeof name, "--%s%s%s", options[i].name,
                       options[i].value ? " " : "",
                       options[i].value ? options[i].value : "");
        fprintf(to, "  %-22s %s\n", name, options[i].help);
    }
}

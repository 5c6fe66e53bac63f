/* SPDX-License-Identifier: MIT */
/* Options are written --name VALUE or --name=VALUE; `--` ends them; a lone `-` is an
 * argument. A wrong one is answered with what would be right and status 2. */
#include "api/cli_options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/lm/lm_stream.h"

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

enum {
    CLI_WORDS = CLI_NEIGHBORS | CLI_ANALOGY,
    CLI_ASK = CLI_SCORE | CLI_NEXT | CLI_GENERATE | CLI_EVALUATE | CLI_WORDS,
    CLI_ON_STORE =
        CLI_TRAIN | CLI_ASK | CLI_IMPORT | CLI_EXPORT | CLI_CHECK | CLI_BACKUP | CLI_KEYS,
    CLI_ON_MODEL = CLI_TRAIN | CLI_ASK | CLI_IMPORT | CLI_EXPORT,
    CLI_IN_ORDER = CLI_SCORE | CLI_EVALUATE,
    CLI_SOME = ~0
};

#define ROW(name_, type_, member_, commands_, ...)                                       \
    {                                                                                    \
        .name = name_, .type = type_, .offset = offsetof(struct cli_arguments, member_), \
        .commands = (unsigned)(commands_), __VA_ARGS__                                   \
    }
#define FLAG(name_, member_, commands_, help_)                                           \
    ROW(name_, OPTION_FLAG, member_, commands_, .help = help_)
#define TEXT(name_, member_, commands_, value_, help_)                                   \
    ROW(name_, OPTION_TEXT, member_, commands_, .value = value_, .help = help_)
#define LIST(name_, member_, commands_, value_, help_)                                   \
    ROW(name_, OPTION_LIST, member_, commands_, .value = value_, .help = help_)
#define RANGE(minimum_, maximum_) .minimum = minimum_, .maximum = maximum_
#define INTEGER(name_, member_, commands_, value_, least_, most_, help_)                 \
    ROW(name_, OPTION_INTEGER, member_, commands_, .value = value_,                      \
        RANGE(least_, most_), .help = help_)
#define NUMBER(name_, member_, commands_, value_, least_, most_, help_)                  \
    ROW(name_, OPTION_NUMBER, member_, commands_, .value = value_, RANGE(least_, most_), \
        .help = help_)
/* Those whose being given counts have a bool NAME_given beside them. */
#define GIVEN(member_) .given = offsetof(struct cli_arguments, member_##_given) + 1
#define INTEGER_GIVEN(name_, member_, commands_, value_, least_, most_, help_)           \
    ROW(name_, OPTION_INTEGER, member_, commands_, .value = value_,                      \
        RANGE(least_, most_), GIVEN(member_), .help = help_)
#define NUMBER_GIVEN(name_, member_, commands_, value_, least_, most_, help_)            \
    ROW(name_, OPTION_NUMBER, member_, commands_, .value = value_, RANGE(least_, most_), \
        GIVEN(member_), .help = help_)

static const struct option options[] = {
    TEXT("store", store, CLI_ON_STORE, "FILE", "the store"),
    TEXT("model", model, CLI_ON_MODEL, "NAME", "a model of the store, by name or alias"),
    TEXT("model-file", model_file, CLI_TRAIN | CLI_ASK, "FILE",
         "a model file instead of a store (train: write it there)"),
    TEXT("kind", kind, CLI_TRAIN, "KIND", "what to train; the kinds are listed below"),
    TEXT("corpus", corpus, CLI_TRAIN | CLI_EVALUATE, "NAME",
         "a corpus of the store, or - for standard input (the default)"),
    TEXT("valid", valid, CLI_TRAIN, "WHAT",
         "corpus to measure on, or the fraction kept aside; default 0.05, 0 none"),
    TEXT("valid-file", valid_file, CLI_TRAIN, "FILE", "a file to measure on instead"),
    LIST("param", params, CLI_TRAIN, "NAME=VALUE",
         "a parameter of the kind; may be repeated"),
    LIST("part", parts, CLI_TRAIN, "FILE",
         "with --kind mixture and --model-file: the model file of a part; repeated"),
    TEXT("unit", unit, CLI_TRAIN | CLI_IMPORT, "UNIT",
         "tokens are: word, whitespace, char or bpe"),
    TEXT("segment", segment, CLI_TRAIN, "HOW",
         "segments are: line, sentence or document"),
    FLAG("lowercase", lowercase, CLI_TRAIN | CLI_IMPORT | CLI_EVALUATE,
         "make texts lower-case; evaluate: the words of --analogies or --word-pairs"),
    INTEGER("min-count", min_count, CLI_TRAIN, "N", 1, 4294967295.0,
            "rarer words become <unk>"),
    INTEGER("max-vocab", max_vocab, CLI_TRAIN, "N", 0, 1073741824,
            "most words of the vocabulary; 0: no limit"),
    INTEGER("threads", threads, CLI_TRAIN | CLI_EVALUATE, "N", 0, 64, "0: all cores"),
    NUMBER("epochs", epochs, CLI_TRAIN, "N", 0, 1e9,
           "passes over the corpus; 0: the kind's default"),
    NUMBER("seconds", seconds, CLI_TRAIN, "N", 0, 1e9,
           "stop learning after this time; 0: no limit"),
    INTEGER("patience", patience, CLI_TRAIN, "N", 0, 1e6,
            "stop after so many validations without a better one; 0: never"),
    INTEGER("memory", memory, CLI_TRAIN, "BYTES", 1048576, 1e15,
            "for counting; what is more is spilled to disk"),
    TEXT("scratch", scratch, CLI_TRAIN | CLI_EVALUATE, "FOLDER",
         "for temporary files; default: the system's"),
    FLAG("replace", replace, CLI_TRAIN | CLI_IMPORT,
         "replace a model that has this name"),
    TEXT("format", format, CLI_IMPORT | CLI_EXPORT, "FORMAT",
         "arpa, word2vec, word2vec-bin, glove, or checkpoint (the default), Firth's own"),
    INTEGER_GIVEN("seed", seed, CLI_TRAIN | CLI_GENERATE, "N", 0, 9007199254740991.0,
                  "of the random numbers"),
    INTEGER("k", k, CLI_NEXT | CLI_WORDS, "N", 0, 10000, "how many answers"),
    TEXT("metric", metric, CLI_NEIGHBORS, "METRIC",
         "cosine (the default), dot or euclidean"),
    TEXT("method", method, CLI_ANALOGY | CLI_EVALUATE, "METHOD",
         "of analogies: 3cosadd (the default) or 3cosmul"),
    INTEGER("restrict-vocab", restrict_vocab, CLI_WORDS | CLI_EVALUATE, "N", 1,
            4294967295.0, "of word vectors only the N most frequent"),
    TEXT("analogies", analogies, CLI_EVALUATE, "FILE",
         "answer this file of analogies, four words a line, instead"),
    TEXT("word-pairs", word_pairs, CLI_EVALUATE, "FILE",
         "correlate with this file of word pairs and judgements instead"),
    LIST("word", words, CLI_NEXT, "WORD",
         "also tell this word's probability; may be repeated"),
    NUMBER("temperature", temperature, CLI_NEXT | CLI_GENERATE, "T", 0, 100,
           "0: only the likeliest token"),
    TEXT("prompt", prompt, CLI_GENERATE, "TEXT",
         "go on from this text instead of from each line of standard input"),
    INTEGER("max-tokens", max_tokens, CLI_GENERATE, "N", 0, 1e7, "of each text"),
    INTEGER("n", n, CLI_GENERATE, "N", 1, 128, "texts a prompt"),
    INTEGER("top-k", top_k, CLI_GENERATE, "N", 0, 1e6,
            "draw among the k likeliest; 0: all"),
    NUMBER("top-p", top_p, CLI_GENERATE, "P", 0, 1,
           "draw among the likeliest that have this probability together"),
    LIST("stop", stops, CLI_GENERATE, "TEXT",
         "a text that ends an output; may be repeated"),
    FLAG("tokens", tokens, CLI_SCORE, "tell every token's log-probability, too"),
    FLAG("totals", totals, CLI_SCORE,
         "only the totals, no line for each input (fastest)"),
    FLAG("no-bos", no_bos, CLI_SCORE, "a line does not begin a segment"),
    FLAG("no-eos", no_eos, CLI_SCORE, "do not score the end of a line"),
    TEXT("oov", oov, CLI_SCORE, "HOW",
         "unknown words: unk (score as <unk>, the default), skip or error"),
    FLAG("carry", carry, CLI_IN_ORDER,
         "the input is one text in order: a neural model's state goes on from line to "
         "line"),
    FLAG("cache", cache, CLI_IN_ORDER,
         "carry, and mix in a cache of recent words (the usual settings)"),
    INTEGER_GIVEN("cache-size", cache_size, CLI_IN_ORDER, "N", 1, 16384,
                  "tokens the cache remembers"),
    NUMBER_GIVEN("cache-theta", cache_theta, CLI_IN_ORDER, "T", 0, 100,
                 "how sharply likeness of contexts counts"),
    NUMBER_GIVEN("cache-weight", cache_weight, CLI_IN_ORDER, "W", 0, 0.999,
                 "of the cache in the mixture"),
    FLAG("dynamic", dynamic, CLI_IN_ORDER,
         "carry, and adapt a neural model to the text scored so far"),
    NUMBER_GIVEN("dynamic-rate", dynamic_rate, CLI_IN_ORDER, "R", 1e-9, 10,
                 "learning rate of the adaptation"),
    NUMBER_GIVEN("dynamic-decay", dynamic_decay, CLI_IN_ORDER, "D", 0, 1,
                 "share of the way back to the original, each step"),
    INTEGER_GIVEN("dynamic-steps", dynamic_steps, CLI_IN_ORDER, "N", 1, 256,
                  "tokens between two steps of the adaptation"),
    INTEGER("log-base", log_base, CLI_ASK & ~CLI_WORDS, "2|10", 2, 10,
            "of all logarithms; default: natural"),
    TEXT("label", label, CLI_KEYS, "TEXT", "what the new key is for"),
    TEXT("scope", scope, CLI_KEYS, "LIST",
         "of the new key: read, train, admin, by comma; default read"),
    FLAG("json", json, CLI_TRAIN | CLI_ASK | CLI_IMPORT | CLI_KEYS,
         "JSON instead of columns, one object a line"),
    FLAG("quiet", quiet, CLI_TRAIN | CLI_ASK,
         "no progress and no totals on standard error"),
    FLAG("help", help, CLI_SOME, "this page"),
};
enum { OPTION_COUNT = sizeof options / sizeof options[0] };

/* What an option is that nobody gives; --help reads it here, too. */
static struct cli_arguments defaults(void)
{
    return (struct cli_arguments){
        .store = "firth.db",
        .k = 10,
        .n = 1,
        .max_tokens = 64,
        .temperature = 1,
        .top_p = 1,
        .cache_size = (int64_t)lm_cache_usual.size,
        .cache_theta = lm_cache_usual.theta,
        .cache_weight = lm_cache_usual.weight,
        .dynamic_rate = lm_dynamic_usual.rate,
        .dynamic_decay = lm_dynamic_usual.decay,
        .dynamic_steps = (int64_t)lm_dynamic_usual.steps,
    };
}

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
    if (option->type == OPTION_LIST)
        return complain(command, "too often: --", option->name);
    fprintf(stderr, "firthd %s: --%s wants a value from %.15g to %.15g, not '%.40s'\n",
            command->name, option->name, option->minimum, option->maximum, value);
    return CLI_USAGE;
}

enum cli_status cli_options_parse(const struct cli_command *command, int argc,
                                  char **argv, struct cli_arguments *arguments)
{
    bool open = true;
    *arguments = defaults();
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

/* "; default 10", where there is one. */
static void print_default(const struct option *option,
                          const struct cli_arguments *arguments, FILE *to)
{
    const char *at = (const char *)arguments + option->offset;
    const char *text = NULL;
    int64_t integer = 0;
    double number = 0;
    if (option->type == OPTION_TEXT)
        memcpy(&text, at, sizeof text);
    else if (option->type == OPTION_INTEGER)
        memcpy(&integer, at, sizeof integer);
    else if (option->type == OPTION_NUMBER)
        memcpy(&number, at, sizeof number);
    if (text)
        fprintf(to, "; default %s", text);
    else if (integer || number != 0)
        fprintf(to, "; default %g", integer ? (double)integer : number);
}

void cli_help_command(const struct cli_command *command, FILE *to)
{
    const struct cli_arguments usual = defaults();
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
        fprintf(to, "  %-22s %s", name, options[i].help);
        print_default(&options[i], &usual, to);
        fprintf(to, "\n");
    }
}

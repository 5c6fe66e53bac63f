/* SPDX-License-Identifier: MIT */
/* The commands and their options, once each in a table: parsing, checks, --help and the
 * list in `firthd help` are made from them. */
#ifndef FIRTH_API_CLI_OPTIONS_H
#define FIRTH_API_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum cli_status { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

#define CLI_LIST_MAX 64
struct cli_list {
    const char *items[CLI_LIST_MAX];
    size_t count;
};

/* Every option of every command; a command sees those its bit stands in. */
struct cli_arguments {
    const char *store, *model, *model_file, *corpus, *kind, *valid, *valid_file, *format;
    const char *metric, *method, *analogies, *word_pairs;
    const char *unit, *segment, *oov, *label, *scope, *prompt, *scratch;
    struct cli_list params, parts, words, stops, rest; /* rest: what is no option */
    int64_t seed, threads, memory, min_count, max_vocab, patience;
    int64_t restrict_vocab;
    double epochs, seconds;
    int64_t k, n, max_tokens, top_k, log_base;
    double temperature, top_p;
    bool json, quiet, replace, lowercase, tokens, totals, no_bos, no_eos, help;
    bool seed_given;
    bool carry, cache, dynamic;
    int64_t cache_size, dynamic_steps;
    double cache_theta, cache_weight, dynamic_rate, dynamic_decay;
    bool cache_size_given, cache_theta_given, cache_weight_given;
    bool dynamic_rate_given, dynamic_decay_given, dynamic_steps_given;
};

struct cli;
struct cli_command {
    const char *name;
    unsigned bit;
    enum cli_status (*run)(struct cli *cli); /* NULL: main.c runs it */
    size_t rest_min, rest_max;               /* arguments that are no options */
    const char *usage;                       /* after the name */
    const char *summary;                     /* one line */
    const char *text;                        /* paragraphs of --help, may be NULL */
};

enum cli_bit {
    CLI_SERVE = 1 << 0,
    CLI_TRAIN = 1 << 1,
    CLI_SCORE = 1 << 2,
    CLI_NEXT = 1 << 3,
    CLI_GENERATE = 1 << 4,
    CLI_EVALUATE = 1 << 5,
    CLI_IMPORT = 1 << 6,
    CLI_EXPORT = 1 << 7,
    CLI_CHECK = 1 << 8,
    CLI_BACKUP = 1 << 9,
    CLI_KEYS = 1 << 10,
    CLI_HELP = 1 << 11,
    CLI_VERSION = 1 << 12,
    CLI_NEIGHBORS = 1 << 13,
    CLI_ANALOGY = 1 << 14
};

extern const struct cli_command cli_commands[]; /* ends with a NULL name (cli.c) */

/* Fills `arguments` with defaults, then from argv. Complains on standard error. */
enum cli_status cli_options_parse(const struct cli_command *command, int argc,
                                  char **argv, struct cli_arguments *arguments);

/* The pages of help. */
void cli_help_all(FILE *to);
void cli_help_command(const struct cli_command *command, FILE *to);

#endif

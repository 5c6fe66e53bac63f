/* SPDX-License-Identifier: MIT */
/* What the commands share: the model they ask, their output, their errors. Private to
 * cli_*.c. */
#ifndef FIRTH_API_CLI_INT_H
#define FIRTH_API_CLI_INT_H

#include "api/cli_options.h"
#include "api/print_infer.h"
#include "base/progress.h"
#include "base/spill.h"
#include "model/lm/target.h"
#include "model/model.h"
#include "storage/store.h"

struct cli {
    const struct cli_command *command;
    struct cli_arguments arguments;
};

/* ---- errors ---- */

/* "firthd score: …" on standard error; returns CLI_FAILED. */
enum cli_status cli_fail(const struct cli *cli, enum err code,
                         const struct err_info *info);
/* The same with a sentence of its own; returns CLI_USAGE. */
enum cli_status cli_misuse(const struct cli *cli, const char *format, ...)
    PRINTF_LIKE(2, 3);

/* ---- output: lines on standard output through one buffer ---- */

struct cli_output {
    struct buffer line;
    struct printer printer; /* for JSON */
    enum err failed;
};
void cli_output_init(struct cli_output *output);
/* Ends the line; writes when there is enough. */
enum err cli_output_end(struct cli_output *output);
/* Writes the rest and frees. */
MUST_CHECK enum err cli_output_fini(struct cli_output *output);
/* A number with six decimals, "inf", "-inf" or "nan". */
void cli_put_number(struct buffer *out, double value);
/* A text as one column: TAB, line end and backslash are escaped. */
void cli_put_column(struct buffer *out, struct span text);

/* ---- progress on a terminal ---- */

struct cli_bar {
    bool shown; /* standard error is a terminal, and not --quiet */
    bool drawn;
    double last, started;
};
void cli_bar_init(struct cli_bar *bar, const struct cli *cli);
/* fraction < 0: unknown. `done` counts `unit`s. */
void cli_bar_draw(struct cli_bar *bar, double fraction, const char *phase, uint64_t done,
                  const char *unit);
void cli_bar_clear(struct cli_bar *bar);

/* ---- stores and models ---- */

/* Opens --store; says what to do when a daemon has it. */
MUST_CHECK enum err cli_store_open(const struct cli *cli, bool create,
                                   struct store **store, struct err_info *info);

struct cli_model {
    struct store *store; /* NULL for a file */
    struct model *model;
    char name[STORE_NAME_SIZE];
    char digest[STORE_DIGEST_SIZE]; /* "" for a file */
};
/* The model of --model or --model-file. CLI_USAGE when neither or both are given. */
enum cli_status cli_model_open(const struct cli *cli, struct cli_model *model);
void cli_model_close(struct cli_model *model);

/* A file, or standard input for "-", copied to a spill and mapped. */
MUST_CHECK enum err cli_read_input(const char *path, const char *scratch,
                                   struct spill **spill, struct span *text,
                                   struct err_info *info);

/* ---- the commands ---- */

enum cli_status cli_train(struct cli *cli);
enum cli_status cli_score(struct cli *cli);
enum cli_status cli_next(struct cli *cli);
enum cli_status cli_generate(struct cli *cli);
enum cli_status cli_evaluate(struct cli *cli);
enum cli_status cli_neighbors(struct cli *cli);
enum cli_status cli_analogy(struct cli *cli);
/* evaluate with --analogies or --word-pairs. */
MUST_CHECK enum err cli_measure(const struct cli *cli, const struct model *model,
                                struct err_info *info);
enum cli_status cli_import(struct cli *cli);
enum cli_status cli_export(struct cli *cli);
enum cli_status cli_check(struct cli *cli);
enum cli_status cli_backup(struct cli *cli);
enum cli_status cli_keys(struct cli *cli);

#endif

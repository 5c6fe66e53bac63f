/* SPDX-License-Identifier: MIT */
/* Commands that answer line by line. Private to cli_*.c. */
#ifndef FIRTH_API_CLI_LINES_H
#define FIRTH_API_CLI_LINES_H

#include "api/cli_int.h"
#include "api/vector_space.h"

/* What a line's handler needs. */
struct cli_asking {
    const struct cli *cli;
    const struct cli_model *model;
    struct target target;      /* of a language model, or … */
    struct vector_space space; /* … of word vectors, as the command needs */
    struct log_base base;
    struct cli_output output;
    void *own; /* the command's */
};

typedef enum err cli_line(struct cli_asking *asking, struct span line, uint64_t number,
                          struct err_info *info);

/* Opens the model and calls `each` for every line of standard input (UTF-8, at most a
 * mebibyte), or once for `only` when that is not NULL. */
enum cli_status cli_lines(const struct cli *cli, const char *only, cli_line *each,
                          void *own);

#endif

/* SPDX-License-Identifier: MIT */
/* Reads lines; checks them to be UTF-8, because everything below takes that for granted.
 * Answers are written at once when somebody watches. */
#include "api/cli_lines.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"

enum { LINE_MAX_BYTES = 1 << 20 };

static enum err one_line(struct cli_asking *asking, cli_line *each, struct span line,
                         uint64_t number, struct err_info *info)
{
    size_t bad = utf8_check(line);
    if (bad < line.size)
        return err_set_place(info, ERR_BAD_UTF8, bad, number,
                             "Line %llu of the input is not valid UTF-8 at its byte %zu.",
                             (unsigned long long)number, bad);
    enum err code = each(asking, line, number, info);
    return code;
}

static enum err all_lines(struct cli_asking *asking, cli_line *each,
                          struct err_info *info)
{
    char *line = NULL;
    size_t capacity = 0;
    uint64_t number = 0;
    enum err code = ERR_OK;
    ssize_t got;
    while (!code && (got = getline(&line, &capacity, stdin)) > 0) {
        size_t size = (size_t)got;
        if (size > LINE_MAX_BYTES) {
            code = err_set(info, ERR_LIMIT, "A line is longer than %d bytes.",
                           LINE_MAX_BYTES);
            break;
        }
        while (size > 0 && (line[size - 1] == '\n' || line[size - 1] == '\r'))
            size--;
        code = one_line(asking, each, span_of(line, size), ++number, info);
    }
    if (!code && ferror(stdin))
        code = err_set(info, ERR_IO, "Standard input cannot be read.");
    free(line);
    return code;
}

enum cli_status cli_lines(const struct cli *cli, const char *only, cli_line *each,
                          void *own)
{
    struct cli_model model;
    struct err_info info = {0};
    struct cli_asking asking = {.cli = cli,
                                .model = &model,
                                .base = log_base_of((int)cli->arguments.log_base),
                                .own = own};
    enum cli_status status = cli_model_open(cli, &model);
    if (status)
        return status;
    bool words = cli->command->bit & (CLI_NEIGHBORS | CLI_ANALOGY);
    enum err code = words ? vector_space_of(model.model, &asking.space, &info)
                          : target_of_model(model.model, &asking.target, &info);
    if (!code) {
        cli_output_init(&asking.output);
        code = only ? one_line(&asking, each, span_of_text(only), 1, &info)
                    : all_lines(&asking, each, &info);
        enum err written = cli_output_fini(&asking.output);
        code = code ? code : written;
        target_fini(&asking.target);
    }
    cli_model_close(&model);
    return code ? cli_fail(cli, code, &info) : CLI_DONE;
}

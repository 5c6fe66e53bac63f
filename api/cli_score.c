/* SPDX-License-Identifier: MIT */
/* `firthd score`: each line of standard input is one segment, of which there may be any
 * number: nothing here grows with the input. */
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/cli_int.h"
#include "api/stream_options.h"
#include "base/clock.h"
#include "model/lm/score_stream.h"

enum { BAR_LINES = 4096 };

struct scoring {
    const struct cli *cli;
    const struct target *target;
    struct log_base base;
    struct cli_output output;
    struct cli_bar bar;
    uint64_t lines, bytes, size; /* size 0: not known */
};

static void put_columns(struct scoring *scoring, const struct score_line *line)
{
    const struct score_sums *sums = &line->result->sums;
    struct buffer *out = &scoring->output.line;
    cli_put_number(out, sums->logprob * scoring->base.scale);
    buffer_printf(out, "\t%zu\t%zu\t", sums->tokens_scored, sums->oov_count);
    cli_put_number(out, sums->perplexity);
    if (!scoring->cli->arguments.tokens)
        return;
    for (size_t i = 0; i < line->result->token_count; i++) {
        buffer_append_char(out, '\t');
        cli_put_column(out, line->result->tokens[i].text);
        buffer_append_char(out, '\t');
        cli_put_number(out,
                       (double)line->result->tokens[i].logprob * scoring->base.scale);
    }
}

static void put_json(struct scoring *scoring, const struct score_line *line)
{
    struct printer *p = &scoring->output.printer;
    printer_open(p, '{');
    printer_key_integer(p, "id", (int64_t)line->number);
    print_sums(p, &line->result->sums, &scoring->base);
    if (scoring->cli->arguments.tokens)
        print_score_tokens(p, line->result, scoring->target->vocab, &scoring->base);
    printer_close(p, '}');
}

static enum err on_line(void *context, const struct score_line *line)
{
    struct scoring *scoring = context;
    scoring->lines = line->number;
    scoring->bytes += line->text.size + 1;
    if (!scoring->cli->arguments.totals) {
        if (scoring->cli->arguments.json)
            put_json(scoring, line);
        else
            put_columns(scoring, line);
        enum err code = cli_output_end(&scoring->output);
        if (code)
            return code;
    }
    if (line->number % BAR_LINES == 0)
        cli_bar_draw(&scoring->bar,
                     scoring->size ? (double)scoring->bytes / (double)scoring->size : -1,
                     "scoring", line->number, "lines");
    return ERR_OK;
}

/* Totals are for people; with --json and no other output they are the result. */
static void tell_totals(struct scoring *scoring, const struct score_sums *total,
                        double seconds)
{
    const struct cli_arguments *arguments = &scoring->cli->arguments;
    if (arguments->totals && arguments->json) {
        struct printer *p = &scoring->output.printer;
        printer_open(p, '{');
        print_sums(p, total, &scoring->base);
        printer_close(p, '}');
        (void)cli_output_end(&scoring->output);
    } else if (arguments->totals) {
        struct buffer *out = &scoring->output.line;
        cli_put_number(out, total->logprob * scoring->base.scale);
        buffer_printf(out, "\t%zu\t%zu\t", total->tokens_scored, total->oov_count);
        cli_put_number(out, total->perplexity);
        (void)cli_output_end(&scoring->output);
    }
    if (arguments->quiet)
        return;
    fprintf(stderr,
            "logprob %.6f  tokens %zu  unknown %zu  perplexity %.4f  without unknown "
            "%.4f  a token %.4f nats, %.4f bits  (%.2f s, %.3g tokens/s)\n",
            total->logprob * scoring->base.scale, total->tokens_scored, total->oov_count,
            total->perplexity, total->perplexity_no_oov, total->bits_per_token * M_LN2,
            total->bits_per_token, seconds,
            (double)total->tokens_scored / fmax(seconds, 1e-9));
}

static bool read_oov(const char *text, enum score_oov *oov)
{
    static const char *const words[] = {
        [SCORE_OOV_UNK] = "unk", [SCORE_OOV_SKIP] = "skip", [SCORE_OOV_ERROR] = "error"};
    for (size_t i = 0; text && i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(text, words[i]) == 0) {
            *oov = (enum score_oov)i;
            return true;
        }
    }
    return !text;
}

static enum cli_status score(struct scoring *scoring, const struct score_options *options)
{
    struct err_info info = {0};
    struct score_sums total = {0};
    struct stat status;
    int fd = STDIN_FILENO;
    struct reader reader = reader_from_fd(&fd);
    double started = clock_monotonic();
    bool each = !scoring->cli->arguments.totals || isatty(STDERR_FILENO);
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
        scoring->size = (uint64_t)status.st_size;
    cli_output_init(&scoring->output);
    cli_bar_init(&scoring->bar, scoring->cli);
    enum err code = score_stream(scoring->target, options, &reader, each ? on_line : NULL,
                                 scoring, &total, &info);
    cli_bar_clear(&scoring->bar);
    if (!code)
        tell_totals(scoring, &total, clock_monotonic() - started);
    enum err written = cli_output_fini(&scoring->output);
    code = code ? code : written;
    return code ? cli_fail(scoring->cli, code, &info) : CLI_DONE;
}

enum cli_status cli_score(struct cli *cli)
{
    struct cli_model model;
    struct target target = {0};
    struct err_info info = {0};
    struct lm_stream_options in_order;
    struct score_options options = {.bos = !cli->arguments.no_bos,
                                    .eos = !cli->arguments.no_eos,
                                    .tokens = cli->arguments.tokens,
                                    .stream = &in_order};
    stream_options_of_arguments(&cli->arguments, &in_order);
    if (!read_oov(cli->arguments.oov, &options.oov))
        return cli_misuse(cli, "--oov is unk, skip or error");
    enum cli_status status = cli_model_open(cli, &model);
    if (status)
        return status;
    enum err code = target_of_model(model.model, &target, &info);
    if (!code)
        code = lm_stream_check(target.lm, &in_order, "", &info);
    if (code) {
        status = cli_fail(cli, code, &info);
    } else {
        struct scoring scoring = {.cli = cli,
                                  .target = &target,
                                  .base = log_base_of((int)cli->arguments.log_base)};
        status = score(&scoring, &options);
        target_fini(&target);
    }
    cli_model_close(&model);
    return status;
}

/* SPDX-License-Identifier: MIT */
/* `firthd evaluate`: perplexity of a stored corpus or of standard input, on all cores. */
#include <inttypes.h>
#include <string.h>

#include "api/cli_int.h"
#include "api/corpus_text.h"
#include "api/stream_options.h"
#include "base/clock.h"
#include "base/parallel.h"
#include "base/utf8.h"

static enum progress_answer report(void *context, const struct progress_report *now)
{
    cli_bar_draw(context, now->fraction, now->phase ? now->phase : "evaluating",
                 now->tokens, "tokens");
    return PROGRESS_GO_ON;
}

/* The text to measure on; *spill is to be closed. */
static enum err open_text(const struct cli *cli, struct cli_model *model,
                          struct spill **spill, struct span *text, struct err_info *info)
{
    const char *corpus = cli->arguments.corpus ? cli->arguments.corpus : "-";
    if (strcmp(corpus, "-") == 0) {
        enum err code = cli_read_input("-", cli->arguments.scratch, spill, text, info);
        size_t bad = code ? 0 : utf8_check(*text);
        if (!code && bad < text->size)
            code = err_set_place(info, ERR_BAD_UTF8, bad, 0,
                                 "The text is not valid UTF-8 at byte %zu.", bad);
        return code;
    }
    struct corpus_text stored;
    enum err code =
        model->store ? ERR_OK : cli_store_open(cli, false, &model->store, info);
    if (!code)
        code =
            corpus_text_open(&stored, model->store, corpus, cli->arguments.scratch, info);
    if (!code) {
        *spill = stored.spill;
        *text = stored.text;
    }
    return code;
}

static void put_figure(struct cli_output *output, const char *name, double value)
{
    buffer_append_text(&output->line, name);
    buffer_append_char(&output->line, '\t');
    cli_put_number(&output->line, value);
    (void)cli_output_end(output);
}

static void put_count(struct cli_output *output, const char *name, uint64_t count)
{
    (void)buffer_printf(&output->line, "%s\t%llu", name, (unsigned long long)count);
    (void)cli_output_end(output);
}

static enum err put_result(const struct cli *cli, const struct evaluation *evaluation)
{
    struct log_base base = log_base_of((int)cli->arguments.log_base);
    struct cli_output output;
    cli_output_init(&output);
    if (cli->arguments.json) {
        printer_open(&output.printer, '{');
        print_log_base(&output.printer, &base);
        print_evaluation(&output.printer, evaluation, &base);
        printer_close(&output.printer, '}');
        (void)cli_output_end(&output);
    } else {
        put_figure(&output, "perplexity", evaluation->perplexity);
        put_figure(&output, "perplexity_no_oov", evaluation->perplexity_no_unk);
        put_figure(&output, "logprob", evaluation->logprob * base.scale);
        put_count(&output, "tokens_scored", evaluation->tokens);
        put_count(&output, "oov_count", evaluation->unk);
        put_count(&output, "segments", evaluation->segments);
    }
    return cli_output_fini(&output);
}

static enum err evaluate(const struct cli *cli, struct cli_model *model,
                         struct err_info *info)
{
    struct spill *spill = NULL;
    struct span text = {0};
    struct target target = {0};
    struct evaluation evaluation = {0};
    struct cli_bar bar;
    struct progress progress = {.context = &bar, .report = report};
    unsigned threads =
        cli->arguments.threads ? (unsigned)cli->arguments.threads : parallel_cores();
    struct lm_stream_options in_order;
    stream_options_of_arguments(&cli->arguments, &in_order);
    enum err code = target_of_model(model->model, &target, info);
    if (!code)
        code = lm_stream_check(target.lm, &in_order, "", info);
    if (!code)
        code = open_text(cli, model, &spill, &text, info);
    cli_bar_init(&bar, cli);
    double started = clock_monotonic();
    if (!code)
        code = evaluate_in_order(target.lm, target.tokenizer, target.vocab, text,
                                 &in_order, threads, &progress, &evaluation);
    cli_bar_clear(&bar);
    if (!code)
        code = put_result(cli, &evaluation);
    if (!code && !cli->arguments.quiet)
        fprintf(stderr, "%" PRIu64 " tokens in %.2f s\n", evaluation.tokens,
                clock_monotonic() - started);
    target_fini(&target);
    if (spill)
        spill_close(spill);
    return code;
}

static enum err measure(const struct cli *cli, struct cli_model *model,
                        struct err_info *info)
{
    const struct cli_arguments *arguments = &cli->arguments;
    if (arguments->analogies || arguments->word_pairs)
        return cli_measure(cli, model->model, info);
    if (arguments->lowercase || arguments->restrict_vocab || arguments->method)
        return err_set(info, ERR_INVALID, "--%s goes with --analogies or --word-pairs",
                       arguments->lowercase        ? "lowercase"
                       : arguments->restrict_vocab ? "restrict-vocab"
                                                   : "method");
    return evaluate(cli, model, info);
}

enum cli_status cli_evaluate(struct cli *cli)
{
    struct cli_model model;
    struct err_info info = {0};
    if (cli->arguments.analogies && cli->arguments.word_pairs)
        return cli_misuse(cli, "give --analogies or --word-pairs, not both");
    enum cli_status status = cli_model_open(cli, &model);
    if (status)
        return status;
    enum err code = measure(cli, &model, &info);
    cli_model_close(&model);
    return code ? cli_fail(cli, code, &info) : CLI_DONE;
}

/* SPDX-License-Identifier: MIT */
/* `firthd next`: the likeliest next tokens after each line. */
#include "api/cli_lines.h"
#include "model/lm/infer_next.h"

static void put_columns(struct cli_asking *asking, const struct next_answer *answer)
{
    struct buffer *out = &asking->output.line;
    for (size_t i = 0; i < answer->count; i++) {
        if (i > 0)
            buffer_append_char(out, '\t');
        cli_put_column(out,
                       vocab_word(asking->target.vocab, answer->predictions[i].token));
        buffer_append_char(out, '\t');
        buffer_printf(out, "%.6g", answer->predictions[i].probability);
    }
    for (size_t i = 0; i < answer->word_count; i++) {
        if (i > 0 || answer->count > 0)
            buffer_append_char(out, '\t');
        cli_put_column(out, answer->words[i].word);
        buffer_printf(out, "\t%.6g", answer->words[i].probability);
    }
}

static enum err on_line(struct cli_asking *asking, struct span line, uint64_t number,
                        struct err_info *info)
{
    const struct cli_arguments *arguments = &asking->cli->arguments;
    struct span words[CLI_LIST_MAX];
    struct next_answer answer = {0};
    for (size_t i = 0; i < arguments->words.count; i++)
        words[i] = span_of_text(arguments->words.items[i]);
    struct next_request request = {
        .context = line,
        .k = (size_t)arguments->k,
        .words = words,
        .word_count = arguments->words.count,
        .temperature = arguments->temperature,
    };
    enum err code = infer_next(&asking->target, &request, &answer, info);
    if (code)
        return code;
    if (arguments->json) {
        struct printer *p = &asking->output.printer;
        printer_open(p, '{');
        printer_key_integer(p, "id", (int64_t)number);
        print_next(p, &answer, asking->target.vocab, &asking->base);
        printer_close(p, '}');
    } else {
        put_columns(asking, &answer);
    }
    next_answer_fini(&answer);
    return cli_output_end(&asking->output);
}

enum cli_status cli_next(struct cli *cli)
{
    return cli_lines(cli, NULL, on_line, NULL);
}

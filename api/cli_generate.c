/* SPDX-License-Identifier: MIT */
/* `firthd generate`: texts that go on from each line, or from --prompt. Line i of the
 * input draws from seed + i, so that a run repeats. */
#include "api/cli_lines.h"
#include "base/random.h"
#include "model/lm/infer_generate.h"

struct drawing {
    uint64_t seed;
};

static enum err put_output(struct cli_asking *asking, struct span prompt, uint64_t number,
                           const struct generate_output *output)
{
    if (asking->cli->arguments.json) {
        struct printer *p = &asking->output.printer;
        printer_open(p, '{');
        printer_key_integer(p, "id", (int64_t)number);
        printer_key(p, "output");
        print_output(p, output, asking->target.vocab, true, &asking->base);
        printer_close(p, '}');
    } else {
        cli_put_column(&asking->output.line, prompt);
        cli_put_column(&asking->output.line, span_of(output->text, output->size));
    }
    return cli_output_end(&asking->output);
}

static enum err on_line(struct cli_asking *asking, struct span line, uint64_t number,
                        struct err_info *info)
{
    const struct cli_arguments *arguments = &asking->cli->arguments;
    const struct drawing *drawing = asking->own;
    struct span stops[CLI_LIST_MAX];
    struct generate_answer answer = {0};
    for (size_t i = 0; i < arguments->stops.count; i++)
        stops[i] = span_of_text(arguments->stops.items[i]);
    struct generate_request request = {
        .prompt = line,
        .max_tokens = (size_t)arguments->max_tokens,
        .temperature = arguments->temperature,
        .top_k = (size_t)arguments->top_k,
        .top_p = arguments->top_p,
        .stops = stops,
        .stop_count = arguments->stops.count,
        .seed = drawing->seed + number - 1,
        .n = (size_t)arguments->n,
    };
    enum err code = infer_generate(&asking->target, &request, &answer, info);
    if (code)
        return code;
    for (size_t i = 0; i < answer.count && !code; i++)
        code = put_output(asking, line, number, &answer.outputs[i]);
    generate_answer_fini(&answer);
    return code;
}

enum cli_status cli_generate(struct cli *cli)
{
    struct drawing drawing = {.seed = cli->arguments.seed_given
                                          ? (uint64_t)cli->arguments.seed
                                          : random_from_system()};
    if (cli->arguments.stops.count > GENERATE_STOPS_MAX)
        return cli_misuse(cli, "at most %u texts may stop an output", GENERATE_STOPS_MAX);
    return cli_lines(cli, cli->arguments.prompt, on_line, &drawing);
}

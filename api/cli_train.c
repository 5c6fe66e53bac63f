/* SPDX-License-Identifier: MIT */
/* `firthd train`: training in this process. The text is a stored corpus or standard
 * input, the model goes into the store or, with --model-file, to a file that appears
 * whole or not at all. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/cli_int.h"
#include "api/fields.h"
#include "api/print_train.h"
#include "base/clock.h"
#include "server/local.h"

/* ---- the spec ---- */

static enum cli_status read_unit(const struct cli *cli, struct tokenizer_settings *to)
{
    const struct cli_arguments *arguments = &cli->arguments;
    for (size_t i = 0; arguments->unit && i <= UNIT_COUNT; i++) {
        if (i == UNIT_COUNT)
            return cli_misuse(cli, "--unit is word, whitespace, char or bpe");
        to->unit = (enum text_unit)i;
        if (strcmp(arguments->unit, text_unit_names[i]) == 0)
            break;
    }
    for (size_t i = 0; arguments->segment && i <= SEGMENT_COUNT; i++) {
        if (i == SEGMENT_COUNT)
            return cli_misuse(cli, "--segment is line, sentence or document");
        to->segment = (enum text_segment)i;
        if (strcmp(arguments->segment, text_segment_names[i]) == 0)
            break;
    }
    to->lowercase = arguments->lowercase || to->lowercase;
    if (arguments->min_count)
        to->min_count = (uint32_t)arguments->min_count;
    if (arguments->max_vocab)
        to->max_vocab = (uint32_t)arguments->max_vocab;
    return CLI_DONE;
}

static enum cli_status read_params(const struct cli *cli, struct params *params)
{
    for (size_t i = 0; i < cli->arguments.params.count; i++) {
        struct err_info info = {0};
        char name[PARAM_NAME_SIZE];
        const char *text = cli->arguments.params.items[i], *equals = strchr(text, '=');
        if (!equals || (size_t)(equals - text) >= sizeof name)
            return cli_misuse(cli, "--param wants NAME=VALUE, not '%.60s'", text);
        memcpy(name, text, (size_t)(equals - text));
        name[equals - text] = '\0';
        if (params_parse(params, name, equals + 1, &info))
            return cli_misuse(cli, "--param %s: %s", name, info.message);
    }
    return CLI_DONE;
}

/* A part's name in its mixture: that of its file. */
static void name_part(const char *path, char name[PARAM_NAME_SIZE])
{
    const char *slash = strrchr(path, '/');
    (void)snprintf(name, PARAM_NAME_SIZE, "%.64s", slash ? slash + 1 : path);
    for (char *c = name; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
        else if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789._-", *c))
            *c = '-';
}

static enum cli_status read_parts(const struct cli *cli, struct train_spec *spec)
{
    const struct cli_list *parts = &cli->arguments.parts;
    char names[PARAM_LIST_MAX][PARAM_NAME_SIZE];
    const char *items[PARAM_LIST_MAX];
    struct err_info info = {0};
    if (parts->count == 0)
        return CLI_DONE;
    if (strcmp(spec->kind->name, "mixture") != 0 || !cli->arguments.model_file)
        return cli_misuse(cli, "--part goes with --kind mixture and --model-file; in a "
                               "store a mixture's models go by name: --param models=A,B");
    for (size_t i = 0; i < parts->count && i < PARAM_LIST_MAX; i++) {
        name_part(parts->items[i], names[i]);
        items[i] = names[i];
    }
    if (parts->count > PARAM_LIST_MAX ||
        params_set_names(&spec->params, "models", items, parts->count, &info))
        return cli_misuse(cli, "--part: at most %d model files", PARAM_LIST_MAX);
    return CLI_DONE;
}

static bool is_stdin(const char *corpus)
{
    return !corpus || strcmp(corpus, "-") == 0;
}

static enum cli_status read_names(const struct cli *cli, struct train_spec *spec)
{
    const struct cli_arguments *arguments = &cli->arguments;
    const char *valid = arguments->valid;
    char *end = NULL;
    if (arguments->model && !fields_is_name(arguments->model, strlen(arguments->model)))
        return cli_misuse(cli, "--model: a name is 1 to 64 of a-z, 0-9, '.', '_', '-'");
    (void)snprintf(spec->model, sizeof spec->model, "%s",
                   arguments->model ? arguments->model : "model");
    if (arguments->valid_file && (valid || !is_stdin(arguments->corpus)))
        return cli_misuse(cli, "--valid-file goes with a text from standard input, and "
                               "without --valid");
    if (arguments->valid_file)
        spec->valid_fraction = 0;
    if (!is_stdin(arguments->corpus))
        (void)snprintf(spec->corpus, sizeof spec->corpus, "%s", arguments->corpus);
    if (!valid)
        return CLI_DONE;
    double fraction = strtod(valid, &end);
    if (end != valid && *end == '\0') {
        if (!(fraction >= 0 && fraction <= 0.5))
            return cli_misuse(cli, "--valid: a fraction is from 0 to 0.5");
        spec->valid_fraction = fraction;
        return CLI_DONE;
    }
    if (is_stdin(arguments->corpus) || arguments->model_file)
        return cli_misuse(cli, "--valid names a corpus of the store only beside --corpus "
                               "NAME and --model NAME");
    (void)snprintf(spec->valid_corpus, sizeof spec->valid_corpus, "%s", valid);
    spec->valid_fraction = 0;
    return CLI_DONE;
}

static enum cli_status read_spec(const struct cli *cli, struct train_spec *spec)
{
    const struct cli_arguments *arguments = &cli->arguments;
    const struct kind *kind = arguments->kind ? kind_find(arguments->kind) : NULL;
    if (!kind)
        return cli_misuse(cli,
                          arguments->kind ? "there is no kind '%.40s'"
                                          : "name what to train: --kind KIND%.0s",
                          arguments->kind ? arguments->kind : "");
    if (!arguments->model == !arguments->model_file)
        return cli_misuse(cli, "name the new model: --model NAME or --model-file FILE");
    if (arguments->model_file && !is_stdin(arguments->corpus))
        return cli_misuse(cli, "--model-file takes its text from standard input");
    train_spec_init(spec, kind);
    if (arguments->seed_given)
        spec->seed = (uint64_t)arguments->seed;
    spec->threads = (unsigned)arguments->threads;
    spec->budget.epochs = arguments->epochs;
    spec->budget.seconds = arguments->seconds;
    spec->patience = (unsigned)arguments->patience;
    if (arguments->memory)
        spec->memory_bytes = (uint64_t)arguments->memory;
    spec->replace = arguments->replace;
    enum cli_status status = read_names(cli, spec);
    if (!status)
        status = read_unit(cli, &spec->tokenizer);
    if (!status)
        status = read_params(cli, &spec->params);
    if (!status)
        status = read_parts(cli, spec);
    train_spec_settle(spec);
    struct err_info info = {0};
    if (!status && train_spec_check(spec, &info))
        return cli_misuse(cli, "%s", info.message);
    return status;
}

/* ---- progress ---- */

struct watching {
    struct cli_bar bar;
    bool quiet;
    double epoch;
};

/* The series worth a line each, also where standard error is a file and shows no bar. */
static const char *const lines[] = {"train_loss", "valid_perplexity"};

static enum progress_answer report(void *context, const struct progress_report *now)
{
    struct watching *watching = context;
    watching->epoch = now->epoch;
    cli_bar_draw(&watching->bar, now->fraction, now->phase ? now->phase : "training",
                 now->tokens, "tokens");
    return PROGRESS_GO_ON;
}

static void note(void *context, const char *text)
{
    struct watching *watching = context;
    cli_bar_clear(&watching->bar);
    if (!watching->quiet)
        fprintf(stderr, "%s\n", text);
}

static void metric(void *context, const char *series, uint64_t step, double value)
{
    struct watching *watching = context;
    bool told = false;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        told = told || strcmp(series, lines[i]) == 0;
    if (!told || watching->quiet || step == 0)
        return;
    cli_bar_clear(&watching->bar);
    fprintf(stderr, "epoch %.2f  step %" PRIu64 "  %s %.5g\n", watching->epoch, step,
            series, value);
}

/* ---- training ---- */

struct training {
    const struct cli *cli;
    struct train_spec spec;
    struct train_result result;
    struct model_row row;
    struct watching watching;
    struct spill *parts[PARAM_LIST_MAX];
};

static enum err read_components(struct training *training, struct train_input *input,
                                struct err_info *info)
{
    const struct cli_arguments *arguments = &training->cli->arguments;
    enum err code = ERR_OK;
    for (size_t i = 0; i < arguments->parts.count && !code; i++)
        code = cli_read_input(arguments->parts.items[i], arguments->scratch,
                              &training->parts[i], &input->components[i], info);
    input->component_count = arguments->parts.count;
    return code;
}

static enum err train_to_file(struct training *training, const struct train_input *input,
                              const struct progress *progress, struct err_info *info)
{
    const char *path = training->cli->arguments.model_file;
    char temporary[4096];
    if (snprintf(temporary, sizeof temporary, "%s.part", path) >= (int)sizeof temporary)
        return err_set(info, ERR_INVALID, "The path of --model-file is too long.");
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return err_set(info, ERR_IO, "Cannot write %.200s: %s.", temporary,
                       strerror(errno));
    struct writer to = writer_to_fd(&fd);
    enum err code =
        train_run(&training->spec, input, progress, &to, &training->result, info);
    if (!code && fsync(fd) != 0)
        code = err_set(info, err_from_errno(errno), "Cannot write %.200s.", temporary);
    close(fd);
    if (!code && rename(temporary, path) != 0)
        code = err_set(info, ERR_IO, "Cannot write %.200s: %s.", path, strerror(errno));
    if (code)
        (void)unlink(temporary);
    return code;
}

static enum err train_to_store(struct training *training, const struct train_input *input,
                               const struct progress *progress, struct err_info *info)
{
    struct store *store = NULL;
    enum err code = cli_store_open(
        training->cli, is_stdin(training->cli->arguments.corpus), &store, info);
    if (code)
        return code;
    code = train_local(store, &training->spec, input, training->cli->arguments.scratch,
                       NULL, progress, &training->row, &training->result, info);
    store_close(store);
    return code;
}

static enum err train(struct training *training, struct err_info *info)
{
    const struct cli_arguments *arguments = &training->cli->arguments;
    struct spill *spill = NULL, *valid = NULL;
    struct progress progress = {
        .context = &training->watching, .report = report, .metric = metric, .note = note};
    struct train_input input = {.scratch_directory = arguments->scratch};
    bool piped = is_stdin(arguments->corpus);
    enum err code = ERR_OK;
    if (piped)
        code = cli_read_input("-", arguments->scratch, &spill, &input.text, info);
    if (!code && arguments->valid_file)
        code = cli_read_input(arguments->valid_file, arguments->scratch, &valid,
                              &input.valid, info);
    if (!code)
        code = read_components(training, &input, info);
    if (!code)
        code = arguments->model_file
                   ? train_to_file(training, &input, &progress, info)
                   : train_to_store(training, piped ? &input : NULL, &progress, info);
    cli_bar_clear(&training->watching.bar);
    if (spill)
        spill_close(spill);
    if (valid)
        spill_close(valid);
    for (size_t i = 0; i < PARAM_LIST_MAX; i++)
        if (training->parts[i])
            spill_close(training->parts[i]);
    return code;
}

/* ---- what came of it ---- */

static enum err put_result(struct training *training)
{
    struct cli_output output;
    cli_output_init(&output);
    if (training->cli->arguments.json && *training->row.name) {
        print_model(&output.printer, &training->row, MODEL_UNLOADED);
        (void)cli_output_end(&output);
    } else {
        const struct train_result *result = &training->result;
        buffer_printf(&output.line, "parameters\t%" PRIu64, result->parameters);
        (void)cli_output_end(&output);
        buffer_printf(&output.line, "vocab_size\t%" PRIu32, result->vocab_size);
        (void)cli_output_end(&output);
        for (size_t i = 0; i < result->metric_count; i++) {
            buffer_printf(&output.line, "%s\t%.10g", result->metrics[i].name,
                          result->metrics[i].value);
            (void)cli_output_end(&output);
        }
    }
    return cli_output_fini(&output);
}

enum cli_status cli_train(struct cli *cli)
{
    struct err_info info = {0};
    struct training *training = calloc(1, sizeof *training);
    if (!training)
        return cli_fail(cli, ERR_NO_MEMORY, NULL);
    training->cli = cli;
    training->watching.quiet = cli->arguments.quiet;
    cli_bar_init(&training->watching.bar, cli);
    enum cli_status status = read_spec(cli, &training->spec);
    if (!status) {
        double started = clock_monotonic();
        enum err code = train(training, &info);
        if (!code)
            code = put_result(training);
        if (code)
            status = cli_fail(cli, code, &info);
        else if (!cli->arguments.quiet)
            fprintf(stderr, "trained in %.2f s\n", clock_monotonic() - started);
    }
    model_row_fini(&training->row);
    free(training);
    return status;
}

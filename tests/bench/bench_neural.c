/* SPDX-License-Identifier: MIT */
/* Measures neural language models through the library; decides nothing.
 *
 *     bench_neural train TEXT SECONDS THREADS KIND [PARAMETER=VALUE …]
 *         tokens a second, from the end of the third step on
 *     bench_neural score MODEL-FILE TEXT LINES
 *         of the text's first lines: their log-probability and tokens; seconds for all in
 *         one call; the median seconds of one alone; tokens a second of one generation
 *     bench_neural core
 *         what OPENBLAS_CORETYPE should be, or an empty line
 *
 * One line of tab-separated figures. Words are what stands between spaces; a training
 * keeps all of them and saves nothing. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "model/lm/infer_generate.h"
#include "model/lm/infer_score.h"
#include "model/model.h"
#include "model/nn/blas.h"

enum { WARM_UP = 3, TIMES = 3, ALONE = 100, GENERATED = 400 };

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "bench_neural: %s: %s\n", what, why);
    exit(1);
}

static struct span read_file(const char *path)
{
    struct stat status;
    int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &status) || status.st_size == 0)
        fail(path, "cannot be read");
    void *bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (bytes == MAP_FAILED)
        fail(path, "cannot be mapped");
    return span_of(bytes, (size_t)status.st_size);
}

/* ---- training ---- */

struct watch {
    double seconds;
    double started, now;   /* the end of the last step to warm up, and of the last */
    uint64_t before, seen; /* tokens by then */
};

static enum progress_answer step_done(void *context, const struct progress_report *report)
{
    struct watch *watch = context;
    if (strcmp(report->phase, "training") != 0 || report->step < WARM_UP)
        return PROGRESS_GO_ON;
    watch->now = clock_monotonic();
    watch->seen = report->tokens;
    if (report->step == WARM_UP) {
        watch->started = watch->now;
        watch->before = report->tokens;
    }
    return watch->now - watch->started < watch->seconds ? PROGRESS_GO_ON : PROGRESS_STOP;
}

static enum err write_nothing(void *context, const void *bytes, size_t size)
{
    (void)context;
    (void)bytes;
    (void)size;
    return ERR_OK;
}

static void set_params(struct train_spec *spec, char **words)
{
    struct err_info info = {0};
    for (; *words; words++) {
        char *value = strchr(*words, '=');
        if (!value)
            fail(*words, "is not of the form parameter=value");
        *value = 0;
        if (params_parse(&spec->params, *words, value + 1, &info))
            fail(*words, info.message);
    }
}

static void measure_training(const char *path, double seconds, unsigned threads,
                             const char *name, char **words)
{
    static struct train_spec spec;
    static struct train_result result;
    struct err_info info = {0};
    struct watch watch = {.seconds = seconds};
    const struct progress progress = {.context = &watch, .report = step_done};
    const struct writer nowhere = {.write = write_nothing};
    const struct train_input input = {.text = read_file(path)};
    const struct kind *kind = kind_find(name);
    if (!kind)
        fail(name, "is no kind of model");
    train_spec_init(&spec, kind);
    set_params(&spec, words);
    spec.tokenizer.unit = UNIT_WHITESPACE;
    spec.tokenizer.min_count = 1;
    spec.tokenizer.max_vocab = 0;
    spec.valid_fraction = 0;
    spec.threads = threads;
    spec.budget.epochs = 1000;
    spec.checkpoint_every_s = 0;
    train_spec_settle(&spec);
    enum err code = train_run(&spec, &input, &progress, &nowhere, &result, &info);
    if (code != ERR_CANCELLED)
        fail(name, code ? info.message : "learned too little to be measured");
    printf("%.1f\n", (double)(watch.seen - watch.before) / (watch.now - watch.started));
}

/* ---- using ---- */

static struct model *load(const char *path)
{
    struct model *model;
    struct err_info info = {0};
    struct span file = read_file(path);
    char *copy = memory_new_aligned(file.size, 1);
    if (!copy)
        fail(path, "no memory");
    memcpy(copy, file.bytes, file.size);
    if (model_load_take(copy, file.size, &model, &info))
        fail(path, info.message);
    return model;
}

/* Up to `most` lines of a text that are not empty. */
static size_t cut_lines(struct span text, size_t most, struct span *lines)
{
    size_t count = 0, at = 0;
    while (at < text.size && count < most) {
        const char *end = memchr(text.bytes + at, '\n', text.size - at);
        size_t size = end ? (size_t)(end - text.bytes) - at : text.size - at;
        if (size > 0)
            lines[count++] = span_of(text.bytes + at, size);
        at += size + 1;
    }
    return count;
}

/* Seconds of one call. */
static double score(const struct target *target, const struct span *lines, size_t count,
                    struct score_sums *total)
{
    const struct score_options options = {.bos = true, .eos = true};
    struct score_answer answer;
    struct err_info info = {0};
    double started = clock_monotonic();
    if (infer_score(target, &options, lines, count, &answer, &info))
        fail("score", info.message);
    double seconds = clock_monotonic() - started;
    *total = answer.total;
    score_answer_fini(&answer);
    return seconds;
}

static int by_size(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return left < right ? -1 : left > right;
}

/* The median of the first lines' seconds, each in a call of its own. */
static double score_alone(const struct target *target, const struct span *lines,
                          size_t count)
{
    double seconds[ALONE];
    struct score_sums total;
    count = count < ALONE ? count : ALONE;
    for (size_t i = 0; i < count; i++)
        seconds[i] = score(target, &lines[i], 1, &total);
    qsort(seconds, count, sizeof *seconds, by_size);
    return seconds[count / 2];
}

/* Tokens a second of one long line. A sentence that ends is followed by another. */
static double generate(const struct target *target)
{
    size_t done = 0;
    double started = clock_monotonic();
    for (uint64_t seed = 1; done < GENERATED; seed++) {
        const struct generate_request request = {.max_tokens = GENERATED - done,
                                                 .temperature = 1,
                                                 .top_p = 1,
                                                 .seed = seed,
                                                 .n = 1};
        struct generate_answer answer;
        struct err_info info = {0};
        if (infer_generate(target, &request, &answer, &info))
            fail("generate", info.message);
        done += answer.output_tokens + 1;
        generate_answer_fini(&answer);
    }
    return (double)done / (clock_monotonic() - started);
}

static void measure_use(const char *path, const char *text, size_t most)
{
    struct model *model = load(path);
    struct target target;
    struct score_sums total;
    struct err_info info = {0};
    struct span *lines = memory_new_array(most, sizeof *lines);
    double best = 1e9;
    if (!lines)
        fail(text, "no memory");
    if (target_of_model(model, &target, &info))
        fail(path, info.message);
    size_t count = cut_lines(read_file(text), most, lines);
    for (int i = 0; i < TIMES; i++) {
        double seconds = score(&target, lines, count, &total);
        best = seconds < best ? seconds : best;
    }
    printf("%.3f\t%zu\t%.6f", total.logprob, total.tokens_scored, best);
    printf("\t%.6f\t%.1f\n", score_alone(&target, lines, count), generate(&target));
    target_fini(&target);
    model_release(model);
    free(lines);
}

/* As firthd does: OpenBLAS reads the variable when it is loaded. */
static void start_anew_for_openblas(char **argv)
{
    const char *core = getenv("OPENBLAS_CORETYPE") ? NULL : blas_core_override();
    if (core && !setenv("OPENBLAS_CORETYPE", core, 1))
        execv("/proc/self/exe", argv); /* where this fails, this process carries on */
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "core") == 0) {
        const char *core = blas_core_override();
        printf("%s\n", core ? core : "");
        return 0;
    }
    start_anew_for_openblas(argv);
    if (argc >= 6 && strcmp(argv[1], "train") == 0) {
        measure_training(argv[2], strtod(argv[3], NULL),
                         (unsigned)strtoul(argv[4], NULL, 10), argv[5], argv + 6);
        return 0;
    }
    if (argc == 5 && strcmp(argv[1], "score") == 0 && strtoul(argv[4], NULL, 10) > 0) {
        measure_use(argv[2], argv[3], strtoul(argv[4], NULL, 10));
        return 0;
    }
    fprintf(stderr, "usage: bench_neural train TEXT SECONDS THREADS KIND [NAME=VALUE …]\n"
                    "       bench_neural score MODEL-FILE TEXT LINES\n"
                    "       bench_neural core\n");
    return 2;
}

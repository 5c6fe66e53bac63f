/* SPDX-License-Identifier: MIT */
#include "model/ngram/ngram.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/random.h"
#include "model/lm/lm.h"
#include "model/ngram/levels.h"
#include "model/text/vocab.h"
#include "tests/support/unit.h"

/* Lines of words w0 … w59, frequent ones first. */
static char *random_text(uint64_t seed, size_t lines)
{
    struct random random;
    char *text = malloc(lines * 60 + 1), *end = text;
    random_seed(&random, seed, 3);
    *text = 0;
    for (size_t i = 0; i < lines; i++) {
        size_t words = 1 + random_below(&random, 9);
        for (size_t j = 0; j < words; j++) {
            double place = random_uniform(&random);
            end += sprintf(end, "w%d%c", (int)(place * place * place * 60),
                           j + 1 == words ? '\n' : ' ');
        }
    }
    return text;
}

static struct train_spec spec_with(const char *const *params)
{
    struct train_spec spec;
    train_spec_init(&spec, &kind_ngram);
    spec.tokenizer.unit = UNIT_WHITESPACE;
    for (; params && params[0]; params += 2)
        ck_assert_int_eq(params_parse(&spec.params, params[0], params[1], NULL), ERR_OK);
    return spec;
}

static enum err train(const struct train_spec *spec, const char *text,
                      struct buffer *file, struct train_result *result,
                      struct err_info *info)
{
    const struct train_input input = {.text = span_of_text(text)};
    buffer_init(file, (size_t)1 << 26);
    struct writer writer = writer_to_buffer(file);
    return train_run(spec, &input, NULL, &writer, result, info);
}

static enum err load(const char *bytes, size_t size, struct model **model,
                     struct err_info *info)
{
    void *copy = memory_new_aligned(size, 1);
    memcpy(copy, bytes, size);
    return model_load_take(copy, size, model, info);
}

static double metric(const struct train_result *result, const char *name)
{
    for (size_t i = 0; i < result->metric_count; i++)
        if (strcmp(result->metrics[i].name, name) == 0)
            return result->metrics[i].value;
    return NAN;
}

static double sum_after(const struct lm *lm, const char *const *words,
                        const struct vocab *vocab)
{
    uint64_t state[8] __attribute__((aligned(64)));
    void *states = state;
    float *logprobs = calloc(lm->vocab_size, sizeof *logprobs);
    const void *constant = state;
    lm->ops->start(lm, true, state);
    for (; *words; words++) {
        uint32_t id = vocab_id(vocab, span_of_text(*words));
        ck_assert_int_eq(lm->ops->advance(lm, 1, &states, &id), ERR_OK);
    }
    ck_assert_int_eq(lm->ops->distribution(lm, 1, &constant, &logprobs), ERR_OK);
    double sum = 0;
    for (uint32_t i = 0; i < lm->vocab_size; i++)
        sum += exp((double)logprobs[i]);
    free(logprobs);
    return sum;
}

START_TEST(every_smoothing_trains_and_loads)
{
    static const char *const smoothings[] = {"kneser-ney",     "mle",         "additive",
                                             "jelinek-mercer", "witten-bell", "katz"};
    const char *const context[] = {"w0", "w1", "nothing", "w0", NULL};
    char *text = random_text(1, 400);
    for (size_t i = 0; i < 6; i++) {
        const char *const params[] = {"smoothing", smoothings[i], "prune", "0,0,1", NULL};
        struct train_spec spec = spec_with(params);
        struct train_result result;
        struct buffer file;
        struct model *model;
        ck_assert_int_eq(train(&spec, text, &file, &result, NULL), ERR_OK);
        ck_assert_int_eq(load(file.bytes, file.size, &model, NULL), ERR_OK);
        ck_assert_double_eq_tol(sum_after(model->lm, context, model->vocab), 1, 1e-6);
        ck_assert_double_gt(metric(&result, "ngrams_3"), 10);
        ck_assert_double_eq_tol(metric(&result, "ngrams_1"), model->lm->vocab_size, 0.5);
        double perplexity = metric(&result, "valid_perplexity");
        ck_assert(strcmp(smoothings[i], "mle") == 0 ||
                  (perplexity > 1 && perplexity < 60));
        model_release(model);
        buffer_fini(&file);
    }
    free(text);
}
END_TEST

/* The file is the same whatever the threads and the memory. */
START_TEST(same_bytes)
{
    char *text = random_text(2, 4000);
    struct buffer first, other;
    struct train_result result;
    const char *const params[] = {"order", "4", NULL};
    for (unsigned variant = 0; variant < 3; variant++) {
        struct train_spec spec = spec_with(params);
        ck_assert_int_eq(train(&spec, text, &first, &result, NULL), ERR_OK);
        struct train_spec other_spec = spec;
        other_spec.threads = variant + 1;
        other_spec.memory_bytes = variant == 2 ? 1 << 16 : 0;
        ck_assert_int_eq(train(&other_spec, text, &other, &result, NULL), ERR_OK);
        ck_assert(variant < 2 || strstr(result.notes, "temporary files"));
        /* The sections between the spec, which differs, and the result. */
        struct artefact *left, *right;
        void *a = memory_new_aligned(first.size, 1),
             *b = memory_new_aligned(other.size, 1);
        memcpy(a, first.bytes, first.size);
        memcpy(b, other.bytes, other.size);
        ck_assert_int_eq(artefact_parse(span_of(a, first.size), &left, NULL), ERR_OK);
        ck_assert_int_eq(artefact_parse(span_of(b, other.size), &right, NULL), ERR_OK);
        for (unsigned k = 1; k <= 4; k++) {
            char name[ARTEFACT_NAME_SIZE];
            snprintf(name, sizeof name, "ngram.fast.%u", k);
            ck_assert(span_equal(artefact_find(left, name)->content,
                                 artefact_find(right, name)->content));
        }
        artefact_free(left);
        artefact_free(right);
        free(a);
        free(b);
        buffer_fini(&first);
        buffer_fini(&other);
    }
    free(text);
}
END_TEST

START_TEST(odd_corpora)
{
    static const char *const texts[] = {"one", "a b c d e f g h i j\n", "a\n\n\na\n",
                                        "<unk> <s> </s> x\n<unk>\n"};
    for (size_t i = 0; i < 4; i++)
        for (unsigned order = 1; order <= NGRAM_ORDER_MAX; order += 7)
            for (int smoothing = 0; smoothing < 6; smoothing++) {
                static const char *const names[] = {"kneser-ney",  "mle",
                                                    "additive",    "jelinek-mercer",
                                                    "witten-bell", "katz"};
                char digits[4];
                snprintf(digits, sizeof digits, "%u", order);
                const char *const params[] = {"order", digits, "smoothing",
                                              names[smoothing], NULL};
                const char *const context[] = {"a", "b", NULL};
                struct train_spec spec = spec_with(params);
                struct train_result result;
                struct buffer file;
                struct model *model;
                ck_assert_int_eq(train(&spec, texts[i], &file, &result, NULL), ERR_OK);
                ck_assert_int_eq(load(file.bytes, file.size, &model, NULL), ERR_OK);
                ck_assert_double_eq_tol(sum_after(model->lm, context, model->vocab), 1,
                                        1e-6);
                model_release(model);
                buffer_fini(&file);
            }
}
END_TEST

START_TEST(bad_pruning_is_refused)
{
    static const char *const bad[] = {"1", "0,2,1"};
    for (size_t i = 0; i < 2; i++) {
        const char *const params[] = {"prune", bad[i], NULL};
        struct train_spec spec = spec_with(params);
        struct train_result result;
        struct buffer file;
        struct err_info info = {0};
        ck_assert_int_eq(train(&spec, "a b\n", &file, &result, &info), ERR_INVALID);
        ck_assert_str_eq(info.pointer, "/params/prune");
        ck_assert_uint_eq(file.size, 0);
        buffer_fini(&file);
    }
}
END_TEST

static enum progress_answer stop_in(void *context, const struct progress_report *report)
{
    return strcmp(report->phase, context) == 0 ? PROGRESS_STOP : PROGRESS_GO_ON;
}

START_TEST(stops_when_told)
{
    static const char *const phases[] = {"counting", "estimating"};
    char *text = random_text(3, 300);
    for (size_t i = 0; i < 2; i++) {
        struct train_spec spec = spec_with(NULL);
        const struct train_input input = {.text = span_of_text(text)};
        const struct progress progress = {.context = (void *)(uintptr_t)phases[i],
                                          .report = stop_in};
        struct train_result result;
        struct buffer file;
        buffer_init(&file, (size_t)1 << 26);
        struct writer writer = writer_to_buffer(&file);
        ck_assert_int_eq(train_run(&spec, &input, &progress, &writer, &result, NULL),
                         ERR_CANCELLED);
        buffer_fini(&file);
    }
    free(text);
}
END_TEST

START_TEST(estimate_is_of_the_right_size)
{
    char *text = random_text(4, 2000);
    struct train_spec spec = spec_with(NULL);
    const struct train_input input = {.text = span_of_text(text)};
    struct train_estimate estimate;
    struct train_result result;
    struct buffer file;
    ck_assert_int_eq(ngram_estimate(&spec, &input, &estimate, NULL), ERR_OK);
    ck_assert_int_eq(train(&spec, text, &file, &result, NULL), ERR_OK);
    ck_assert_double_eq_tol((double)estimate.parameters, (double)result.parameters,
                            0.15 * (double)result.parameters);
    ck_assert_double_eq_tol((double)estimate.bytes, (double)file.size,
                            0.25 * (double)file.size);
    buffer_fini(&file);
    free(text);
}
END_TEST

/* Writes one section of a model again with `bytes` changed at `offset`, checksums and
 * all, so that only the loader's own checks are left to notice. */
static void forge(struct buffer *file, const struct artefact *artefact,
                  const char *victim, size_t offset, uint32_t value, size_t cut)
{
    static const char *const names[] = {"spec",         "tokenizer",    "vocab",
                                        "ngram.shape",  "ngram.fast.1", "ngram.fast.2",
                                        "ngram.fast.3", "result"};
    struct artefact_writer *writer;
    buffer_init(file, (size_t)1 << 26);
    struct writer to = writer_to_buffer(file);
    ck_assert_int_eq(artefact_begin(&to, "ngram", &writer), ERR_OK);
    for (size_t i = 0; i < 8; i++) {
        const struct artefact_section *section = artefact_find(artefact, names[i]);
        char *copy = malloc(section->content.size + 4);
        memcpy(copy, section->content.bytes, section->content.size);
        bool hit = strcmp(names[i], victim) == 0;
        if (hit)
            memcpy(copy + offset, &value, sizeof value);
        ck_assert_int_eq(artefact_open_section(writer, names[i], section->type), ERR_OK);
        ck_assert_int_eq(
            artefact_append(writer, copy, section->content.size - (hit ? cut : 0)),
            ERR_OK);
        ck_assert_int_eq(artefact_close_section(writer), ERR_OK);
        free(copy);
    }
    ck_assert_int_eq(artefact_finish(writer), ERR_OK);
    artefact_writer_free(writer);
}

static void use(const struct model *model)
{
    const char *const context[] = {"w0", "w1", "w2", "w0", NULL};
    struct lm_prediction best[5];
    struct lm_top top = {.best = best};
    uint64_t state[8] __attribute__((aligned(64)));
    (void)sum_after(model->lm, context, model->vocab);
    model->lm->ops->start(model->lm, true, state);
    ck_assert_int_eq(model->lm->ops->top(model->lm, state, 5, true, &top), ERR_OK);
}

/* A forged number is refused, or harmless: never a crash. */
START_TEST(forged_sections)
{
    static const char *const names[] = {"ngram.shape", "ngram.fast.1", "ngram.fast.2",
                                        "ngram.fast.3"};
    static const uint32_t values[] = {UINT32_MAX, 0, 1 << 20, 0x7fc00000, 0xbf800000};
    char *text = random_text(5, 60);
    struct train_spec spec = spec_with(NULL);
    struct train_result result;
    struct buffer file;
    struct artefact *artefact;
    struct random random;
    size_t refused = 0, tried = 0;
    random_seed(&random, 9, 9);
    ck_assert_int_eq(train(&spec, text, &file, &result, NULL), ERR_OK);
    void *bytes = memory_new_aligned(file.size, 1);
    memcpy(bytes, file.bytes, file.size);
    ck_assert_int_eq(artefact_parse(span_of(bytes, file.size), &artefact, NULL), ERR_OK);
    for (size_t n = 0; n < 4; n++)
        for (unsigned i = 0; i < 120; i++) {
            size_t words = artefact_find(artefact, names[n])->content.size / 4;
            struct buffer forged;
            struct model *model;
            struct err_info info = {0};
            forge(&forged, artefact, names[n], random_below(&random, words) * 4,
                  values[i % 5], i % 11 == 10 ? 8 : 0);
            enum err code = load(forged.bytes, forged.size, &model, &info);
            ck_assert(code == ERR_OK || code == ERR_BAD_MODEL_FILE);
            if (!code)
                use(model);
            refused += code != ERR_OK;
            tried++;
            model_release(model);
            buffer_fini(&forged);
        }
    ck_assert_uint_gt(refused, tried / 3);
    artefact_free(artefact);
    free(bytes);
    buffer_fini(&file);
    free(text);
}
END_TEST

UNIT_SUITE(ngram_train)
{
    tcase_add_test(unit, every_smoothing_trains_and_loads);
    tcase_add_test(unit, same_bytes);
    tcase_add_test(unit, odd_corpora);
    tcase_add_test(unit, bad_pruning_is_refused);
    tcase_add_test(unit, stops_when_told);
    tcase_add_test(unit, estimate_is_of_the_right_size);
    tcase_add_test(unit, forged_sections);
}

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
    static const char *const phases[] = {"counting", "estimating", "writing"};
    char *text = random_text(3, 300);
    for (size_t i = 0; i < 3; i++) {
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

static const char *const section_names[] = {"spec",
                                            "tokenizer",
                                            "vocab",
                                            "ngram.shape",
                                            "ngram.fast.1",
                                            "ngram.fast.2",
                                            "ngram.fast.3",
                                            "ngram.compact.rules",
                                            "ngram.compact.values",
                                            "ngram.compact.probs.1",
                                            "ngram.compact.begin",
                                            "ngram.compact.words.2",
                                            "ngram.compact.codes.2",
                                            "ngram.compact.ends.2",
                                            "ngram.compact.words.3",
                                            "ngram.compact.codes.3",
                                            "ngram.compact.stored.1",
                                            "ngram.compact.backoff.1",
                                            "ngram.compact.stored.2",
                                            "ngram.compact.backoff.2",
                                            "ngram.compact.flags",
                                            "result"};
enum { SECTIONS = sizeof section_names / sizeof *section_names, FIRST_OWN = 3 };

/* Writes a model again with one number of one section changed, or its end cut off,
 * checksums and all, so that only the loader's own checks are left to notice. */
static void forge(struct buffer *file, const struct artefact *artefact,
                  const char *victim, size_t offset, uint32_t value, size_t cut)
{
    struct artefact_writer *writer;
    buffer_init(file, (size_t)1 << 26);
    struct writer to = writer_to_buffer(file);
    ck_assert_int_eq(artefact_begin(&to, "ngram", &writer), ERR_OK);
    for (size_t i = 0; i < SECTIONS; i++) {
        const struct artefact_section *section =
            artefact_find(artefact, section_names[i]);
        if (!section)
            continue;
        char *copy = malloc(section->content.size + 4);
        memcpy(copy, section->content.bytes, section->content.size);
        bool hit = strcmp(section_names[i], victim) == 0;
        if (hit)
            memcpy(copy + offset, &value, sizeof value);
        if (cut > section->content.size)
            cut = 0;
        ck_assert_int_eq(artefact_open_section(writer, section_names[i], section->type),
                         ERR_OK);
        ck_assert_int_eq(
            artefact_append(writer, copy, section->content.size - (hit ? cut : 0)),
            ERR_OK);
        ck_assert_int_eq(artefact_close_section(writer), ERR_OK);
        free(copy);
    }
    ck_assert_int_eq(artefact_finish(writer), ERR_OK);
    artefact_writer_free(writer);
}

/* Walks both along random words; probabilities agree within a share `tolerance`, top and
 * score agree with the distribution, which adds up to 1. */
static void compare_models(const struct lm *a, const struct lm *b, double tolerance)
{
    struct random random;
    uint64_t left[8] __attribute__((aligned(64))), right[8] __attribute__((aligned(64)));
    void *states[2] = {left, right};
    const void *constant = right;
    float *logprobs = calloc(b->vocab_size, sizeof *logprobs), scored[30];
    uint32_t tokens[30];
    double alone[30];
    ck_assert_uint_eq(a->vocab_size, b->vocab_size);
    random_seed(&random, 8, 8);
    a->ops->start(a, true, left);
    b->ops->start(b, true, right);
    for (int i = 0; i < 30; i++) {
        double sum = 0;
        ck_assert_int_eq(b->ops->distribution(b, 1, &constant, &logprobs), ERR_OK);
        for (uint32_t word = 0; word < b->vocab_size; word++) {
            double p = exp((double)a->ops->logprob(a, left, word));
            double q = exp((double)b->ops->logprob(b, right, word));
            ck_assert_msg(fabs(p - q) <= tolerance * p, "word %u: %.9g, compact %.9g",
                          word, p, q);
            ck_assert_double_eq_tol(q, exp((double)logprobs[word]), 2e-6 * q + 1e-15);
            sum += q;
        }
        ck_assert_double_eq_tol(sum, 1, 1e-6);
        double place = random_uniform(&random);
        tokens[i] = (uint32_t)(place * place * b->vocab_size);
        if (tokens[i] == VOCAB_BOS || tokens[i] == VOCAB_EOS)
            tokens[i] = 3;
        alone[i] = (double)b->ops->logprob(b, right, tokens[i]);
        ck_assert_int_eq(a->ops->advance(a, 1, &states[0], &tokens[i]), ERR_OK);
        ck_assert_int_eq(b->ops->advance(b, 1, &states[1], &tokens[i]), ERR_OK);
    }
    struct lm_segment segment = {tokens, 30, true, scored, NULL};
    ck_assert_int_eq(b->ops->score(b, &segment, 1), ERR_OK);
    for (int i = 0; i < 30; i++)
        ck_assert(fabs(alone[i] - (double)scored[i]) < 1e-5 || isinf(alone[i]));
    free(logprobs);
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

/* Tries many forgeries of a model; returns the share that was refused. */
static double forge_all(const char *const *params)
{
    static const uint32_t values[] = {UINT32_MAX, 0, 1 << 20, 0x7fc00000, 0xbf800000};
    char *text = random_text(5, 60);
    struct train_spec spec = spec_with(params);
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
    for (size_t n = FIRST_OWN; n + 1 < SECTIONS; n++) {
        const struct artefact_section *section =
            artefact_find(artefact, section_names[n]);
        size_t words = section ? section->content.size / 4 : 0;
        for (unsigned i = 0; i < 100 && words > 0; i++) {
            struct buffer forged;
            struct model *model;
            struct err_info info = {0};
            forge(&forged, artefact, section_names[n], random_below(&random, words) * 4,
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
    }
    artefact_free(artefact);
    free(bytes);
    buffer_fini(&file);
    free(text);
    return (double)refused / (double)tried;
}

/* A forged number is refused, or harmless: never a crash. */
START_TEST(forged_sections)
{
    const char *const compact[] = {"compact", "true", NULL};
    const char *const katz[] = {"compact", "true", "smoothing", "katz", NULL};
    const char *const pruned[] = {"compact", "true", "prune", "0,1", NULL};
    ck_assert_double_gt(forge_all(NULL), 0.4);
    ck_assert_double_gt(forge_all(compact), 0.25);
    ck_assert_double_gt(forge_all(katz), 0.25);
    ck_assert_double_gt(forge_all(pruned), 0.25);
}
END_TEST

/* Counts below 129 are kept exactly: on a small corpus both forms say the same. */
START_TEST(compact_says_what_fast_says)
{
    static const char *const smoothings[] = {"kneser-ney",     "mle",         "additive",
                                             "jelinek-mercer", "witten-bell", "katz"};
    static const char *const prunes[] = {"", "0,0,1,2"};
    static const char *const orders[] = {"1", "2", "4", "8"};
    char *text = random_text(6, 150);
    for (size_t i = 0; i < 6 * 2 * 4; i++) {
        const char *params[] = {"smoothing",       smoothings[i % 6], "prune",
                                prunes[i / 6 % 2], "order",           orders[i / 12],
                                "compact",         "false",           NULL};
        struct model *models[2];
        for (int form = 0; form < 2; form++) {
            struct train_result result;
            struct buffer file;
            params[7] = form ? "true" : "false";
            struct train_spec spec = spec_with(params);
            ck_assert_int_eq(train(&spec, text, &file, &result, NULL), ERR_OK);
            ck_assert_int_eq(load(file.bytes, file.size, &models[form], NULL), ERR_OK);
            buffer_fini(&file);
        }
        bool weighted = i % 6 == 3 && i / 6 % 2 == 1; /* weights see kept counts only */
        compare_models(models[0]->lm, models[1]->lm, weighted ? 0.5 : 1e-5);
        model_release(models[0]);
        model_release(models[1]);
    }
    free(text);
}
END_TEST

/* Counts in the thousands fall into bins: close, and still adding up to 1. */
START_TEST(compact_bins_are_close)
{
    static const char *const smoothings[] = {"kneser-ney", "witten-bell", "katz", "mle"};
    char *text = random_text(7, 6000);
    for (size_t i = 0; i < 4; i++) {
        const char *params[] = {"smoothing", smoothings[i], "compact", "false", NULL};
        struct model *models[2];
        for (int form = 0; form < 2; form++) {
            struct train_result result;
            struct buffer file;
            params[3] = form ? "true" : "false";
            struct train_spec spec = spec_with(params);
            ck_assert_int_eq(train(&spec, text, &file, &result, NULL), ERR_OK);
            ck_assert_int_eq(load(file.bytes, file.size, &models[form], NULL), ERR_OK);
            buffer_fini(&file);
        }
        compare_models(models[0]->lm, models[1]->lm, 0.08);
        model_release(models[0]);
        model_release(models[1]);
    }
    free(text);
}
END_TEST

/* Small, odd corpora with odd parameters: whatever a context saw, all words or one, its
 * distribution adds up to 1. */
START_TEST(odd_models_add_up)
{
    static const char *const smoothings[] = {"kneser-ney",     "mle",         "additive",
                                             "jelinek-mercer", "witten-bell", "katz"};
    static const char *const prunes[] = {"", "0,1", "0,0,2,5", "0,0,0,1"};
    struct random random;
    random_seed(&random, 10, 10);
    for (unsigned i = 0; i < 120; i++) {
        char *text = random_text(i, 2 + random_below(&random, i % 3 ? 12 : 300));
        char order[2] = {(char)('1' + i % 6), 0};
        const char *params[] = {"smoothing", smoothings[random_below(&random, 6)],
                                "prune",     prunes[random_below(&random, 4)],
                                "order",     order,
                                "compact",   i % 2 ? "true" : "false",
                                NULL};
        struct train_spec spec = spec_with(params);
        struct train_result result;
        struct buffer file;
        struct model *model;
        spec.tokenizer.min_count = 1 + i % 4;
        ck_assert_int_eq(train(&spec, text, &file, &result, NULL), ERR_OK);
        ck_assert_int_eq(load(file.bytes, file.size, &model, NULL), ERR_OK);
        for (unsigned j = 0; j < 20; j++) {
            static const char *const words[] = {"w0", "w1", "zz", "w2", "w0"};
            const char *context[6] = {NULL};
            for (unsigned n = 0; n < j % 6; n++)
                context[n] = words[random_below(&random, 5)];
            double sum = sum_after(model->lm, context, model->vocab);
            ck_assert_msg(fabs(sum - 1) < 1e-6, "%u: %s order %s prune %s: %.9g", i,
                          params[1], order, params[3], sum);
        }
        model_release(model);
        buffer_fini(&file);
        free(text);
    }
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
    tcase_add_test(unit, compact_says_what_fast_says);
    tcase_add_test(unit, compact_bins_are_close);
    tcase_add_test(unit, odd_models_add_up);
}

/* SPDX-License-Identifier: MIT */
/* Skip-gram and CBOW from text to model: what they learn, that a run repeats to the byte,
 * and that a checkpoint goes on to the byte. The gradient itself is checked with the
 * kernels. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "model/vectors/queries.h"
#include "model/vectors/sampling.h"
#include "model/vectors/subwords.h"
#include "tests/support/unit.h"
#include "tests/unit/vectors/fixture.h"

static const char *const kind_names[] = {"skipgram", "cbow"};

START_TEST(words_of_a_group_are_near)
{
    char *text = fixture_text(4000, 1);
    const char *params[] = {"dim", "20", "subsample", "0", NULL};
    for (unsigned threads = 1; threads <= 2; threads++) {
        struct buffer bytes;
        struct train_result result;
        ck_assert_int_eq(
            fixture_train(kind_names[_i], text, threads, params, 5, &bytes, &result),
            ERR_OK);
        struct model *model = fixture_load(&bytes);
        ck_assert_uint_eq(model->vectors->count, 60);
        ck_assert_uint_ge(fixture_right_neighbours(model->vectors), 114);
        ck_assert_uint_eq(result.parameters, 60 * 20);
        model_release(model);
        buffer_fini(&bytes);
    }
    free(text);
}
END_TEST

START_TEST(one_thread_repeats_to_the_byte)
{
    char *text = fixture_text(2000, 2);
    const char *params[] = {"dim",         "12", "min_subword",     "2",
                            "max_subword", "3",  "subword_buckets", "500",
                            NULL};
    struct buffer first, second;
    struct train_result result;
    ck_assert_int_eq(fixture_train(kind_names[_i], text, 1, params, 2, &first, &result),
                     ERR_OK);
    ck_assert_int_eq(fixture_train(kind_names[_i], text, 1, params, 2, &second, &result),
                     ERR_OK);
    ck_assert_uint_eq(first.size, second.size);
    ck_assert(memcmp(first.bytes, second.bytes, first.size) == 0);
    buffer_fini(&first);
    buffer_fini(&second);
    free(text);
}
END_TEST

/* Stops at the second report and keeps the checkpoint. */
struct interruption {
    int reports;
    struct buffer checkpoint;
};

static enum progress_answer stop_soon(void *context, const struct progress_report *report)
{
    struct interruption *interruption = context;
    if (strcmp(report->phase, "training") != 0)
        return PROGRESS_GO_ON;
    return ++interruption->reports == 2 ? PROGRESS_STOP : PROGRESS_GO_ON;
}

static enum err keep_checkpoint(void *context, uint64_t step, struct span bytes)
{
    struct interruption *interruption = context;
    ck_assert_uint_gt(step, 0);
    buffer_clear(&interruption->checkpoint);
    return buffer_append(&interruption->checkpoint, bytes.bytes, bytes.size);
}

static void init_spec(struct train_spec *spec, const char *kind)
{
    train_spec_init(spec, kind_find(kind));
    spec->threads = 1;
    spec->seed = 3;
#ifdef FIRTH_SANITIZED
    spec->budget.epochs = 8;
#else
    spec->budget.epochs = 60; /* some rounds */
#endif
    ck_assert_int_eq(params_parse(&spec->params, "dim", "48", NULL), ERR_OK);
    ck_assert_int_eq(params_parse(&spec->params, "subsample", "0", NULL), ERR_OK);
}

START_TEST(resumes_to_the_byte)
{
    char *text = fixture_text(6000, 3);
    struct train_spec spec;
    init_spec(&spec, kind_names[_i]);
    struct train_input input = {.text = span_of_text(text)};
    struct interruption interruption = {0};
    struct progress progress = {
        .context = &interruption, .report = stop_soon, .checkpoint = keep_checkpoint};
    struct train_result result = {0};
    struct buffer whole, resumed;
    buffer_init(&whole, (size_t)1 << 28);
    buffer_init(&resumed, (size_t)1 << 28);
    buffer_init(&interruption.checkpoint, (size_t)1 << 28);
    struct writer to_whole = writer_to_buffer(&whole);
    struct writer to_resumed = writer_to_buffer(&resumed);
    ck_assert_int_eq(spec.kind->train(&spec, &input, NULL, &to_whole, &result, NULL),
                     ERR_OK);
    memset(&result, 0, sizeof result);
    ck_assert_int_eq(
        spec.kind->train(&spec, &input, &progress, &to_resumed, &result, NULL),
        ERR_CANCELLED);
    char *checkpoint = memory_new_aligned(interruption.checkpoint.size, 1);
    memcpy(checkpoint, interruption.checkpoint.bytes, interruption.checkpoint.size);
    input.resume = span_of(checkpoint, interruption.checkpoint.size);
    memset(&result, 0, sizeof result);
    buffer_clear(&resumed);
    ck_assert_int_eq(spec.kind->train(&spec, &input, NULL, &to_resumed, &result, NULL),
                     ERR_OK);
    ck_assert_uint_eq(whole.size, resumed.size);
    ck_assert(memcmp(whole.bytes, resumed.bytes, whole.size) == 0);
    spec.seed++;
    ck_assert_int_eq(spec.kind->train(&spec, &input, NULL, &to_resumed, &result, NULL),
                     ERR_INVALID);
    free(checkpoint);
    buffer_fini(&whole);
    buffer_fini(&resumed);
    buffer_fini(&interruption.checkpoint);
    free(text);
}
END_TEST

START_TEST(unseen_words_through_subwords)
{
    char *text = fixture_text(3000, 4);
    const char *params[] = {
        "dim",  "16",        "min_subword", "1", "max_subword", "4", "subword_buckets",
        "1000", "subsample", "0",           NULL};
    struct buffer bytes;
    struct train_result result;
    ck_assert_int_eq(fixture_train(kind_names[_i], text, 1, params, 4, &bytes, &result),
                     ERR_OK);
    struct model *model = fixture_load(&bytes);
    float *seen = memory_new_aligned(model->vectors->stride, sizeof *seen);
    float *unseen = memory_new_aligned(model->vectors->stride, sizeof *unseen);
    ck_assert(vectors_of_word(model->vectors, span_of_text("a12"), seen));
    ck_assert(vectors_of_word(model->vectors, span_of_text("d12"), unseen));
    ck_assert_double_gt(queries_similarity(model->vectors, seen, unseen).cosine, 0.5);
    free(seen);
    free(unseen);
    model_release(model);
    buffer_fini(&bytes);
    free(text);
}
END_TEST

START_TEST(too_little_text)
{
    struct buffer bytes;
    struct train_result result;
    ck_assert_int_eq(
        fixture_train(kind_names[_i], "one two three\n", 1, NULL, 1, &bytes, &result),
        ERR_CORPUS_TOO_SMALL);
    buffer_fini(&bytes);
}
END_TEST

START_TEST(alias_draws_in_proportion)
{
    const double weights[] = {1, 0, 4, 2, 3};
    struct alias_table table;
    struct random random;
    unsigned drawn[5] = {0};
    ck_assert_int_eq(sampling_alias_init(&table, weights, 5), ERR_OK);
    random_seed(&random, 1, 1);
    for (int i = 0; i < 100000; i++)
        drawn[sampling_draw(&table, &random)]++;
    for (int i = 0; i < 5; i++)
        ck_assert_double_eq_tol(drawn[i] / 100000.0, weights[i] / 10, 0.01);
    sampling_alias_fini(&table);
    const double nothing[] = {0, 0};
    ck_assert_int_eq(sampling_alias_init(&table, nothing, 2), ERR_INVALID);
}
END_TEST

START_TEST(thinning_of_frequent_words)
{
    const uint64_t counts[] = {100000, 100, 1};
    uint32_t keep[3];
    sampling_keep(counts, 3, 1000000, 1e-3, keep);
    ck_assert_double_eq_tol(keep[0] / 4294967296.0, 0.11, 1e-6); /* (√100 + 1) / 100 */
    ck_assert_uint_eq(keep[1], UINT32_MAX);
    sampling_keep(counts, 3, 1000000, 0, keep);
    ck_assert_uint_eq(keep[0], UINT32_MAX);
}
END_TEST

START_TEST(character_ngrams)
{
    struct subwords *subwords;
    uint32_t buckets[SUBWORDS_PER_WORD_MAX], again[SUBWORDS_PER_WORD_MAX];
    ck_assert_int_eq(subwords_new(3, 2, 10, &subwords), ERR_INVALID);
    ck_assert_int_eq(subwords_new(1, 2, 1000000, &subwords), ERR_OK);
    /* <é>: é, <é, é> of characters, not bytes; the marks alone do not count */
    ck_assert_uint_eq(subwords_of(subwords, span_of_text("\xc3\xa9"), buckets), 3);
    /* <ab>: a b <a ab b> */
    ck_assert_uint_eq(subwords_of(subwords, span_of_text("ab"), buckets), 5);
    ck_assert_uint_eq(subwords_of(subwords, span_of_text("ab"), again), 5);
    ck_assert(memcmp(buckets, again, 5 * sizeof *buckets) == 0);
    char huge[4000];
    memset(huge, 'x', sizeof huge);
    ck_assert_uint_eq(subwords_of(subwords, span_of(huge, sizeof huge), buckets),
                      SUBWORDS_PER_WORD_MAX);
    ck_assert_uint_eq(subwords_of(subwords, span_of("", 0), buckets), 1);
    subwords_free(subwords);
}
END_TEST

UNIT_SUITE(vectors_negative_sampling)
{
    tcase_add_loop_test(unit, words_of_a_group_are_near, 0, 2);
    tcase_add_loop_test(unit, one_thread_repeats_to_the_byte, 0, 2);
    tcase_add_loop_test(unit, resumes_to_the_byte, 0, 2);
    tcase_add_loop_test(unit, unseen_words_through_subwords, 0, 2);
    tcase_add_loop_test(unit, too_little_text, 0, 2);
    tcase_add_test(unit, alias_draws_in_proportion);
    tcase_add_test(unit, thinning_of_frequent_words);
    tcase_add_test(unit, character_ngrams);
}

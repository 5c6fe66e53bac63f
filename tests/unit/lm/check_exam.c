/* SPDX-License-Identifier: MIT */
/* Examinations: their text, their marks as bytes, what they cost. */
#include "model/exam.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "tests/support/unit.h"

START_TEST(exam_comes_back)
{
    struct exam put = {.of = EXAM_ANALOGIES,
                       .model = "m",
                       .corpus = "c",
                       .in_order = {true, {500, 0.3, 0.1}, {0.002, 0.02, 5}},
                       .method = ANALOGY_MULTIPLY,
                       .rows = 30000,
                       .letters = EXAM_AS_IS,
                       .log_base = 10,
                       .threads = 2};
    struct exam got;
    struct buffer text;
    buffer_init(&text, 4096);
    ck_assert_int_eq(exam_write(&put, &text), ERR_OK);
    ck_assert_int_eq(exam_read(&got, span_of(text.bytes, text.size), NULL), ERR_OK);
    ck_assert_int_eq(got.of, put.of);
    ck_assert_str_eq(got.model, "m");
    ck_assert_str_eq(got.corpus, "c");
    ck_assert(got.in_order.carry);
    ck_assert_uint_eq(got.in_order.cache.size, 500);
    ck_assert_double_eq(got.in_order.cache.theta, 0.3);
    ck_assert_double_eq(got.in_order.cache.weight, 0.1);
    ck_assert_double_eq(got.in_order.dynamic.rate, 0.002);
    ck_assert_double_eq(got.in_order.dynamic.decay, 0.02);
    ck_assert_uint_eq(got.in_order.dynamic.steps, 5);
    ck_assert_int_eq(got.method, put.method);
    ck_assert_uint_eq(got.rows, put.rows);
    ck_assert_int_eq((int)got.letters, (int)put.letters);
    ck_assert_uint_eq(got.log_base, 10);
    ck_assert_uint_eq(got.threads, 2);
    buffer_fini(&text);
    static const char *const bad[] = {"of taste\n", "letters huge\n",
                                      "rows -1\n",  "method 3cosdiv\n",
                                      "more 1\n",   "cache.size -3\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_int_eq(exam_read(&got, span_of_text(bad[i]), NULL), ERR_INVALID);
}
END_TEST

/* Writes the marks and reads them back into *got. */
static void pass_on(const struct exam_marks *put, struct exam_marks *got)
{
    struct buffer bytes;
    buffer_init(&bytes, 1 << 20);
    const struct writer to = writer_to_buffer(&bytes);
    ck_assert_int_eq(exam_marks_write(put, &to), ERR_OK);
    char *copy = memory_new_aligned(bytes.size, 1);
    memcpy(copy, bytes.bytes, bytes.size);
    ck_assert_int_eq(exam_marks_read(span_of(copy, bytes.size), got, NULL), ERR_OK);
    ck_assert_int_eq(got->of, put->of);
    for (size_t cut = 0; cut < bytes.size; cut += 37) /* no part of it is taken for it */
        ck_assert_int_eq(exam_marks_read(span_of(copy, cut), got, NULL),
                         ERR_BAD_MODEL_FILE);
    ck_assert_int_eq(exam_marks_read(span_of(copy, bytes.size), got, NULL), ERR_OK);
    free(copy);
    buffer_fini(&bytes);
}

START_TEST(marks_come_back)
{
    struct exam_marks *put = calloc(1, sizeof *put), *got = calloc(1, sizeof *got);
    put->of = EXAM_PERPLEXITY;
    put->perplexity =
        (struct evaluation){-1.5, -1.25, 9007199254740991u, 3, 4, INFINITY, (double)NAN};
    pass_on(put, got);
    ck_assert_double_eq(got->perplexity.logprob, -1.5);
    ck_assert_uint_eq(got->perplexity.tokens, 9007199254740991u);
    ck_assert(isinf(got->perplexity.perplexity));
    ck_assert(isnan(got->perplexity.perplexity_no_unk));

    put->of = EXAM_WORD_PAIRS;
    put->pairs = (struct measures_pairs){353, 2, 0.5, (double)NAN};
    pass_on(put, got);
    ck_assert_uint_eq(got->pairs.pairs, 353);
    ck_assert(isnan(got->pairs.pearson));

    put->of = EXAM_ANALOGIES;
    put->analogies.section_count = MEASURES_SECTIONS_MAX;
    for (size_t i = 0; i < MEASURES_SECTIONS_MAX; i++)
        put->analogies.sections[i] = (struct measures_section){"capitals", i, i / 2, 1};
    put->analogies.total = (struct measures_section){"", 5, 4, 3};
    pass_on(put, got);
    ck_assert_uint_eq(got->analogies.section_count, MEASURES_SECTIONS_MAX);
    ck_assert_uint_eq(got->analogies.sections[200].right, 100);
    ck_assert_str_eq(got->analogies.sections[200].name, "capitals");
    ck_assert_uint_eq(got->analogies.total.skipped, 3);
    free(put);
    free(got);
}
END_TEST

START_TEST(dear_exams_are_told_from_cheap_ones)
{
    const struct exam text = {.of = EXAM_PERPLEXITY}, words = {.of = EXAM_ANALOGIES},
                      few = {.of = EXAM_ANALOGIES, .rows = 1000};
    const struct exam_candidate grams = {kind_find("ngram"), 5000000, 30000},
                                lstm = {kind_find("lstm"), 7000000, 30000},
                                vectors = {kind_find("glove"), 8200000, 82000};
    double megabyte = exam_seconds(&text, &grams, 1 << 20);
    ck_assert(megabyte > 0.01 && megabyte < 1);
    ck_assert_double_eq_tol(exam_seconds(&text, &grams, 3 << 20), 3 * megabyte, 1e-9);
    ck_assert(exam_seconds(&text, &lstm, 1 << 20) > 50 * megabyte);
    double all = exam_seconds(&words, &vectors, 600000);
    ck_assert(all > 1);
    ck_assert_double_eq_tol(exam_seconds(&few, &vectors, 600000), all * 1000 / 82000,
                            1e-9);
}
END_TEST

UNIT_SUITE(exam)
{
    tcase_add_test(unit, exam_comes_back);
    tcase_add_test(unit, marks_come_back);
    tcase_add_test(unit, dear_exams_are_told_from_cheap_ones);
}

/* SPDX-License-Identifier: MIT */
#include "model/vectors/queries.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/vectors/kernels.h"
#include "tests/support/unit.h"
#include "tests/unit/vectors/fixture.h"

static double cosine(const struct vectors *vectors, const double *a, uint32_t row)
{
    const float *b = vectors_row(vectors, row);
    double dot = 0, x = 0, y = 0;
    for (uint32_t d = 0; d < vectors->dim; d++) {
        dot += a[d] * b[d];
        x += a[d] * a[d];
        y += (double)b[d] * b[d];
    }
    return dot / sqrt(x * y);
}

static void unit_row(const struct vectors *vectors, uint32_t row, double *to)
{
    for (uint32_t d = 0; d < vectors->dim; d++)
        to[d] = (double)vectors_row(vectors, row)[d] * (double)vectors->inverse_norm[row];
}

/* w1 - w0 + w2 by hand; the inputs are left out. */
static uint32_t naive_analogy(const struct vectors *vectors, enum analogy_method method,
                              double *best)
{
    double unit[3][64], sum[64];
    uint32_t answer = 0;
    *best = -10;
    for (uint32_t i = 0; i < 3; i++)
        unit_row(vectors, i, unit[i]);
    for (uint32_t d = 0; d < vectors->dim; d++)
        sum[d] = unit[1][d] - unit[0][d] + unit[2][d];
    for (uint32_t row = 3; row < vectors->count; row++) {
        double score = cosine(vectors, sum, row);
        if (method == ANALOGY_MULTIPLY)
            score = (1 + cosine(vectors, unit[1], row)) / 2 *
                    (1 + cosine(vectors, unit[2], row)) / 2 /
                    ((1 + cosine(vectors, unit[0], row)) / 2 + 1e-3);
        if (score > *best) {
            *best = score;
            answer = row;
        }
    }
    return answer;
}

START_TEST(analogies_as_defined)
{
    struct fixture fixture;
    fixture_init(&fixture, 1200, 40, false, 3);
    struct span positive[] = {span_of_text("w1"), span_of_text("w2")};
    struct span negative[] = {span_of_text("w0")};
    struct analogy analogies[9];
    for (size_t i = 0; i < 9; i++)
        analogies[i] = (struct analogy){positive, negative, 2, 1};
    struct analogy_options options = {
        .method = (enum analogy_method)_i, .k = 4, .exclude_inputs = true};
    struct neighbour results[9 * 4];
    size_t found[9];
    double best;
    uint32_t answer = naive_analogy(fixture.vectors, options.method, &best);
    ck_assert_int_eq(
        queries_analogy(fixture.vectors, analogies, 9, &options, results, found, NULL),
        ERR_OK);
    for (size_t i = 0; i < 9; i++) {
        ck_assert_uint_eq(found[i], 4);
        ck_assert_uint_eq(results[i * 4].row, answer);
        ck_assert_double_eq_tol(results[i * 4].score, best, 1e-5);
    }
    fixture_fini(&fixture);
}
END_TEST

START_TEST(analogy_refusals)
{
    struct fixture fixture;
    struct err_info info = {0};
    fixture_init(&fixture, 10, 4, false, 3);
    struct span words[] = {span_of_text("w1"), span_of_text("nowhere")};
    struct analogy analogy = {words, NULL, 2, 0};
    struct analogy_options options = {.k = 1};
    struct neighbour result;
    size_t found;
    ck_assert_int_eq(
        queries_analogy(fixture.vectors, &analogy, 1, &options, &result, &found, &info),
        ERR_UNKNOWN_WORDS);
    ck_assert_ptr_nonnull(strstr(info.message, "nowhere"));
    analogy = (struct analogy){words, words, 0, 1};
    ck_assert_int_eq(
        queries_analogy(fixture.vectors, &analogy, 1, &options, &result, &found, NULL),
        ERR_INVALID);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(inputs_answer_when_allowed)
{
    struct fixture fixture;
    fixture_init(&fixture, 50, 8, false, 3);
    struct span word = span_of_text("w5");
    struct analogy analogy = {&word, NULL, 1, 0};
    struct analogy_options options = {.k = 1};
    struct neighbour result;
    size_t found;
    ck_assert_int_eq(
        queries_analogy(fixture.vectors, &analogy, 1, &options, &result, &found, NULL),
        ERR_OK);
    ck_assert_uint_eq(result.row, 5);
    ck_assert_float_eq_tol(result.score, 1, 1e-6f);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(similarity_of_two)
{
    struct fixture fixture;
    fixture_init(&fixture, 4, 3, false, 8);
    float *a = fixture_vector(&fixture, 1), *b = fixture_vector(&fixture, 2);
    struct similarity similarity = queries_similarity(fixture.vectors, a, b);
    double dot = 0, squared = 0;
    for (int d = 0; d < 3; d++) {
        dot += (double)a[d] * b[d];
        squared += pow((double)a[d] - b[d], 2);
    }
    ck_assert(similarity.has_cosine);
    ck_assert_double_eq_tol(similarity.dot, dot, 1e-9);
    ck_assert_double_eq_tol(similarity.euclidean, sqrt(squared), 1e-9);
    memset(b, 0, 3 * sizeof *b);
    similarity = queries_similarity(fixture.vectors, a, b);
    ck_assert(!similarity.has_cosine);
    ck_assert_double_eq(similarity.cosine, 0);
    free(a);
    free(b);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(odd_one_out_of_a_trained_text)
{
    char *text = fixture_text(4000, 1);
    struct buffer bytes;
    struct train_result result;
    const char *params[] = {"dim", "16", "subsample", "0", NULL};
    ck_assert_int_eq(fixture_train("skipgram", text, 1, params, 5, &bytes, &result),
                     ERR_OK);
    struct model *model = fixture_load(&bytes);
    struct span words[] = {span_of_text("a3"), span_of_text("b3"), span_of_text("a7"),
                           span_of_text("c3")};
    float similarities[4];
    size_t odd;
    ck_assert_int_eq(
        queries_odd_one_out(model->vectors, words, 4, &odd, similarities, NULL), ERR_OK);
    ck_assert_uint_eq(odd, 2);
    ck_assert_int_eq(
        queries_odd_one_out(model->vectors, words, 1, &odd, similarities, NULL),
        ERR_INVALID);
    float *mean = memory_new_aligned(model->vectors->stride, sizeof *mean);
    size_t known, unknown;
    ck_assert_int_eq(queries_text(model->vectors, model->tokenizer,
                                  span_of_text("a3 zebra b3"), mean, &known, &unknown),
                     ERR_OK);
    ck_assert_uint_eq(known, 2);
    ck_assert_uint_eq(unknown, 1);
    uint32_t a = vectors_row_of(model->vectors, words[0]);
    uint32_t b = vectors_row_of(model->vectors, words[1]);
    ck_assert_float_eq_tol(
        mean[0],
        (vectors_row(model->vectors, a)[0] + vectors_row(model->vectors, b)[0]) / 2,
        1e-6f);
    ck_assert_int_eq(queries_text(model->vectors, model->tokenizer, span_of_text(""),
                                  mean, &known, &unknown),
                     ERR_OK);
    ck_assert_uint_eq(known, 0);
    ck_assert_float_eq(mean[0], 0);
    free(mean);
    model_release(model);
    buffer_fini(&bytes);
    free(text);
}
END_TEST

UNIT_SUITE(vectors_queries)
{
    tcase_add_loop_test(unit, analogies_as_defined, 0, ANALOGY_METHOD_COUNT);
    tcase_add_test(unit, analogy_refusals);
    tcase_add_test(unit, inputs_answer_when_allowed);
    tcase_add_test(unit, similarity_of_two);
    tcase_add_test(unit, odd_one_out_of_a_trained_text);
}

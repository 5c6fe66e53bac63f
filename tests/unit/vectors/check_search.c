/* SPDX-License-Identifier: MIT */
/* Search against sorting all scores. */
#include "model/vectors/search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "tests/support/unit.h"
#include "tests/unit/vectors/fixture.h"

enum { QUERIES = 12, K = 10 };

static double score_of(const struct vectors *vectors, const float *query, uint32_t row,
                       enum metric metric)
{
    const float *to = vectors_row(vectors, row);
    double dot = 0, a = 0, b = 0, squared = 0;
    for (size_t d = 0; d < vectors->dim; d++) {
        dot += (double)query[d] * to[d];
        a += (double)query[d] * query[d];
        b += (double)to[d] * to[d];
        squared += ((double)query[d] - to[d]) * ((double)query[d] - to[d]);
    }
    if (metric == METRIC_DOT)
        return dot;
    if (metric == METRIC_EUCLIDEAN)
        return -sqrt(squared);
    return a * b > 0 ? dot / sqrt(a * b) : 0;
}

struct scored {
    double score;
    uint32_t row;
};

static int falling(const void *a, const void *b)
{
    const struct scored *x = a, *y = b;
    return x->score < y->score   ? 1
           : x->score > y->score ? -1
                                 : (x->row > y->row) - (x->row < y->row);
}

/* Every answer's score is right, and is the one the naive list has at this rank. */
static void check_answers(const struct vectors *vectors, const float *query,
                          enum metric metric, uint32_t rows, uint32_t excluded,
                          const struct neighbour *results, size_t found, size_t k)
{
    struct scored *all = memory_new_array(rows, sizeof *all);
    size_t count = 0;
    for (uint32_t row = 0; row < rows; row++)
        if (row != excluded)
            all[count++] = (struct scored){score_of(vectors, query, row, metric), row};
    qsort(all, count, sizeof *all, falling);
    ck_assert_uint_eq(found, k < count ? k : count);
    for (size_t i = 0; i < found; i++) {
        double sign = metric == METRIC_EUCLIDEAN ? -1 : 1;
        ck_assert_uint_lt(results[i].row, rows);
        ck_assert_uint_ne(results[i].row, excluded);
        ck_assert_double_eq_tol(sign * (double)results[i].score, all[i].score, 1e-4);
        ck_assert_double_eq_tol(score_of(vectors, query, results[i].row, metric),
                                all[i].score, 1e-5);
    }
    free(all);
}

static void check_search(uint32_t count, uint32_t dim, size_t queries, size_t k,
                         uint32_t rows, unsigned threads, enum metric metric)
{
    struct fixture fixture;
    fixture_init(&fixture, count, dim, false, count);
    size_t stride = fixture.vectors->stride;
    float *asked = memory_new_aligned(queries * stride, sizeof *asked);
    struct search_question questions[QUERIES];
    uint32_t excluded[QUERIES];
    for (size_t q = 0; q < queries; q++) {
        float *one = fixture_vector(&fixture, q);
        memcpy(asked + q * stride, one, stride * sizeof *one);
        free(one);
        excluded[q] = (uint32_t)(q * 7) % count;
        questions[q] = (struct search_question){q, 1, 0, excluded + q, 1};
    }
    struct search search = {.vectors = asked,
                            .vector_count = queries,
                            .questions = questions,
                            .question_count = queries,
                            .metric = metric,
                            .k = k,
                            .rows = rows,
                            .threads = threads};
    struct neighbour *results = memory_new_array(queries * k, sizeof *results);
    size_t found[QUERIES];
    ck_assert_int_eq(search_exact(fixture.vectors, &search, results, found), ERR_OK);
    for (size_t q = 0; q < queries; q++)
        check_answers(fixture.vectors, asked + q * stride, metric, rows ? rows : count,
                      excluded[q], results + q * k, found[q], k);
    free(results);
    free(asked);
    fixture_fini(&fixture);
}

START_TEST(same_as_naive)
{
    enum metric metric = (enum metric)_i;
    check_search(3000, 50, 1, K, 0, 1, metric);
    check_search(3000, 50, 1, K, 0, 2, metric);
    check_search(3000, 50, QUERIES, K, 0, 2, metric);
    check_search(1537, 7, QUERIES, K, 0, 3, metric);
    check_search(3000, 50, 3, K, 100, 2, metric);
}
END_TEST

START_TEST(fewer_rows_than_asked)
{
    check_search(5, 3, 2, 40, 0, 2, (enum metric)_i);
    check_search(1, 1, 1, 3, 0, 1, (enum metric)_i);
}
END_TEST

/* On unit vectors ‖a − b‖² = 2 − 2 aᵀb, so the three metrics rank alike. */
START_TEST(metrics_agree_on_unit_vectors)
{
    struct fixture fixture;
    fixture_init(&fixture, 2000, 60, true, 5);
    struct neighbour results[METRIC_COUNT][K];
    size_t found[METRIC_COUNT];
    for (uint32_t row = 0; row < 2000; row += 111) {
        struct search_question question = {
            .positives = 1, .exclude = &row, .exclude_count = 1};
        for (int metric = 0; metric < METRIC_COUNT; metric++) {
            struct search search = {.vectors = vectors_row(fixture.vectors, row),
                                    .vector_count = 1,
                                    .questions = &question,
                                    .question_count = 1,
                                    .metric = (enum metric)metric,
                                    .k = K};
            ck_assert_int_eq(
                search_exact(fixture.vectors, &search, results[metric], &found[metric]),
                ERR_OK);
        }
        for (size_t i = 0; i < K; i++) {
            float cosine = results[METRIC_COSINE][i].score;
            float distance = results[METRIC_EUCLIDEAN][i].score;
            ck_assert_uint_eq(results[METRIC_COSINE][i].row, results[METRIC_DOT][i].row);
            ck_assert_uint_eq(results[METRIC_COSINE][i].row,
                              results[METRIC_EUCLIDEAN][i].row);
            ck_assert_float_eq_tol(distance * distance, 2 - 2 * cosine, 1e-5f);
        }
    }
    fixture_fini(&fixture);
}
END_TEST

START_TEST(zero_vector_is_near_nothing)
{
    struct fixture fixture;
    fixture_init(&fixture, 40, 5, false, 6);
    float *zero = memory_new_aligned(fixture.vectors->stride, sizeof *zero);
    struct search_question question = {.positives = 1};
    struct search search = {.vectors = zero,
                            .vector_count = 1,
                            .questions = &question,
                            .question_count = 1,
                            .k = 3};
    struct neighbour results[3];
    size_t found;
    ck_assert_int_eq(search_exact(fixture.vectors, &search, results, &found), ERR_OK);
    ck_assert_uint_eq(found, 3);
    for (uint32_t i = 0; i < 3; i++) {
        ck_assert_uint_eq(results[i].row, i);
        ck_assert_float_eq(results[i].score, 0);
    }
    search.question_count = 0;
    ck_assert_int_eq(search_exact(fixture.vectors, &search, results, &found), ERR_OK);
    free(zero);
    fixture_fini(&fixture);
}
END_TEST

UNIT_SUITE(vectors_search)
{
    tcase_add_loop_test(unit, same_as_naive, 0, METRIC_COUNT);
    tcase_add_loop_test(unit, fewer_rows_than_asked, 0, METRIC_COUNT);
    tcase_add_test(unit, metrics_agree_on_unit_vectors);
    tcase_add_test(unit, zero_vector_is_near_nothing);
}

/* SPDX-License-Identifier: MIT */
/* The eigensolver on random matrices, the factorisation on matrices of known rank. */
#include "model/vectors/svd.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "model/vectors/eigen.h"
#include "tests/support/unit.h"
#include "tests/unit/vectors/fixture.h"

static double *random_symmetric(size_t n, uint64_t seed)
{
    struct random random;
    random_seed(&random, seed, 0);
    double *a = memory_new_array(n * n, sizeof *a);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++)
            a[i * n + j] = a[j * n + i] = random_normal(&random);
    return a;
}

START_TEST(eigenvectors_are_what_they_should_be)
{
    for (size_t n = 1; n <= 60; n = n * 2 + 1) {
        double *a = random_symmetric(n, n), *z = random_symmetric(n, n);
        double *values = memory_new_array(n, sizeof *values);
        ck_assert_int_eq(eigen_symmetric(z, n, values), ERR_OK);
        for (size_t i = 0; i < n; i++) {
            if (i > 0)
                ck_assert_double_ge(values[i - 1], values[i]);
            for (size_t r = 0; r < n; r++) { /* A z = λ z */
                double product = 0;
                for (size_t c = 0; c < n; c++)
                    product += a[r * n + c] * z[i * n + c];
                ck_assert_double_eq_tol(product, values[i] * z[i * n + r], 1e-9);
            }
            for (size_t j = 0; j <= i; j++) { /* orthonormal */
                double dot = 0;
                for (size_t c = 0; c < n; c++)
                    dot += z[i * n + c] * z[j * n + c];
                ck_assert_double_eq_tol(dot, i == j, 1e-10);
            }
        }
        free(a);
        free(z);
        free(values);
    }
}
END_TEST

START_TEST(zero_and_diagonal_matrices)
{
    double zero[9] = {0}, diagonal[9] = {2, 0, 0, 0, -5, 0, 0, 0, 3}, values[3];
    ck_assert_int_eq(eigen_symmetric(zero, 3, values), ERR_OK);
    ck_assert_double_eq(values[0], 0);
    ck_assert_int_eq(eigen_symmetric(diagonal, 3, values), ERR_OK);
    ck_assert_double_eq_tol(values[0], 3, 1e-14);
    ck_assert_double_eq_tol(values[1], 2, 1e-14);
    ck_assert_double_eq_tol(values[2], -5, 1e-14);
    ck_assert_double_eq_tol(diagonal[0 * 3 + 2], 1, 1e-14);
}
END_TEST

START_TEST(orthonormal_columns)
{
    enum { ROWS = 700, COLUMNS = 9, STRIDE = 16 };
    struct random random;
    random_seed(&random, 4, 0);
    float *rows = memory_new_aligned(ROWS * STRIDE, sizeof *rows);
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t j = 0; j < COLUMNS; j++)
            rows[i * STRIDE + j] = (float)random_normal(&random) * powf(10, (float)j / 2);
        rows[i * STRIDE + 5] = 3 * rows[i * STRIDE + 2]; /* depends on another */
    }
    double gram[COLUMNS * COLUMNS];
    ck_assert_int_eq(eigen_orthonormalise(rows, ROWS, COLUMNS, STRIDE), ERR_OK);
    ck_assert_int_eq(eigen_gram(rows, ROWS, COLUMNS, STRIDE, gram), ERR_OK);
    for (size_t i = 0; i < COLUMNS; i++)
        for (size_t j = 0; j < COLUMNS; j++)
            ck_assert_double_eq_tol(gram[i * COLUMNS + j], i == j && i != 5, 1e-5);
    free(rows);
}
END_TEST

/* M = Σ values[k] u_k u_kᵀ with orthonormal u_k: the factors must come back. */
START_TEST(known_low_rank)
{
    enum { ROWS = 120, RANK = 3, STRIDE = 16, WANTED = 5 };
    static const double values[RANK] = {9, -4, 2};
    struct random random;
    random_seed(&random, 6, 0);
    float *u = memory_new_aligned(ROWS * STRIDE, sizeof *u);
    for (size_t i = 0; i < ROWS; i++)
        for (size_t k = 0; k < RANK; k++)
            u[i * STRIDE + k] = (float)random_normal(&random);
    ck_assert_int_eq(eigen_orthonormalise(u, ROWS, RANK, STRIDE), ERR_OK);
    struct sparse sparse = {.rows = ROWS};
    sparse.starts = memory_new_array(ROWS + 1, sizeof *sparse.starts);
    sparse.columns = memory_new_array(ROWS * ROWS, sizeof *sparse.columns);
    sparse.values = memory_new_array(ROWS * ROWS, sizeof *sparse.values);
    for (size_t i = 0; i < ROWS; i++) {
        sparse.starts[i + 1] = (i + 1) * ROWS;
        for (size_t j = 0; j < ROWS; j++) {
            double sum = 0;
            for (size_t k = 0; k < RANK; k++)
                sum += values[k] * (double)u[i * STRIDE + k] * (double)u[j * STRIDE + k];
            sparse.columns[i * ROWS + j] = (uint32_t)j;
            sparse.values[i * ROWS + j] = (float)sum;
        }
    }
    struct svd_settings settings = {
        .rank = WANTED, .extra = 4, .iterations = 2, .seed = 1, .threads = 2};
    float *vectors;
    size_t stride;
    double found[WANTED];
    ck_assert_int_eq(svd_factor(&sparse, &settings, NULL, &vectors, &stride, found),
                     ERR_OK);
    for (size_t k = 0; k < WANTED; k++)
        ck_assert_double_eq_tol(found[k], k < RANK ? fabs(values[k]) : 0, 1e-4);
    for (size_t k = 0; k < RANK; k++) {
        double dot = 0;
        for (size_t i = 0; i < ROWS; i++)
            dot += (double)u[i * STRIDE + k] * (double)vectors[i * stride + k];
        ck_assert_double_eq_tol(fabs(dot), 1, 1e-4);
    }
    free(vectors);
    free(u);
    free(sparse.starts);
    free(sparse.columns);
    free(sparse.values);
}
END_TEST

START_TEST(weightings_of_counts)
{
    struct cooccurrence_entry entries[] = {{0, 0, 2}, {0, 1, 6}, {1, 2, 1}};
    struct cooccurrence counts = {entries, 3, 3, true, NULL};
    struct sparse *sparse;
    ck_assert_int_eq(sparse_from_counts(&counts, SPARSE_LOG, 0, 1, &sparse), ERR_OK);
    ck_assert_uint_eq(sparse->starts[3], 5);
    ck_assert_uint_eq(sparse->columns[0], 0);
    ck_assert_float_eq_tol(sparse->values[1], logf(7), 1e-6f);
    sparse_free(sparse);
    ck_assert_int_eq(sparse_from_counts(&counts, SPARSE_PPMI, 0, 1, &sparse), ERR_OK);
    /* rows sum to 8, 7, 1 of 16; (0,0) is rarer than chance and drops out */
    ck_assert_uint_eq(sparse->starts[3], 4);
    ck_assert_float_eq_tol(sparse->values[0], logf(6.0f * 16 / (8 * 7)), 1e-6f);
    ck_assert_float_eq_tol(sparse->values[2], logf(1.0f * 16 / (7 * 1)), 1e-6f);
    sparse_free(sparse);
    ck_assert_int_eq(sparse_from_counts(&counts, SPARSE_PPMI, log(2), 1, &sparse),
                     ERR_OK);
    ck_assert_uint_eq(sparse->starts[3], 2);
    sparse_free(sparse);
}
END_TEST

START_TEST(trained_groups_form)
{
    char *text = fixture_text(3000, 1);
    static const char *const weightings[] = {"log", "ppmi"};
    for (int i = 0; i < 2; i++) {
        const char *params[] = {"dim", "24", "weighting", weightings[i], NULL};
        struct buffer first, second;
        struct train_result result;
        ck_assert_int_eq(fixture_train("svd", text, 1, params, 0, &first, &result),
                         ERR_OK);
        ck_assert_int_eq(fixture_train("svd", text, 1, params, 0, &second, &result),
                         ERR_OK);
        ck_assert_uint_eq(first.size, second.size);
        ck_assert(memcmp(first.bytes, second.bytes, first.size) == 0);
        struct model *model = fixture_load(&first);
        ck_assert_uint_ge(fixture_right_neighbours(model->vectors), 114);
        model_release(model);
        buffer_fini(&first);
        buffer_fini(&second);
    }
    free(text);
}
END_TEST

START_TEST(more_dimensions_than_words)
{
    char *text = fixture_text(500, 1);
    const char *params[] = {"dim", "200", NULL};
    struct buffer bytes;
    struct train_result result;
    ck_assert_int_eq(fixture_train("svd", text, 2, params, 0, &bytes, &result), ERR_OK);
    struct model *model = fixture_load(&bytes);
    ck_assert_uint_eq(model->vectors->dim, 200);
    ck_assert_float_eq(vectors_row(model->vectors, 0)[199], 0);
    model_release(model);
    buffer_fini(&bytes);
    free(text);
}
END_TEST

START_TEST(a_shift_that_leaves_nothing)
{
    char *text = fixture_text(500, 1);
    const char *params[] = {"weighting", "ppmi", "shift", "50", NULL};
    struct buffer bytes;
    struct train_result result;
    ck_assert_int_eq(fixture_train("svd", text, 1, params, 0, &bytes, &result),
                     ERR_CORPUS_TOO_SMALL);
    buffer_fini(&bytes);
    free(text);
}
END_TEST

UNIT_SUITE(vectors_svd)
{
    tcase_add_test(unit, eigenvectors_are_what_they_should_be);
    tcase_add_test(unit, zero_and_diagonal_matrices);
    tcase_add_test(unit, orthonormal_columns);
    tcase_add_test(unit, a_shift_that_leaves_nothing);
    tcase_add_test(unit, known_low_rank);
    tcase_add_test(unit, weightings_of_counts);
    tcase_add_test(unit, trained_groups_form);
    tcase_add_test(unit, more_dimensions_than_words);
}

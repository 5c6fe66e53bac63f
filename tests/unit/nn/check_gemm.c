/* SPDX-License-Identifier: MIT */
/* Products of few rows against the definition, with every odd size and stride; bits that
 * do not depend on the number of rows. */
#include "model/nn/gemm.h"

#include <stdlib.h>

#include "tests/support/unit.h"
#include "tests/unit/nn/gradient.h"

enum { COLUMNS_MAX = 37, INNER_MAX = 70, STRIDE = 75 };

static float *filled(struct random *random, size_t count)
{
    float *values = malloc(count * sizeof *values);
    gradient_fill(random, count, 1, values);
    return values;
}

static double dot(const float *a, const float *b, size_t size)
{
    double sum = 0;
    for (size_t i = 0; i < size; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

START_TEST(few_rows_give_the_product)
{
    static const size_t inner[] = {1, 2, 15, 16, 17, 31, 32, 64, INNER_MAX};
    struct random random;
    random_seed(&random, 5, 0);
    float *a = filled(&random, (size_t)GEMM_FEW_ROWS * STRIDE);
    float *b = filled(&random, (size_t)COLUMNS_MAX * STRIDE);
    float c[GEMM_FEW_ROWS * STRIDE];
    for (size_t i = 0; i < sizeof inner / sizeof *inner; i++)
        for (size_t m = 1; m <= GEMM_FEW_ROWS; m++)
            for (size_t n = 1; n <= COLUMNS_MAX; n += 3) {
                for (size_t j = 0; j < GEMM_FEW_ROWS * STRIDE; j++)
                    c[j] = 2;
                gemm_few_nt(i % 2 ? GEMM_ADD : GEMM_SET, m, n, inner[i], a, STRIDE, b,
                            STRIDE, c, STRIDE);
                for (size_t row = 0; row < GEMM_FEW_ROWS; row++)
                    for (size_t j = 0; j < STRIDE; j++) {
                        double wanted =
                            row >= m || j >= n
                                ? 2
                                : dot(a + row * STRIDE, b + j * STRIDE, inner[i]) +
                                      (i % 2 ? 2 : 0);
                        ck_assert_double_eq_tol((double)c[row * STRIDE + j], wanted,
                                                1e-5);
                    }
            }
    free(a);
    free(b);
}
END_TEST

START_TEST(a_row_has_the_same_bits_in_any_company)
{
    struct random random;
    random_seed(&random, 6, 0);
    float *a = filled(&random, (size_t)GEMM_FEW_ROWS * STRIDE);
    float *b = filled(&random, (size_t)COLUMNS_MAX * STRIDE);
    float all[GEMM_FEW_ROWS * STRIDE], some[STRIDE];
    gemm_few_nt(GEMM_SET, GEMM_FEW_ROWS, COLUMNS_MAX, INNER_MAX, a, STRIDE, b, STRIDE,
                all, STRIDE);
    for (size_t row = 0; row < GEMM_FEW_ROWS; row++)
        for (size_t first = 0; first < COLUMNS_MAX; first += 5) {
            gemm_few_nt(GEMM_SET, 1, COLUMNS_MAX - first, INNER_MAX, a + row * STRIDE,
                        STRIDE, b + first * STRIDE, STRIDE, some, STRIDE);
            ck_assert_mem_eq(some, all + row * STRIDE + first,
                             (COLUMNS_MAX - first) * sizeof *some);
        }
    free(a);
    free(b);
}
END_TEST

UNIT_SUITE(gemm)
{
    tcase_add_test(unit, few_rows_give_the_product);
    tcase_add_test(unit, a_row_has_the_same_bits_in_any_company);
}

/* SPDX-License-Identifier: MIT */
/* Vectorised functions against the C library's, as exactly as the header says, at lengths
 * that do and do not fill the vectors. */
#include "model/nn/pointwise.h"

#include <math.h>

#include "base/random.h"
#include "tests/support/unit.h"

enum { COUNT = 1003 };

/* From `low` to `high` in even steps. */
static void spread(float low, float high, float *x)
{
    for (size_t i = 0; i < COUNT; i++)
        x[i] = low + (high - low) * (float)i / (COUNT - 1);
}

START_TEST(functions_are_exact)
{
    float x[COUNT], y[COUNT];
    spread(-86, 87, x);
    pointwise_exp(COUNT, x, y);
    for (size_t i = 0; i < COUNT; i++)
        ck_assert_double_lt(fabs((double)y[i] / exp((double)x[i]) - 1), 3e-7);
    spread(-12, 12, x);
    pointwise_tanh(COUNT, x, y);
    for (size_t i = 0; i < COUNT; i++)
        ck_assert_double_lt(fabs((double)y[i] - tanh((double)x[i])), 3e-7);
    pointwise_logistic(COUNT, x, y);
    for (size_t i = 0; i < COUNT; i++)
        ck_assert_double_lt(fabs((double)y[i] - 1 / (1 + exp(-(double)x[i]))), 3e-7);
    pointwise_relu(COUNT, x, y);
    for (size_t i = 0; i < COUNT; i++)
        ck_assert_float_eq(y[i], x[i] > 0 ? x[i] : 0);
}
END_TEST

/* Beyond what exp can tell in a float nothing becomes infinite or no number. */
START_TEST(extremes_stay_finite)
{
    const float x[] = {-1e30f, -1000, -100, 100, 1000, 1e30f};
    float y[6];
    pointwise_exp(6, x, y);
    for (size_t i = 0; i < 6; i++)
        ck_assert(isfinite(y[i]) && y[i] >= 0);
    pointwise_tanh(6, x, y);
    for (size_t i = 0; i < 6; i++)
        ck_assert_float_eq_tol(y[i], i < 3 ? -1 : 1, 1e-6f);
    pointwise_logistic(6, x, y);
    for (size_t i = 0; i < 6; i++)
        ck_assert_float_eq_tol(y[i], i < 3 ? 0 : 1, 1e-6f);
}
END_TEST

START_TEST(sums_and_maxima)
{
    static const size_t counts[] = {0, 1, 15, 16, 17, COUNT};
    struct random random;
    float x[COUNT], z[COUNT], y[COUNT];
    random_seed(&random, 1, 1);
    for (size_t i = 0; i < COUNT; i++) {
        x[i] = (float)random_normal(&random);
        z[i] = (float)random_normal(&random);
    }
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
        double dot = 0, squares = 0, exponentials = 0;
        float most = -INFINITY;
        for (size_t i = 0; i < counts[k]; i++) {
            dot += (double)x[i] * (double)z[i];
            squares += (double)x[i] * (double)x[i];
            exponentials += exp((double)x[i] - 0.5);
            most = fmaxf(most, x[i]);
        }
        ck_assert_double_eq_tol(pointwise_dot(counts[k], x, z), dot, 1e-9);
        ck_assert_double_eq_tol(pointwise_squares(counts[k], x), squares, 1e-9);
        ck_assert(pointwise_max(counts[k], x) == most);
        ck_assert_double_eq_tol((double)pointwise_exp_sum(counts[k], x, 0.5f, y),
                                exponentials, 1e-6 * (1 + exponentials));
    }
}
END_TEST

START_TEST(sums_of_arrays)
{
    const float x[3] = {1, 2, 3}, z[3] = {4, 5, 6};
    const float rows[6] = {1, 2, 3, 10, 20, 30};
    float y[3] = {1, 1, 1}, sum[3] = {100, 100, 100};
    pointwise_add_scaled(3, 2, x, y);
    ck_assert(y[0] == 3 && y[1] == 5 && y[2] == 7);
    pointwise_scale(3, 0.5f, y);
    ck_assert(y[0] == 1.5f && y[1] == 2.5f && y[2] == 3.5f);
    pointwise_multiply_add(3, x, z, y);
    ck_assert(y[0] == 5.5f && y[1] == 12.5f && y[2] == 21.5f);
    pointwise_multiply(3, x, z, y);
    ck_assert(y[0] == 4 && y[1] == 10 && y[2] == 18);
    pointwise_add_rows(2, 3, rows, sum);
    ck_assert(sum[0] == 111 && sum[1] == 122 && sum[2] == 133);
}
END_TEST

UNIT_SUITE(pointwise)
{
    tcase_add_test(unit, functions_are_exact);
    tcase_add_test(unit, extremes_stay_finite);
    tcase_add_test(unit, sums_and_maxima);
    tcase_add_test(unit, sums_of_arrays);
}

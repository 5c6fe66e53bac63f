/* SPDX-License-Identifier: MIT */
/* Singular values raised to a power, on matrices whose values are known. */
#include "model/vectors/spectrum.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "model/vectors/eigen.h"
#include "tests/support/unit.h"

enum { ROWS = 200, DIM = 7, STRIDE = 16 };

static float *random_rows(double strength)
{
    struct random random;
    float *rows = memory_new_aligned(ROWS * STRIDE, sizeof *rows);
    random_seed(&random, 1, 0);
    for (size_t i = 0; i < ROWS; i++) {
        double common = random_normal(&random);
        for (size_t d = 0; d < DIM; d++)
            rows[i * STRIDE + d] = (float)(random_normal(&random) + strength * common);
    }
    return rows;
}

static void singular_values(const float *rows, double *values)
{
    double gram[DIM * DIM];
    ck_assert_int_eq(eigen_gram(rows, ROWS, DIM, STRIDE, gram), ERR_OK);
    ck_assert_int_eq(eigen_symmetric(gram, DIM, values), ERR_OK);
    for (size_t k = 0; k < DIM; k++)
        values[k] = sqrt(values[k]);
}

START_TEST(values_are_raised_and_the_length_stays)
{
    static const double powers[] = {0, 0.5, 0.75, 1.5};
    for (int p = 0; p < 4; p++) {
        float *rows = random_rows(3);
        double before[DIM], after[DIM], a = 0, b = 0;
        singular_values(rows, before);
        ck_assert_int_eq(spectrum_raise(rows, ROWS, DIM, STRIDE, powers[p]), ERR_OK);
        singular_values(rows, after);
        for (size_t k = 0; k < DIM; k++) {
            double wanted = pow(before[k] / before[0], powers[p]);
            ck_assert_double_eq_tol(after[k] / after[0], wanted, 1e-5);
            a += before[k] * before[k];
            b += after[k] * after[k];
        }
        ck_assert_double_eq_tol(b / a, 1, 1e-5);
        for (size_t i = 0; i < ROWS; i++)
            for (size_t d = DIM; d < STRIDE; d++)
                ck_assert_float_eq(rows[i * STRIDE + d], 0);
        free(rows);
    }
}
END_TEST

/* Only the lengths of the axes change, not where they point. */
START_TEST(directions_stay)
{
    float *rows = memory_new_aligned(2 * STRIDE, sizeof *rows);
    rows[0] = 16;
    rows[STRIDE + 1] = -1;
    ck_assert_int_eq(spectrum_raise(rows, 2, 2, STRIDE, 0.5), ERR_OK);
    ck_assert_float_eq_tol(rows[0] / rows[STRIDE + 1], -4, 1e-5f);
    ck_assert_float_eq_tol(rows[1], 0, 1e-6f);
    ck_assert_float_eq_tol(rows[STRIDE], 0, 1e-6f);
    free(rows);
}
END_TEST

START_TEST(what_is_left_alone)
{
    float *rows = random_rows(1), *kept = random_rows(1);
    ck_assert_int_eq(spectrum_raise(rows, ROWS, DIM, STRIDE, 1), ERR_OK);
    ck_assert(memcmp(rows, kept, ROWS * STRIDE * sizeof *rows) == 0);
    ck_assert_int_eq(spectrum_raise(rows, 0, DIM, STRIDE, 0.5), ERR_OK);
    memset(rows, 0, ROWS * STRIDE * sizeof *rows);
    ck_assert_int_eq(spectrum_raise(rows, ROWS, DIM, STRIDE, 0.5), ERR_OK);
    for (size_t i = 0; i < ROWS * STRIDE; i++)
        ck_assert_float_eq(rows[i], 0);
    /* one direction only: the others are nothing, and stay so */
    for (size_t i = 0; i < ROWS; i++)
        rows[i * STRIDE] = (float)i;
    ck_assert_int_eq(spectrum_raise(rows, ROWS, DIM, STRIDE, 0), ERR_OK);
    ck_assert_float_eq_tol(rows[9 * STRIDE], 9, 1e-3f);
    ck_assert_float_eq_tol(rows[9 * STRIDE + 1], 0, 1e-3f);
    free(rows);
    free(kept);
}
END_TEST

UNIT_SUITE(vectors_spectrum)
{
    tcase_add_test(unit, values_are_raised_and_the_length_stays);
    tcase_add_test(unit, directions_stay);
    tcase_add_test(unit, what_is_left_alone);
}

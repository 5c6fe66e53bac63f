/* SPDX-License-Identifier: MIT */
/* Dropout: how much is left out, that the mean stays, that one mask serves all steps. */
#include "model/nn/dropout.h"

#include <stdlib.h>

#include "tests/support/unit.h"

enum { COUNT = 40000 };

START_TEST(leaves_out_its_share_and_keeps_the_mean)
{
    static const double shares[] = {0, 0.1, 0.5, 0.95};
    struct random random;
    float *mask = malloc(COUNT * sizeof *mask);
    random_seed(&random, 1, 2);
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        double p = shares[i], zeros = 0, kept = 1 / (1 - p);
        dropout_draw(&random, p, COUNT, mask);
        for (size_t k = 0; k < COUNT; k++) {
            zeros += mask[k] == 0;
            if (mask[k] != 0)
                ck_assert_float_eq_tol(mask[k], (float)kept, 1e-6f * (float)kept);
        }
        ck_assert_double_eq_tol(zeros / COUNT, p, 0.01);
    }
    free(mask);
}
END_TEST

START_TEST(one_mask_for_all_steps)
{
    const float mask[3] = {0, 2, 0}, x[6] = {1, 2, 3, 4, 5, 6};
    const float expected[6] = {0, 4, 0, 0, 10, 0};
    float y[6];
    dropout_apply(2, 3, mask, x, y);
    for (size_t i = 0; i < 6; i++)
        ck_assert_float_eq(y[i], expected[i]);
}
END_TEST

START_TEST(the_same_seed_gives_the_same_mask)
{
    struct random one, other;
    float first[101], second[101];
    size_t different = 0;
    random_seed(&one, 7, 0);
    random_seed(&other, 7, 0);
    dropout_draw(&one, 0.5, 101, first);
    dropout_draw(&other, 0.5, 101, second);
    for (size_t i = 0; i < 101; i++)
        ck_assert_float_eq(first[i], second[i]);
    dropout_draw(&one, 0.5, 101, first);
    for (size_t i = 0; i < 101; i++)
        different += first[i] != second[i];
    ck_assert_uint_gt(different, 20);
}
END_TEST

UNIT_SUITE(dropout)
{
    tcase_add_test(unit, leaves_out_its_share_and_keeps_the_mean);
    tcase_add_test(unit, one_mask_for_all_steps);
    tcase_add_test(unit, the_same_seed_gives_the_same_mask);
}

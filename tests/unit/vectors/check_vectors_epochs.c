/* SPDX-License-Identifier: MIT */
#include "model/vectors/vectors_epochs.h"

#include "tests/support/unit.h"

START_TEST(defaults_go_by_the_text)
{
    struct train_spec spec;
    train_spec_init(&spec, kind_find("skipgram"));
    ck_assert_double_eq(vectors_epochs(&spec, 2e3), 60);
    ck_assert_double_eq(vectors_epochs(&spec, 1e6), 20);
    ck_assert_double_eq(vectors_epochs(&spec, 1.7e7), 5);
    ck_assert_double_eq(vectors_epochs(&spec, 1e10), 5);
    train_spec_init(&spec, kind_find("glove"));
    ck_assert_double_eq(vectors_epochs(&spec, 1e6), 50);
    ck_assert_double_eq(vectors_epochs(&spec, 1.7e7), 15);
}
END_TEST

START_TEST(the_first_limit_of_a_budget_counts)
{
    struct train_spec spec;
    train_spec_init(&spec, kind_find("cbow"));
    spec.budget.epochs = 3;
    ck_assert_double_eq(vectors_epochs(&spec, 1000), 3);
    spec.budget.tokens = 1500;
    ck_assert_double_eq(vectors_epochs(&spec, 1000), 1.5);
    spec.budget.epochs = 0.5;
    ck_assert_double_eq(vectors_epochs(&spec, 1000), 0.5);
    spec.budget.epochs = spec.budget.tokens = 0;
    spec.budget.seconds = 1;
    ck_assert_double_gt(vectors_epochs(&spec, 1000), 1e5);
}
END_TEST

UNIT_SUITE(vectors_epochs)
{
    tcase_add_test(unit, defaults_go_by_the_text);
    tcase_add_test(unit, the_first_limit_of_a_budget_counts);
}

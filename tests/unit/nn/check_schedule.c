/* SPDX-License-Identifier: MIT */
/* The learning rate at the start, on the way and at the end, under every schedule. */
#include "model/nn/schedule.h"

#include "tests/support/unit.h"

static double rate_at(enum schedule_shape shape, double warmup, double fraction)
{
    struct schedule schedule;
    schedule_init(&schedule, shape, 2, warmup);
    return schedule_rate(&schedule, fraction);
}

START_TEST(shapes)
{
    static const struct {
        enum schedule_shape shape;
        double start, quarter, half, end;
    } rows[] = {{SCHEDULE_CONSTANT, 2, 2, 2, 2},
                {SCHEDULE_PLATEAU, 2, 2, 2, 2},
                {SCHEDULE_LINEAR, 2, 1.5, 1, 0},
                {SCHEDULE_COSINE, 2, 1.70710678, 1, 0},
                {SCHEDULE_INVERSE, 2, 2 / 3.25, 2 / 5.5, 0.2}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_double_eq_tol(rate_at(rows[i].shape, 0, 0), rows[i].start, 1e-8);
        ck_assert_double_eq_tol(rate_at(rows[i].shape, 0, 0.25), rows[i].quarter, 1e-8);
        ck_assert_double_eq_tol(rate_at(rows[i].shape, 0, 0.5), rows[i].half, 1e-8);
        ck_assert_double_eq_tol(rate_at(rows[i].shape, 0, 1), rows[i].end, 1e-8);
        ck_assert_double_eq_tol(rate_at(rows[i].shape, 0, 1.5), rows[i].end, 1e-8);
    }
}
END_TEST

START_TEST(rises_while_warming_up)
{
    ck_assert_double_eq_tol(rate_at(SCHEDULE_CONSTANT, 0.2, 0), 0, 1e-12);
    ck_assert_double_eq_tol(rate_at(SCHEDULE_CONSTANT, 0.2, 0.1), 1, 1e-12);
    ck_assert_double_eq_tol(rate_at(SCHEDULE_CONSTANT, 0.2, 0.3), 2, 1e-12);
}
END_TEST

START_TEST(falls_on_a_plateau)
{
    struct schedule schedule, constant;
    schedule_init(&schedule, SCHEDULE_PLATEAU, 2, 0);
    schedule_init(&constant, SCHEDULE_CONSTANT, 2, 0);
    ck_assert(schedule_validated(&schedule, 5));
    ck_assert(schedule_validated(&schedule, 4));
    ck_assert_double_eq(schedule_rate(&schedule, 0.5), 2);
    ck_assert(!schedule_validated(&schedule, 4.5));
    ck_assert_double_eq(schedule_rate(&schedule, 0.5), 0.5);
    ck_assert(schedule_validated(&schedule, 3.9));
    ck_assert_double_eq(schedule_rate(&schedule, 0.5), 0.5);
    ck_assert(schedule_validated(&constant, 5));
    ck_assert(!schedule_validated(&constant, 6));
    ck_assert_double_eq(schedule_rate(&constant, 0.5), 2);
}
END_TEST

UNIT_SUITE(schedule)
{
    tcase_add_test(unit, shapes);
    tcase_add_test(unit, rises_while_warming_up);
    tcase_add_test(unit, falls_on_a_plateau);
}

/* SPDX-License-Identifier: MIT */
/* Drawing: frequencies, filters and their edges. */
#include "tests/support/unit.h"

#include <math.h>

#include "model/lm/sampling.h"

#define SIZE 6
static const double p[SIZE] = {0.05, 0, 0.4, 0.3, 0.15, 0.1};

static void row_of(float *row)
{
    for (int i = 0; i < SIZE; i++)
        row[i] = (float)log(p[i]);
}

/* Draws 20,000 times and counts. */
static void frequencies(const struct sampling *sampling, double *found)
{
    float row[SIZE];
    struct random random;
    struct sampling_room room = {0};
    uint32_t token;
    bool any;
    row_of(row);
    random_seed(&random, 1, 0);
    for (int i = 0; i < SIZE; i++)
        found[i] = 0;
    for (int i = 0; i < 20000; i++) {
        ck_assert_int_eq(sampling_draw(sampling, row, SIZE, &random, &room, &token, &any),
                         ERR_OK);
        ck_assert(any);
        found[token] += 1.0 / 20000;
    }
    sampling_room_fini(&room);
}

static void expect(struct sampling sampling, const double *expected)
{
    double found[SIZE];
    frequencies(&sampling, found);
    for (int i = 0; i < SIZE; i++) {
        ck_assert_double_eq_tol(found[i], expected[i], 0.012);
        if (expected[i] == 0)
            ck_assert_double_eq(found[i], 0);
    }
}

START_TEST(draws_follow_the_distribution)
{
    expect((struct sampling){1, 0, 1}, p);
}
END_TEST

START_TEST(temperature)
{
    double expected[SIZE], sum = 0;
    for (int i = 0; i < SIZE; i++)
        sum += expected[i] = p[i] * p[i];
    for (int i = 0; i < SIZE; i++)
        expected[i] /= sum;
    expect((struct sampling){0.5, 0, 1}, expected);
    expect((struct sampling){0, 0, 1}, (double[]){0, 0, 1, 0, 0, 0});
    expect((struct sampling){1e-300, 0, 1}, (double[]){0, 0, 1, 0, 0, 0});
    expect((struct sampling){1e-300, 3, 0.9}, (double[]){0, 0, 1, 0, 0, 0});
}
END_TEST

START_TEST(top_k)
{
    expect((struct sampling){1, 1, 1}, (double[]){0, 0, 1, 0, 0, 0});
    expect((struct sampling){1, 2, 1}, (double[]){0, 0, 4.0 / 7, 3.0 / 7, 0, 0});
    expect((struct sampling){1, 6, 1}, p);
    expect((struct sampling){1, 1000000000, 1}, p);
}
END_TEST

START_TEST(top_p)
{
    expect((struct sampling){1, 0, 0}, (double[]){0, 0, 1, 0, 0, 0});
    expect((struct sampling){1, 0, 0.39}, (double[]){0, 0, 1, 0, 0, 0});
    expect((struct sampling){1, 0, 0.41}, (double[]){0, 0, 4.0 / 7, 3.0 / 7, 0, 0});
    expect((struct sampling){1, 0, 0.84},
           (double[]){0, 0, 0.4 / 0.85, 0.3 / 0.85, 0.15 / 0.85, 0});
    expect((struct sampling){1, 0, 0.9999999}, p);
}
END_TEST

/* top_p is of the mass that top_k left. */
START_TEST(top_k_then_top_p)
{
    expect((struct sampling){1, 2, 0.5}, (double[]){0, 0, 1, 0, 0, 0});
    expect((struct sampling){1, 2, 0.6}, (double[]){0, 0, 4.0 / 7, 3.0 / 7, 0, 0});
}
END_TEST

START_TEST(a_flat_vocabulary_is_filtered_too)
{
    enum { MANY = 5000 };
    static float row[MANY];
    struct random random;
    struct sampling_room room = {0};
    struct sampling sampling = {1, 0, 0.5};
    uint32_t token, largest = 0;
    bool any;
    for (int i = 0; i < MANY; i++)
        row[i] = -logf(MANY);
    random_seed(&random, 3, 0);
    for (int i = 0; i < 300; i++) {
        ck_assert_int_eq(
            sampling_draw(&sampling, row, MANY, &random, &room, &token, &any), ERR_OK);
        largest = token > largest ? token : largest;
    }
    ck_assert_uint_lt(largest, MANY / 2 + 2); /* the first half, by id */
    ck_assert_uint_gt(largest, MANY / 2 - 100);
    sampling_room_fini(&room);
}
END_TEST

START_TEST(nothing_possible_is_said)
{
    float row[] = {-INFINITY, -INFINITY};
    struct random random;
    struct sampling_room room = {0};
    struct sampling sampling = {1, 0, 1};
    uint32_t token;
    bool any;
    random_seed(&random, 3, 0);
    ck_assert_int_eq(sampling_draw(&sampling, row, 2, &random, &room, &token, &any),
                     ERR_OK);
    ck_assert(!any);
    sampling_temper(row, 2, 2);
    ck_assert(isinf(row[0]));
}
END_TEST

START_TEST(tempering_normalises)
{
    static const double temperatures[] = {0.1, 0.7, 1, 3, 100};
    for (int t = 0; t < 5; t++) {
        float row[SIZE];
        double sum = 0;
        row_of(row);
        sampling_temper(row, SIZE, temperatures[t]);
        for (int i = 0; i < SIZE; i++)
            sum += exp((double)row[i]);
        ck_assert_double_eq_tol(sum, 1, 1e-6);
    }
}
END_TEST

UNIT_SUITE(sampling)
{
    tcase_add_test(unit, draws_follow_the_distribution);
    tcase_add_test(unit, temperature);
    tcase_add_test(unit, top_k);
    tcase_add_test(unit, top_p);
    tcase_add_test(unit, top_k_then_top_p);
    tcase_add_test(unit, a_flat_vocabulary_is_filtered_too);
    tcase_add_test(unit, nothing_possible_is_said);
    tcase_add_test(unit, tempering_normalises);
}

/* SPDX-License-Identifier: MIT */
#include "model/counting.h"

#include <stdlib.h>

#include "base/random.h"
#include "tests/support/unit.h"

enum { KEYS = 3, WORDS = KEYS + 2, RECORDS = 20000 };
static const struct counting_format format = {KEYS, COUNTING_U64};

/* Few distinct keys with large and small words, so that all bytes take part. */
static void fill(uint32_t *records, size_t count, uint64_t seed)
{
    struct random random;
    random_seed(&random, seed, 0);
    for (size_t i = 0; i < count; i++) {
        uint32_t *record = records + i * WORDS;
        record[0] = (uint32_t)random_below(&random, 3) << 30;
        record[1] = (uint32_t)random_below(&random, 40) * 70001u;
        record[2] = (uint32_t)random_below(&random, 17);
        uint64_t value = random_below(&random, 1000);
        memcpy(record + KEYS, &value, sizeof value);
    }
}

static int compare_keys(const void *a, const void *b)
{
    const uint32_t *left = a, *right = b;
    for (int word = 0; word < KEYS; word++)
        if (left[word] != right[word])
            return left[word] < right[word] ? -1 : 1;
    return 0;
}

/* The reference: the library's sort, then adding neighbours. */
static size_t naive_sum(uint32_t *records, size_t count)
{
    size_t kept = 0;
    qsort(records, count, WORDS * 4, compare_keys);
    for (size_t i = 0; i < count; i++) {
        uint32_t *record = records + i * WORDS;
        if (kept > 0 && compare_keys(records + (kept - 1) * WORDS, record) == 0) {
            uint32_t *value = records + (kept - 1) * WORDS + KEYS;
            uint64_t sum = counting_get_u64(value) + counting_get_u64(record + KEYS);
            memcpy(value, &sum, sizeof sum);
        } else {
            memmove(records + kept++ * WORDS, record, WORDS * 4);
        }
    }
    return kept;
}

START_TEST(sort_equals_naive)
{
    for (size_t count = 0; count <= RECORDS; count = count * 7 + 1) {
        uint32_t *mine = calloc(count + 1, WORDS * 4),
                 *scratch = calloc(count + 1, WORDS * 4);
        uint32_t *naive = calloc(count + 1, WORDS * 4);
        fill(mine, count, count);
        fill(naive, count, count);
        size_t left = counting_sort(&format, mine, scratch, count);
        ck_assert_uint_eq(left, naive_sum(naive, count));
        ck_assert_mem_eq(mine, naive, left * WORDS * 4);
        free(mine);
        free(scratch);
        free(naive);
    }
}
END_TEST

static void add_run(struct counting_runs *runs, const uint32_t *records, size_t count)
{
    uint32_t *copy = calloc(count + 1, WORDS * 4),
             *scratch = calloc(count + 1, WORDS * 4);
    memcpy(copy, records, count * WORDS * 4);
    count = counting_sort(&format, copy, scratch, count);
    ck_assert_int_eq(counting_runs_begin(runs), ERR_OK);
    ck_assert_int_eq(counting_runs_append(runs, copy, count), ERR_OK);
    free(copy);
    free(scratch);
}

/* Runs of `step` records spread over two sets, merged with little memory and read in
 * small portions, give what one sort of everything gives. */
static void merge_case(size_t step, size_t memory, size_t portion)
{
    uint32_t *all = calloc(RECORDS, WORDS * 4), *merged = calloc(RECORDS, WORDS * 4);
    struct counting_runs *sets[2];
    struct counting_merge *merge;
    fill(all, RECORDS, 5);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(counting_runs_new(&format, NULL, &sets[i]), ERR_OK);
    for (size_t i = 0; i < RECORDS; i += step)
        add_run(sets[i / step % 2], all + i * WORDS,
                RECORDS - i < step ? RECORDS - i : step);
    ck_assert_int_eq(counting_merge_new(sets, 2, memory, &merge), ERR_OK);
    size_t filled = 0, got = 1;
    while (got > 0) {
        ck_assert_int_eq(
            counting_merge_next(merge, merged + filled * WORDS, portion, &got), ERR_OK);
        filled += got;
    }
    size_t left = naive_sum(all, RECORDS);
    ck_assert_uint_eq(filled, left);
    ck_assert_mem_eq(merged, all, left * WORDS * 4);
    counting_merge_free(merge);
    counting_runs_free(sets[0]);
    counting_runs_free(sets[1]);
    free(all);
    free(merged);
}

START_TEST(merge_equals_naive)
{
    merge_case(RECORDS, 1 << 20, 512);
    merge_case(700, 1 << 20, 100);
    merge_case(50, 1 << 16, 1); /* 400 runs, four at a time: merged in groups first */
}
END_TEST

START_TEST(merge_of_nothing_ends)
{
    struct counting_runs *runs;
    struct counting_merge *merge;
    uint32_t record[WORDS];
    size_t got = 7;
    ck_assert_int_eq(counting_runs_new(&format, NULL, &runs), ERR_OK);
    ck_assert_int_eq(counting_runs_append(runs, record, 1), ERR_INVALID);
    ck_assert_int_eq(counting_merge_new(&runs, 1, 1000, &merge), ERR_OK);
    ck_assert_int_eq(counting_merge_next(merge, record, 1, &got), ERR_OK);
    ck_assert_uint_eq(got, 0);
    counting_merge_free(merge);
    counting_runs_free(runs);
}
END_TEST

START_TEST(doubles_are_added)
{
    const struct counting_format doubles = {1, COUNTING_F64};
    uint32_t records[3 * 3], scratch[3 * 3];
    for (uint32_t i = 0; i < 3; i++) {
        double value = 0.25 * (i + 1);
        records[i * 3] = i == 1 ? 9 : 4;
        memcpy(records + i * 3 + 1, &value, sizeof value);
    }
    ck_assert_uint_eq(counting_sort(&doubles, records, scratch, 3), 2);
    ck_assert_uint_eq(records[0], 4);
    ck_assert(counting_get_f64(records + 1) == 1.0);
    ck_assert(counting_get_f64(records + 4) == 0.5);
}
END_TEST

UNIT_SUITE(counting)
{
    tcase_add_test(unit, sort_equals_naive);
    tcase_add_test(unit, merge_equals_naive);
    tcase_add_test(unit, merge_of_nothing_ends);
    tcase_add_test(unit, doubles_are_added);
}

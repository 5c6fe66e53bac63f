/* SPDX-License-Identifier: MIT */
/* Pairs sorted into tiles: all are there, and little memory changes nothing. */
#include "model/vectors/glove_pairs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "tests/support/unit.h"

enum { ROWS = 2000, COLUMNS = 150, STEP = 7, WORDS = ROWS + COLUMNS * STEP };

/* Row r stands beside r, r + 7, r + 14 …; counts from 0.5 on. */
static struct cooccurrence make_counts(bool symmetric)
{
    struct cooccurrence_entry *entries =
        memory_new_array(ROWS * COLUMNS, sizeof *entries);
    size_t count = 0;
    for (uint32_t row = 0; row < ROWS; row++)
        for (uint32_t i = 0; i < COLUMNS; i++)
            entries[count++] = (struct cooccurrence_entry){
                row, row + i * STEP, 0.5f + (float)((row * 31 + i) % 40)};
    return (struct cooccurrence){
        .entries = entries, .count = count, .words = WORDS, .symmetric = symmetric};
}

static struct glove_pairs make(const struct cooccurrence *counts, uint64_t memory)
{
    struct glove_settings settings = {
        .x_max = 10, .alpha = 0.75, .seed = 3, .memory_bytes = memory};
    struct glove_pairs pairs;
    ck_assert_int_eq(glove_pairs_make(&pairs, &settings, counts), ERR_OK);
    return pairs;
}

START_TEST(every_pair_is_there_once)
{
    bool symmetric = _i;
    struct cooccurrence counts = make_counts(symmetric);
    struct glove_pairs pairs = make(&counts, 0);
    unsigned char *seen = memory_new_array(WORDS * (size_t)WORDS, 1);
    size_t at = 0;
    ck_assert_uint_eq(pairs.count, symmetric ? 2 * counts.count - ROWS : counts.count);
    size_t wrong = 0; /* half a million assertions would take long */
    for (size_t i = 0; i < pairs.count; i++) {
        struct glove_pair pair = pairs.pairs[i];
        uint32_t low = pair.row < pair.column ? pair.row : pair.column;
        uint32_t high = pair.row < pair.column ? pair.column : pair.row;
        float count = 0.5f + (float)((low * 31 + (high - low) / STEP) % 40);
        float weight = count < 10 ? powf(count / 10, 0.75f) : 1;
        wrong += seen[pair.row * (size_t)WORDS + pair.column]++ > 0;
        wrong += (high - low) % STEP > 0 || (high - low) / STEP >= COLUMNS;
        wrong += fabsf(pair.target - logf(count)) > 1e-6f;
        wrong += fabsf(pair.weight - weight) > 1e-6f;
    }
    ck_assert_uint_eq(wrong, 0);
    for (size_t i = 0; i < pairs.piece_count; i++) {
        ck_assert_uint_eq(pairs.pieces[i].first, at);
        ck_assert_uint_gt(pairs.pieces[i].count, 0);
        at += pairs.pieces[i].count;
    }
    ck_assert_uint_eq(at, pairs.count);
    free(seen);
    glove_pairs_fini(&pairs);
    free((void *)(uintptr_t)counts.entries);
}
END_TEST

START_TEST(little_memory_gives_the_same_pairs)
{
    struct cooccurrence counts = make_counts(true);
    struct glove_pairs in_memory = make(&counts, 0), on_disk = make(&counts, 1);
    ck_assert_ptr_null(in_memory.spill);
    ck_assert_ptr_nonnull(on_disk.spill);
    ck_assert_ptr_null(on_disk.owned);
    ck_assert_uint_eq(in_memory.count, on_disk.count);
    ck_assert(memcmp(in_memory.pairs, on_disk.pairs,
                     in_memory.count * sizeof *in_memory.pairs) == 0);
    ck_assert_uint_eq(in_memory.piece_count, on_disk.piece_count);
    ck_assert(memcmp(in_memory.pieces, on_disk.pieces,
                     in_memory.piece_count * sizeof *in_memory.pieces) == 0);
    glove_pairs_fini(&in_memory);
    glove_pairs_fini(&on_disk);
    free((void *)(uintptr_t)counts.entries);
}
END_TEST

UNIT_SUITE(vectors_glove_pairs)
{
    tcase_add_loop_test(unit, every_pair_is_there_once, 0, 2);
    tcase_add_test(unit, little_memory_gives_the_same_pairs);
}

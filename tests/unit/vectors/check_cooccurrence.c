/* SPDX-License-Identifier: MIT */
/* Counting against nested loops, with much and with hardly any memory. */
#include "model/vectors/cooccurrence.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "tests/support/unit.h"
#include "tests/unit/vectors/fixture.h"

static struct id_corpus *make_corpus(const char *text, unsigned threads)
{
    struct train_spec spec;
    struct id_corpus *corpus;
    train_spec_init(&spec, kind_find("glove"));
    spec.threads = threads;
    struct train_input input = {.text = span_of_text(text)};
    ck_assert_int_eq(id_corpus_new(&spec, &input, true, NULL, &corpus, NULL), ERR_OK);
    return corpus;
}

/* counts[words][words] with the same conventions as the counter. */
static double *naive_counts(const struct id_corpus *corpus,
                            const struct cooccurrence_settings *settings)
{
    size_t words = corpus->words;
    double *counts = memory_new_array(words * words, sizeof *counts);
    for (size_t c = 0; c < corpus->chunk_count; c++)
        for (size_t i = 0; i < corpus->chunks[c].count; i++) {
            const uint32_t *ids = corpus->chunks[c].ids;
            uint32_t distance = 0;
            for (size_t j = i; ids[i] >= VOCAB_RESERVED && j-- > 0;) {
                if (ids[j] == VOCAB_EOS)
                    break;
                if (ids[j] < VOCAB_RESERVED)
                    continue;
                if (++distance > settings->window)
                    break;
                size_t a = ids[i] - VOCAB_RESERVED, b = ids[j] - VOCAB_RESERVED;
                double weight = settings->by_distance ? 1.0 / distance : 1;
                counts[a * words + b] += weight;
                if (settings->symmetric)
                    counts[b * words + a] += weight;
            }
        }
    return counts;
}

static void check_counts(const char *text, const struct cooccurrence_settings *settings)
{
    struct id_corpus *corpus = make_corpus(text, settings->threads);
    struct cooccurrence *found;
    ck_assert_int_eq(cooccurrence_count(corpus, settings, NULL, &found), ERR_OK);
    double *counts = naive_counts(corpus, settings);
    size_t words = corpus->words, full = 0;
    for (size_t i = 0; i < words * words; i++)
        full += counts[i] > 0;
    ck_assert_uint_eq(cooccurrence_full_count(found), full);
    for (size_t i = 0; i < found->count; i++) {
        struct cooccurrence_entry entry = found->entries[i];
        double expected = counts[entry.row * words + entry.column];
        ck_assert_double_eq_tol((double)entry.value, expected, 1e-5 * expected);
        if (settings->symmetric)
            ck_assert_uint_le(entry.row, entry.column);
        if (i > 0) {
            struct cooccurrence_entry before = found->entries[i - 1];
            ck_assert(before.row < entry.row ||
                      (before.row == entry.row && before.column < entry.column));
        }
    }
    free(counts);
    cooccurrence_free(found);
    id_corpus_free(corpus);
}

START_TEST(same_as_naive)
{
    char *text = fixture_text(3000, 1);
    struct cooccurrence_settings settings = {.window = 5,
                                             .symmetric = _i & 1,
                                             .by_distance = _i & 2,
                                             .threads = _i & 4 ? 2 : 1};
    check_counts(text, &settings);
    settings.window = 1;
    check_counts(text, &settings);
    settings.window = 40;
    settings.memory_bytes = 2000; /* hardly any cells: everything through sorted runs */
    check_counts(text, &settings);
    free(text);
}
END_TEST

/* Words below the minimum count are not there, and do not widen distances. */
START_TEST(rare_words_leave_no_gap)
{
    const char *text = "x rare1 y\nx y\nx y\nx rare2 y\nx y\n";
    struct cooccurrence_settings settings = {
        .window = 1, .symmetric = true, .by_distance = true, .threads = 1};
    struct id_corpus *corpus = make_corpus(text, 1);
    struct cooccurrence *found;
    ck_assert_int_eq(cooccurrence_count(corpus, &settings, NULL, &found), ERR_OK);
    ck_assert_uint_eq(found->count, 1);
    ck_assert_float_eq(found->entries[0].value, 5);
    cooccurrence_free(found);
    id_corpus_free(corpus);
}
END_TEST

UNIT_SUITE(vectors_cooccurrence)
{
    tcase_add_loop_test(unit, same_as_naive, 0, 8);
    tcase_add_test(unit, rare_words_leave_no_gap);
}

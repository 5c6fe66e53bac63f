/* SPDX-License-Identifier: MIT */
#include "model/ngram/levels.h"

#include <stdlib.h>
#include <string.h>

#include "model/ngram/merge_levels.h"
#include "model/text/vocab.h"
#include "tests/support/unit.h"
#include "tests/unit/ngram/naive.h"

/* Walks the trie below n-gram `index` of level k and checks each n-gram's count against
 * the corpus; returns how many windows of the corpus it saw at the last level. */
static size_t check_below(const struct levels *levels, const struct corpus *corpus,
                          unsigned k, size_t index, uint32_t *words)
{
    const struct level *level = &levels->at[k];
    words[k - 1] = level->word[index];
    ck_assert_uint_eq(level->raw[index], naive_count(corpus, words, k));
    if (k > 2) {
        uint32_t suffix = words[1];
        for (unsigned i = 2; i < k; i++)
            suffix = levels_child(levels, i - 1, suffix, words[i]);
        ck_assert_uint_eq(level->suffix[index], suffix);
    }
    if (k == levels->order)
        return level->raw[index];
    size_t sum = 0;
    for (size_t i = level->begin[index]; i < level->begin[index + 1]; i++) {
        ck_assert(i == level->begin[index] ||
                  levels->at[k + 1].word[i - 1] < levels->at[k + 1].word[i]);
        sum += check_below(levels, corpus, k + 1, i, words);
    }
    return sum;
}

START_TEST(counts_are_those_of_the_corpus)
{
    struct corpus corpus = corpus_random(3, 60, 12);
    for (unsigned order = 1; order <= 4; order++) {
        struct levels levels = corpus_levels(&corpus, order, 1, 1 << 30);
        uint32_t words[NGRAM_ORDER_MAX];
        size_t sum = 0, windows = 0;
        for (size_t i = 0; i < levels.at[1].count; i++)
            if (i != VOCAB_BOS)
                sum += check_below(&levels, &corpus, 1, i, words);
            else if (order > 1)
                for (size_t j = levels.at[1].begin[i]; j < levels.at[1].begin[i + 1];
                     j++) {
                    words[0] = VOCAB_BOS;
                    sum += check_below(&levels, &corpus, 2, j, words);
                }
        for (size_t i = 0, from_start = 1; i < corpus.count; i++) {
            from_start = i && corpus.ids[i - 1] == VOCAB_EOS ? 2 : from_start + 1;
            windows += from_start >= order;
        }
        ck_assert_uint_eq(sum, windows);
        levels_fini(&levels);
    }
    corpus_free(&corpus);
}
END_TEST

static void assert_same(const struct levels *a, const struct levels *b)
{
    for (unsigned k = 1; k <= a->order; k++) {
        const struct level *left = &a->at[k], *right = &b->at[k];
        ck_assert_uint_eq(left->count, right->count);
        ck_assert_mem_eq(left->word, right->word, left->count * 4);
        ck_assert_mem_eq(left->raw, right->raw, left->count * 4);
        if (k > 1)
            ck_assert_mem_eq(left->suffix, right->suffix, left->count * 4);
        if (k < a->order)
            ck_assert_mem_eq(left->begin, right->begin, (left->count + 1) * 4);
    }
}

/* 20,000 tokens do not fit into blocks of 4,096 ids: the tiny budget spills. */
START_TEST(threads_and_budget_change_nothing)
{
    struct corpus corpus = corpus_random(4, 3000, 40);
    for (unsigned order = 1; order <= NGRAM_ORDER_MAX; order += order < 3 ? 1 : 5) {
        struct levels one = corpus_levels(&corpus, order, 1, 1 << 30);
        struct levels three = corpus_levels(&corpus, order, 3, 1 << 30);
        struct levels spilled = corpus_levels(&corpus, order, 1, 1 << 10);
        struct levels both = corpus_levels(&corpus, order, 2, 1 << 10);
        assert_same(&one, &three);
        assert_same(&one, &spilled);
        assert_same(&one, &both);
        levels_fini(&one);
        levels_fini(&three);
        levels_fini(&spilled);
        levels_fini(&both);
    }
    corpus_free(&corpus);
}
END_TEST

START_TEST(smallest_corpora)
{
    const uint32_t one_word[] = {3, VOCAB_EOS}, empty_segment[] = {VOCAB_EOS};
    struct corpus corpora[] = {{(uint32_t *)(uintptr_t)one_word, 2, 4},
                               {(uint32_t *)(uintptr_t)empty_segment, 1, 3}};
    for (size_t i = 0; i < 2; i++)
        for (unsigned order = 1; order <= NGRAM_ORDER_MAX; order++) {
            struct levels levels = corpus_levels(&corpora[i], order, 1, 1 << 20);
            ck_assert_uint_eq(levels.at[1].raw[VOCAB_EOS], 1);
            ck_assert_uint_eq(levels.at[order].count, order == 1   ? corpora[i].vocab_size
                                                      : order == 2 ? 2 - i
                                                      : order == 3 ? 1 - i
                                                                   : 0);
            levels_fini(&levels);
        }
}
END_TEST

UNIT_SUITE(levels)
{
    tcase_add_test(unit, counts_are_those_of_the_corpus);
    tcase_add_test(unit, threads_and_budget_change_nothing);
    tcase_add_test(unit, smallest_corpora);
}

/* SPDX-License-Identifier: MIT */
#include "model/ngram/smoothing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "model/text/vocab.h"
#include "tests/support/unit.h"
#include "tests/unit/ngram/naive.h"

static int notes;

static void count_note(void *context, const char *text)
{
    (void)context;
    ck_assert_ptr_nonnull(text);
    notes++;
}

/* Every word after random contexts, some of them unseen, some from <s>. */
static void compare_contexts(const struct naive *naive, const struct lm *lm,
                             uint64_t seed, unsigned contexts)
{
    struct random random;
    uint64_t state[8] __attribute__((aligned(64)));
    random_seed(&random, seed, 1);
    for (unsigned i = 0; i < contexts; i++) {
        const struct corpus *corpus = naive->corpus;
        uint32_t context[NGRAM_ORDER_MAX];
        size_t count = random_below(&random, naive->order + 1);
        size_t at = random_below(&random, corpus->count);
        for (size_t j = 0; j < count; j++)
            context[j] =
                random_below(&random, 4) == 0
                    ? (uint32_t)(3 + random_below(&random, corpus->vocab_size - 3))
                    : corpus->ids[(at + j) % corpus->count];
        if (count > 0 && random_below(&random, 3) == 0)
            context[0] = VOCAB_BOS;
        lm_state_after(lm, context, count, state);
        double sum = 0;
        for (uint32_t word = 0; word < corpus->vocab_size; word++) {
            double expected = naive_prob(naive, context, count, word);
            double found = exp((double)lm->ops->logprob(lm, state, word));
            ck_assert_msg(fabs(expected - found) <= 1e-5 * expected,
                          "smoothing %d order %u context %zu word %u: %.9g, not %.9g",
                          naive->smoothing, naive->order, count, word, found, expected);
            sum += found;
        }
        ck_assert_double_eq_tol(sum, 1, 1e-6);
    }
}

static void compare(enum smoothing smoothing, const struct corpus *corpus, unsigned order,
                    const uint32_t *least)
{
    struct levels levels = corpus_levels(corpus, order, 2, 1 << 30);
    struct rules rules = naive_rules(smoothing, &levels, 0.3, least, count_note);
    struct naive naive = {.corpus = corpus,
                          .smoothing = smoothing,
                          .order = order,
                          .delta = 0.3,
                          .rules = &rules};
    memcpy(naive.least, rules.least, sizeof naive.least);
    ck_assert_int_eq(estimate(&rules, &levels, 2), ERR_OK);
    if (least)
        ck_assert_int_eq(levels_prune(&levels, least), ERR_OK);
    struct made fast = make_fast(&levels, &rules);
    compare_contexts(&naive, fast.lm, order, 40);
    made_free(&fast);
    levels_fini(&levels);
}

static void compare_orders(enum smoothing smoothing)
{
    const uint32_t least[NGRAM_ORDER_MAX] = {0, 1, 1, 2, 2, 2, 2, 2};
    struct corpus corpus = corpus_random(11, 120, 10);
    for (unsigned order = 1; order <= 4; order++) {
        compare(smoothing, &corpus, order, NULL);
        compare(smoothing, &corpus, order, least);
    }
    corpus_free(&corpus);
}

START_TEST(mle)
{
    compare_orders(SMOOTHING_MLE);
}
END_TEST

START_TEST(additive)
{
    compare_orders(SMOOTHING_ADDITIVE);
}
END_TEST

START_TEST(witten_bell)
{
    compare_orders(SMOOTHING_WITTEN_BELL);
}
END_TEST

START_TEST(katz)
{
    compare_orders(SMOOTHING_KATZ);
}
END_TEST

START_TEST(jelinek_mercer)
{
    compare_orders(SMOOTHING_JELINEK_MERCER);
}
END_TEST

START_TEST(kneser_ney)
{
    compare_orders(SMOOTHING_KNESER_NEY);
}
END_TEST

/* Chen and Goodman's formula on counts of counts found by hand: words a×1 b×1 c×1 d×2 e×2
 * f×3 g×4 give n1..n4 = 3,2,1,1, so Y = 3/7 and D = 1-2Y2/3, 2-3Y1/2, 3-4Y1. */
START_TEST(discounts_are_chen_and_goodmans)
{
    uint32_t ids[] = {3, 4, 5, 6, 6, 7, 7, 8, 8, 8, 9, 9, 9, 9, VOCAB_EOS};
    struct corpus corpus = {ids, sizeof ids / sizeof *ids, 10};
    struct levels levels = corpus_levels(&corpus, 1, 1, 1 << 20);
    notes = 0;
    struct rules rules = naive_rules(SMOOTHING_KNESER_NEY, &levels, 0, NULL, count_note);
    double y = 4.0 / 8.0; /* </s> is a fourth word that occurs once */
    ck_assert_double_eq_tol(rules.at[1].subtract[1], 1 - 2 * y * 2 / 4, 1e-12);
    ck_assert_double_eq_tol(rules.at[1].subtract[2], 2 - 3 * y * 1 / 2, 1e-12);
    ck_assert_double_eq_tol(rules.at[1].subtract[3], 3 - 4 * y * 1 / 1, 1e-12);
    ck_assert_int_eq(notes, 0);
    levels_fini(&levels);
}
END_TEST

/* One line has no usable counts of counts: every method must still give a model. */
START_TEST(one_line_falls_back_and_says_so)
{
    uint32_t ids[] = {3, 4, 5, VOCAB_EOS};
    struct corpus corpus = {ids, 4, 6};
    for (int smoothing = SMOOTHING_KNESER_NEY; smoothing <= SMOOTHING_KATZ; smoothing++) {
        notes = 0;
        compare((enum smoothing)smoothing, &corpus, 3, NULL);
        compare((enum smoothing)smoothing, &corpus, NGRAM_ORDER_MAX, NULL);
        if (smoothing == SMOOTHING_KNESER_NEY)
            ck_assert_int_gt(notes, 0);
    }
}
END_TEST

UNIT_SUITE(smoothing)
{
    tcase_add_test(unit, mle);
    tcase_add_test(unit, additive);
    tcase_add_test(unit, witten_bell);
    tcase_add_test(unit, katz);
    tcase_add_test(unit, jelinek_mercer);
    tcase_add_test(unit, kneser_ney);
    tcase_add_test(unit, discounts_are_chen_and_goodmans);
    tcase_add_test(unit, one_line_falls_back_and_says_so);
}

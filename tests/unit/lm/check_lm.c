/* SPDX-License-Identifier: MIT */
/* What every language model gets for nothing, against the slow way. */
#include "tests/support/unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "tests/unit/lm/toy.h"

static struct toy *random_toy(uint64_t seed, bool tricks)
{
    struct toy *toy = toy_new(UNIT_WHITESPACE, "a|b|c|d|e|f|g|h", tricks);
    struct random random;
    random_seed(&random, seed, 0);
    size_t size = toy->lm.vocab_size;
    for (size_t row = 0; row <= size; row++) {
        double sum = 0;
        for (size_t w = 0; w < size; w++) {
            double p = w == VOCAB_BOS ? 0 : random_uniform(&random);
            toy->table[row * size + w] = p;
            sum += p;
        }
        for (size_t w = 0; w < size; w++)
            toy->table[row * size + w] /= sum;
    }
    return toy;
}

START_TEST(steps_score_every_segment)
{
    struct toy *toy = random_toy(1, false);
    struct random random;
    struct lm_segment segments[40];
    uint32_t tokens[40][12];
    float logprobs[40][12];
    random_seed(&random, 2, 0);
    for (size_t s = 0; s < 40; s++) {
        segments[s] = (struct lm_segment){.tokens = tokens[s],
                                          .count = random_below(&random, 12),
                                          .bos = s % 3 > 0,
                                          .logprobs = logprobs[s]};
        for (size_t i = 0; i < segments[s].count; i++)
            tokens[s][i] = (uint32_t)random_below(&random, toy->lm.vocab_size);
    }
    ck_assert_int_eq(lm_score_by_steps(&toy->lm, segments, 40), ERR_OK);
    for (size_t s = 0; s < 40; s++)
        for (size_t i = 0; i < segments[s].count; i++) {
            size_t row = i > 0             ? tokens[s][i - 1]
                         : segments[s].bos ? (size_t)VOCAB_BOS
                                           : toy->lm.vocab_size;
            double p = toy->table[row * toy->lm.vocab_size + tokens[s][i]];
            near_to(exp((double)logprobs[s][i]), p, 1e-6);
        }
    ck_assert_uint_eq(toy->most_at_once, 3); /* batched as the model likes */
    ck_assert_int_eq(lm_score_by_steps(&toy->lm, segments, 0), ERR_OK);
    toy_free(toy);
}
END_TEST

START_TEST(fallbacks_agree_with_the_models_own)
{
    struct toy *plain = random_toy(3, false), *tricky = random_toy(3, true);
    for (uint32_t last = 0; last < plain->lm.vocab_size; last++) {
        uint32_t state[16] = {last};
        for (uint32_t w = 0; w < plain->lm.vocab_size; w++) {
            float slow, fast;
            ck_assert_int_eq(lm_logprob(&plain->lm, state, w, &slow), ERR_OK);
            ck_assert_int_eq(lm_logprob(&tricky->lm, state, w, &fast), ERR_OK);
            ck_assert(memcmp(&slow, &fast, sizeof slow) == 0);
        }
    }
    toy_free(plain);
    toy_free(tricky);
}
END_TEST

/* The k best of a row, by sorting everything. */
static void naive_top(const float *row, uint32_t size, size_t k, struct lm_top *top)
{
    bool used[512] = {false};
    top->count = 0;
    top->other_mass = 0;
    for (size_t i = 0; i < k; i++) {
        uint32_t best = size;
        for (uint32_t w = 0; w < size; w++)
            if (!used[w] && row[w] > -INFINITY && (best == size || row[w] > row[best]))
                best = w;
        if (best == size)
            break;
        used[best] = true;
        top->best[top->count++] = (struct lm_prediction){best, row[best]};
    }
    for (uint32_t w = 0; w < size; w++)
        top->other_mass += used[w] ? 0 : exp((double)row[w]);
}

START_TEST(top_is_what_sorting_finds)
{
    struct random random;
    random_seed(&random, 5, 0);
    for (int round = 0; round < 300; round++) {
        float row[512];
        struct lm_prediction best[512], expected[512];
        struct lm_top top = {.best = best}, slow = {.best = expected};
        uint32_t size = 1 + (uint32_t)random_below(&random, 512);
        size_t k = random_below(&random, size + 1);
        double entropy = 0;
        for (uint32_t w = 0; w < size; w++) { /* many ties, some impossible */
            row[w] = -(float)random_below(&random, 20);
            if (random_below(&random, 5) == 0)
                row[w] = -INFINITY;
            else
                entropy -= exp((double)row[w]) * (double)row[w];
        }
        lm_top_of(row, size, k, true, &top);
        naive_top(row, size, k, &slow);
        ck_assert_uint_eq(top.count, slow.count);
        for (size_t i = 0; i < top.count; i++)
            ck_assert_uint_eq(best[i].token, expected[i].token);
        near_to(top.other_mass, slow.other_mass, 1e-9);
        near_to(top.entropy, entropy, 1e-9);
        double with = top.other_mass;
        lm_top_of(row, size, k, false, &top);
        ck_assert(isnan(top.entropy));
        near_to(top.other_mass, with, 1e-12);
    }
}
END_TEST

START_TEST(states_are_aligned_and_apart)
{
    struct toy *toy = random_toy(4, false);
    void *states = lm_new_states(&toy->lm, 5);
    for (size_t i = 0; i < 5; i++)
        ck_assert_uint_eq(
            (uintptr_t)lm_state_at(&toy->lm, states, i) % LM_STATE_ALIGNMENT, 0);
    ck_assert(lm_state_at(&toy->lm, states, 1) != states);
    free(states);
    toy_free(toy);
}
END_TEST

UNIT_SUITE(lm)
{
    tcase_add_test(unit, steps_score_every_segment);
    tcase_add_test(unit, fallbacks_agree_with_the_models_own);
    tcase_add_test(unit, top_is_what_sorting_finds);
    tcase_add_test(unit, states_are_aligned_and_apart);
}

/* SPDX-License-Identifier: MIT */
/* Mixtures by hand, and their weights against a search of all weights. */
#include "tests/support/unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "model/lm/infer_next.h"
#include "model/lm/infer_score.h"
#include "model/lm/mixture.h"
#include "tests/unit/lm/toy.h"

struct pair {
    struct toy *first, *second;
    struct lm *lm;
    struct target target;
};

static struct pair pair_new(bool tricks, double weight)
{
    struct pair pair = {toy_new(UNIT_WHITESPACE, "a|b|c", tricks),
                        toy_new(UNIT_WHITESPACE, "a|b|c", true),
                        NULL,
                        {0}};
    toy_row(pair.first, "<s>", "a 0.5 b 0.5");
    toy_row(pair.second, "<s>", "a 0.25 c 0.75");
    toy_row(pair.first, "a", "</s> 1");
    toy_row(pair.second, "a", "b 0.5 </s> 0.5");
    const struct lm *lms[] = {&pair.first->lm, &pair.second->lm};
    double weights[] = {3 * weight, 3 * (1 - weight)};
    ck_assert_int_eq(mixture_lm_new(lms, weights, 2, &pair.lm, NULL), ERR_OK);
    pair.target =
        (struct target){pair.lm, pair.first->tokenizer, pair.first->vocab, NULL};
    return pair;
}

static void pair_free(struct pair *pair)
{
    pair->lm->ops->free(pair->lm);
    toy_free(pair->first);
    toy_free(pair->second);
}

START_TEST(probabilities_are_mixed)
{
    struct pair pair = pair_new(_i, 0.4);
    struct span word = span_of_text("b");
    struct next_request request = {
        .k = 5, .temperature = 1, .words = &word, .word_count = 1};
    struct next_answer answer;
    ck_assert_int_eq(infer_next(&pair.target, &request, &answer, NULL), ERR_OK);
    near_to(answer.predictions[0].probability, 0.6 * 0.75, 1e-6); /* c */
    near_to(answer.predictions[1].probability, 0.4 * 0.5 + 0.6 * 0.25, 1e-6);
    near_to(answer.words[0].probability, 0.4 * 0.5, 1e-6);
    near_to(answer.other_mass, 0, 1e-6);
    next_answer_fini(&answer);
    pair_free(&pair);
}
END_TEST

START_TEST(scores_are_those_of_the_mixed_probabilities)
{
    struct pair pair = pair_new(_i, 0.4);
    struct span texts[] = {span_of_text("a"), span_of_text("a b"), span_of_text("")};
    struct score_options options = {.bos = true, .eos = true, .tokens = true};
    struct score_answer answer;
    ck_assert_int_eq(infer_score(&pair.target, &options, texts, 3, &answer, NULL),
                     ERR_OK);
    double a = 0.4 * 0.5 + 0.6 * 0.25;
    near_to(answer.results[0].sums.logprob, log(a * (0.4 * 1 + 0.6 * 0.5)), 1e-6);
    near_to(answer.results[1].sums.logprob, log(a * (0.6 * 0.5) * 0.2), 1e-6);
    ck_assert(isinf(answer.results[2].sums.logprob));
    ck_assert_uint_eq(answer.results[0].tokens[0].order, 2);
    score_answer_fini(&answer);
    pair_free(&pair);
}
END_TEST

/* A mixture of a mixture is one, too. */
START_TEST(mixtures_nest)
{
    struct pair pair = pair_new(_i, 0.5);
    const struct lm *lms[] = {pair.lm, &pair.first->lm};
    double weights[] = {0.5, 0.5};
    struct lm *outer;
    float logprob;
    ck_assert_int_eq(mixture_lm_new(lms, weights, 2, &outer, NULL), ERR_OK);
    void *state = lm_new_states(outer, 1);
    uint32_t a = toy_id(pair.first, "a");
    outer->ops->start(outer, true, state);
    ck_assert_int_eq(lm_logprob(outer, state, a, &logprob), ERR_OK);
    near_to(exp((double)logprob), 0.75 * 0.5 + 0.25 * 0.25, 1e-6);
    ck_assert_int_eq(outer->ops->advance(outer, 1, &state, &a), ERR_OK);
    ck_assert_int_eq(lm_logprob(outer, state, VOCAB_EOS, &logprob), ERR_OK);
    near_to(exp((double)logprob), 0.75 * 1 + 0.25 * 0.5, 1e-6);
    free(state);
    outer->ops->free(outer);
    pair_free(&pair);
}
END_TEST

START_TEST(weight_of_zero_is_nothing)
{
    struct pair pair = pair_new(_i, 1);
    float logprob;
    void *state = lm_new_states(pair.lm, 1);
    pair.lm->ops->start(pair.lm, true, state);
    ck_assert_int_eq(lm_logprob(pair.lm, state, toy_id(pair.first, "c"), &logprob),
                     ERR_OK);
    ck_assert(isinf(logprob));
    free(state);
    pair_free(&pair);
}
END_TEST

START_TEST(refuses_what_does_not_mix)
{
    struct toy *small = toy_new(UNIT_WHITESPACE, "a|b", false);
    struct toy *large = toy_new(UNIT_WHITESPACE, "a|b|c", false);
    struct toy *other = toy_new(UNIT_WHITESPACE, "a|c", false);
    const struct lm *lms[] = {&small->lm, &large->lm};
    double weights[] = {1, 1}, negative[] = {2, -1}, none[] = {0, 0}, nan[] = {NAN, 1};
    struct lm *lm;
    ck_assert_int_eq(mixture_lm_new(lms, weights, 2, &lm, NULL), ERR_VOCAB_MISMATCH);
    lms[1] = &small->lm;
    ck_assert_int_eq(mixture_lm_new(lms, negative, 2, &lm, NULL), ERR_INVALID);
    ck_assert_int_eq(mixture_lm_new(lms, none, 2, &lm, NULL), ERR_INVALID);
    ck_assert_int_eq(mixture_lm_new(lms, nan, 2, &lm, NULL), ERR_INVALID);
    ck_assert_int_eq(mixture_lm_new(lms, weights, 0, &lm, NULL), ERR_INVALID);
    ck_assert_ptr_null(lm);
    ck_assert(!mixture_same_vocab(small->vocab, large->vocab));
    ck_assert(!mixture_same_vocab(small->vocab, other->vocab));
    ck_assert(mixture_same_vocab(small->vocab, small->vocab));
    toy_free(small);
    toy_free(large);
    toy_free(other);
}
END_TEST

/* ---- weights ---- */

#define TOKENS 400

static double likelihood(float logprobs[3][TOKENS], const double *weights, size_t parts)
{
    double sum = 0;
    for (size_t t = 0; t < TOKENS; t++) {
        double p = 0;
        for (size_t i = 0; i < parts; i++)
            p += weights[i] * exp((double)logprobs[i][t]);
        sum += log(p);
    }
    return sum / TOKENS;
}

static void random_logprobs(float logprobs[3][TOKENS], uint64_t seed)
{
    struct random random;
    random_seed(&random, seed, 0);
    for (size_t t = 0; t < TOKENS; t++)
        for (size_t i = 0; i < 3; i++)
            logprobs[i][t] = (float)(-1 - 6 * random_uniform(&random) - (double)i / 3);
}

/* The maximum over a grid of weights in steps of 1/100. */
static double grid_maximum(float logprobs[3][TOKENS])
{
    double best = -INFINITY;
    for (int i = 0; i <= 100; i++)
        for (int j = 0; i + j <= 100; j++) {
            double weights[] = {i / 100.0, j / 100.0, (100 - i - j) / 100.0};
            double now = likelihood(logprobs, weights, 3);
            best = now > best ? now : best;
        }
    return best;
}

START_TEST(weights_reach_the_best_of_a_grid)
{
    static float logprobs[3][TOKENS];
    const float *rows[] = {logprobs[0], logprobs[1], logprobs[2]};
    for (uint64_t seed = 1; seed <= 2; seed++) {
        double weights[] = {1, 1, 1};
        unsigned rounds;
        random_logprobs(logprobs, seed);
        double found = mixture_learn_weights(rows, 3, TOKENS, weights, &rounds);
        near_to(weights[0] + weights[1] + weights[2], 1, 1e-9);
        near_to(found, likelihood(logprobs, weights, 3), 1e-6);
        ck_assert_double_ge(found, grid_maximum(logprobs) - 1e-6);
        ck_assert_uint_gt(rounds, 1);
    }
}
END_TEST

/* Each round alone, started from the last one's weights, never lowers the likelihood. */
START_TEST(rounds_never_lower_the_likelihood)
{
    static float logprobs[3][TOKENS];
    double weights[] = {0.9, 0.05, 0.05}, before;
    random_logprobs(logprobs, 9);
    before = likelihood(logprobs, weights, 3);
    for (int round = 0; round < 30; round++) {
        double shares[3] = {0};
        for (size_t t = 0; t < TOKENS; t++) {
            double p = 0;
            for (size_t i = 0; i < 3; i++)
                p += weights[i] * exp((double)logprobs[i][t]);
            for (size_t i = 0; i < 3; i++)
                shares[i] += weights[i] * exp((double)logprobs[i][t]) / p / TOKENS;
        }
        memcpy(weights, shares, sizeof weights);
        double now = likelihood(logprobs, weights, 3);
        ck_assert_double_ge(now, before - 1e-12);
        before = now;
    }
    const float *rows[] = {logprobs[0], logprobs[1], logprobs[2]};
    double learned[] = {0.9, 0.05, 0.05};
    unsigned rounds;
    double found = mixture_learn_weights(rows, 3, TOKENS, learned, &rounds);
    ck_assert_double_ge(found, before - 1e-7);
}
END_TEST

START_TEST(impossible_tokens_do_not_spoil_weights)
{
    float first[] = {-1, -INFINITY, -INFINITY, -2}, second[] = {-2, -INFINITY, -1, -1};
    const float *rows[] = {first, second};
    double weights[] = {1, 1};
    unsigned rounds;
    double mean = mixture_learn_weights(rows, 2, 4, weights, &rounds);
    ck_assert(isfinite(mean));
    ck_assert_double_gt(weights[1], weights[0]);
    near_to(weights[0] + weights[1], 1, 1e-9);
    weights[0] = weights[1] = 1;
    ck_assert(isnan(mixture_learn_weights((const float *[]){first + 1, second + 1}, 2, 1,
                                          weights, &rounds)));
    ck_assert(isnan(mixture_learn_weights(rows, 2, 0, weights, &rounds)));
}
END_TEST

/* One part far below the other must not vanish by underflow. */
START_TEST(very_small_probabilities_are_compared)
{
    float first[] = {-2000, -2000}, second[] = {-2001, -2001};
    const float *rows[] = {first, second};
    double weights[] = {1, 1};
    unsigned rounds;
    double mean = mixture_learn_weights(rows, 2, 2, weights, &rounds);
    near_to(mean, -2000, 1e-3);
    ck_assert_double_gt(weights[0], 0.99);
}
END_TEST

UNIT_SUITE(mixture)
{
    tcase_add_loop_test(unit, probabilities_are_mixed, 0, 2);
    tcase_add_loop_test(unit, scores_are_those_of_the_mixed_probabilities, 0, 2);
    tcase_add_loop_test(unit, mixtures_nest, 0, 2);
    tcase_add_loop_test(unit, weight_of_zero_is_nothing, 0, 2);
    tcase_add_test(unit, refuses_what_does_not_mix);
    tcase_add_test(unit, weights_reach_the_best_of_a_grid);
    tcase_add_test(unit, rounds_never_lower_the_likelihood);
    tcase_add_test(unit, impossible_tokens_do_not_spoil_weights);
    tcase_add_test(unit, very_small_probabilities_are_compared);
}

/* SPDX-License-Identifier: MIT */
#include "model/ngram/successors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "model/text/vocab.h"
#include "tests/support/unit.h"
#include "tests/unit/ngram/naive.h"

/* distribution() against logprob(), and top() against the sorted distribution. */
static void check_state(const struct lm *lm, const void *state, const struct naive *naive,
                        const uint32_t *context, size_t count)
{
    uint32_t size = lm->vocab_size;
    float *all = calloc(size, sizeof *all);
    ck_assert_int_eq(lm->ops->distribution(lm, 1, &state, &all), ERR_OK);
    double sum = 0, entropy = 0;
    for (uint32_t word = 0; word < size; word++) {
        double expected = naive_prob(naive, context, count, word), prob = exp(all[word]);
        ck_assert_double_eq_tol(prob, expected, 1e-5 * expected + 1e-15);
        ck_assert_double_eq_tol(exp(lm->ops->logprob(lm, state, word)), prob,
                                2e-6 * prob + 1e-15);
        sum += prob;
        entropy -= prob > 0 ? prob * log(prob) : 0;
    }
    ck_assert_double_eq_tol(sum, 1, 1e-6);
    for (size_t k = 0; k <= size + 1; k++) {
        struct lm_prediction best[300];
        struct lm_top top = {.best = best};
        ck_assert_int_eq(lm->ops->top(lm, state, k, true, &top), ERR_OK);
        ck_assert_uint_le(top.count, k);
        ck_assert_double_eq_tol(top.entropy, entropy, 1e-5);
        double mass = top.other_mass;
        for (size_t i = 0; i < top.count; i++) {
            ck_assert_float_eq_tol(best[i].logprob, all[best[i].token], 1e-5f);
            ck_assert(i == 0 || best[i].logprob <= best[i - 1].logprob);
            mass += exp(best[i].logprob);
            for (size_t j = 0; j < i; j++)
                ck_assert_uint_ne(best[i].token, best[j].token);
        }
        ck_assert_double_eq_tol(mass, 1, 1e-6);
        size_t better = 0, positive = 0;
        for (uint32_t word = 0; word < size; word++) {
            better += top.count > 0 && all[word] > best[top.count - 1].logprob + 1e-5f;
            positive += isfinite(all[word]) ? 1 : 0;
        }
        ck_assert_uint_eq(top.count, k < positive ? k : positive);
        ck_assert_uint_le(better, top.count);
    }
    free(all);
}

static void check_model(enum smoothing smoothing, unsigned order)
{
    struct corpus corpus = corpus_random(21, 90, 30);
    struct levels levels = corpus_levels(&corpus, order, 1, 1 << 30);
    struct rules rules = naive_rules(smoothing, &levels, 0.2, NULL, NULL);
    struct naive naive = {.corpus = &corpus,
                          .smoothing = smoothing,
                          .order = order,
                          .delta = 0.2,
                          .rules = &rules};
    uint64_t state[8] __attribute__((aligned(64)));
    ck_assert_int_eq(estimate(&rules, &levels, 1), ERR_OK);
    struct made made = make_fast(&levels, &rules);
    for (size_t at = 0; at + order < corpus.count; at += 37)
        for (size_t count = 0; count <= order; count++) {
            lm_state_after(made.lm, corpus.ids + at, count, state);
            check_state(made.lm, state, &naive, corpus.ids + at, count);
        }
    made_free(&made);
    levels_fini(&levels);
    corpus_free(&corpus);
}

START_TEST(back_off_models)
{
    check_model(SMOOTHING_KATZ, 2);
    check_model(SMOOTHING_MLE, 2);
}
END_TEST

START_TEST(interpolated_models)
{
    check_model(SMOOTHING_KNESER_NEY, 1);
    check_model(SMOOTHING_KNESER_NEY, 3);
    check_model(SMOOTHING_WITTEN_BELL, 3);
}
END_TEST

START_TEST(uniform_remainder)
{
    check_model(SMOOTHING_ADDITIVE, 3);
}
END_TEST

/* Segments scored side by side get what each gets alone. */
START_TEST(score_equals_steps)
{
    struct corpus corpus = corpus_random(22, 120, 30);
    struct levels levels = corpus_levels(&corpus, 4, 1, 1 << 30);
    struct rules rules = naive_rules(SMOOTHING_KNESER_NEY, &levels, 0, NULL, NULL);
    ck_assert_int_eq(estimate(&rules, &levels, 1), ERR_OK);
    struct made made = make_fast(&levels, &rules);
    struct corpus other = corpus_random(23, 150, 30);
    struct lm_segment *segments = calloc(other.count, sizeof *segments);
    float *logprobs = calloc(other.count, sizeof *logprobs);
    uint8_t *orders = calloc(other.count, 1);
    uint64_t state[8] __attribute__((aligned(64)));
    size_t count = 0, begin = 0;
    for (size_t i = 0; i < other.count; i++)
        if (other.ids[i] == VOCAB_EOS || i % 7 == 0) {
            segments[count++] = (struct lm_segment){.tokens = other.ids + begin,
                                                    .count = i + 1 - begin,
                                                    .bos = i % 3 != 0,
                                                    .logprobs = logprobs + begin,
                                                    .orders = orders + begin};
            segments[count++] = (struct lm_segment){.tokens = other.ids};
            begin = i + 1;
        }
    ck_assert_int_eq(made.lm->ops->score(made.lm, segments, count), ERR_OK);
    for (size_t s = 0; s < count; s++) {
        void *states = state;
        made.lm->ops->start(made.lm, segments[s].bos, state);
        for (size_t i = 0; i < segments[s].count; i++) {
            float alone = made.lm->ops->logprob(made.lm, state, segments[s].tokens[i]);
            ck_assert_float_eq_tol(alone, segments[s].logprobs[i], 1e-6f);
            ck_assert_uint_ge(segments[s].orders[i], 1);
            ck_assert_uint_le(segments[s].orders[i],
                              i + 1 + segments[s].bos < 4 ? i + 1 + segments[s].bos : 4);
            ck_assert_int_eq(
                made.lm->ops->advance(made.lm, 1, &states, segments[s].tokens + i),
                ERR_OK);
        }
    }
    free(segments);
    free(logprobs);
    free(orders);
    made_free(&made);
    levels_fini(&levels);
    corpus_free(&other);
    corpus_free(&corpus);
}
END_TEST

UNIT_SUITE(successors)
{
    tcase_add_test(unit, back_off_models);
    tcase_add_test(unit, interpolated_models);
    tcase_add_test(unit, uniform_remainder);
    tcase_add_test(unit, score_equals_steps);
}

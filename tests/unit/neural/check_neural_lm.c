/* SPDX-License-Identifier: MIT */
/* Neural models as language models: distributions sum to one, scoring in batches equals
 * scoring step by step, states are independent. */
#include "model/neural/neural_lm.h"

#include <math.h>
#include <stdlib.h>

#include "model/text/vocab.h"
#include "tests/support/unit.h"
#include "tests/unit/neural/trial.h"
#include "tests/unit/nn/gradient.h"

enum { VOCAB = 1500, SEGMENTS = 37, LONGEST = 41 };

static const struct kind *const all[] = {&kind_nplm, &kind_rnn, &kind_gru, &kind_lstm,
                                         &kind_mlstm};

static const char *const normed[] = {"layer_norm", "true", "layers", "2", NULL};
static const char *const normed_feedforward[] = {"layer_norm", "true", NULL};
static const char *const clustered[] = {"softmax", "adaptive", "cutoffs", "100,400,1200",
                                        NULL};
static const char *const narrowed[] = {"softmax", "adaptive", "cutoffs", "1400",
                                       "tied",    "false",    NULL};

static struct lm *random_lm_with(const struct kind *kind, const char *const *params)
{
    struct train_spec spec = trial_spec(kind, params);
    struct shape shape;
    struct random random;
    struct lm *lm;
    random_seed(&random, 9, 0);
    ck_assert_int_eq(shape_init(&shape, &spec.params, VOCAB, 0, NULL), ERR_OK);
    float *values = aligned_alloc(64, shape.total * sizeof *values);
    gradient_fill(&random, shape.total, 0.5f, values);
    values[shape.bias_at + VOCAB_BOS] = SHAPE_NEVER;
    ck_assert_int_eq(neural_lm_new_take(&shape, values, &lm), ERR_OK);
    return lm;
}

static struct lm *random_lm(const struct kind *kind)
{
    return random_lm_with(kind, NULL);
}

START_TEST(distributions_sum_to_one)
{
    const char *const *const forms[3] = {NULL, clustered, narrowed};
    for (size_t k = 0; k < 3 * (sizeof all / sizeof *all); k++) {
        struct lm *lm = random_lm_with(all[k / 3], forms[k % 3]);
        void *states = lm_new_states(lm, 3), *state[3];
        float *rows[3];
        const uint32_t tokens[3] = {5, 700, VOCAB - 1};
        for (size_t i = 0; i < 3; i++) {
            state[i] = lm_state_at(lm, states, i);
            rows[i] = malloc(VOCAB * sizeof(float));
            lm->ops->start(lm, i != 1, state[i]);
        }
        ck_assert_int_eq(lm->ops->advance(lm, 3, state, tokens), ERR_OK);
        ck_assert_int_eq(lm->ops->distribution(lm, 3, (const void *const *)state, rows),
                         ERR_OK);
        for (size_t i = 0; i < 3; i++) {
            double sum = 0;
            for (uint32_t id = 0; id < VOCAB; id++)
                sum += exp((double)rows[i][id]);
            ck_assert_double_eq_tol(sum, 1, 1e-6);
            ck_assert(isinf(rows[i][VOCAB_BOS]));
            free(rows[i]);
        }
        free(states);
        lm->ops->free(lm);
    }
}
END_TEST

START_TEST(score_equals_steps)
{
    struct random random;
    random_seed(&random, 10, 0);
    static uint32_t tokens[SEGMENTS][LONGEST];
    static float batched[SEGMENTS][LONGEST], stepped[SEGMENTS][LONGEST];
    struct lm_segment one[SEGMENTS], other[SEGMENTS];
    for (size_t i = 0; i < SEGMENTS; i++) {
        for (size_t j = 0; j < LONGEST; j++)
            tokens[i][j] = (uint32_t)random_below(&random, VOCAB);
        one[i] = (struct lm_segment){tokens[i], i == 3 ? 0 : 1 + i * 7 % LONGEST,
                                     i % 9 != 4, batched[i], NULL};
        other[i] = one[i];
        other[i].logprobs = stepped[i];
    }
    for (size_t k = 0; k < 4 * (sizeof all / sizeof *all); k++) {
        const struct kind *kind = all[k / 4];
        const char *const *const forms[4] = {
            NULL, kind == &kind_nplm ? normed_feedforward : normed, clustered, narrowed};
        struct lm *lm = random_lm_with(kind, forms[k % 4]);
        ck_assert_int_eq(lm->ops->score(lm, one, SEGMENTS), ERR_OK);
        ck_assert_int_eq(lm_score_by_steps(lm, other, SEGMENTS), ERR_OK);
        for (size_t i = 0; i < SEGMENTS; i++)
            for (size_t j = 0; j < one[i].count; j++)
                ck_assert_msg(fabsf(batched[i][j] - stepped[i][j]) < 1e-4f ||
                                  (tokens[i][j] == VOCAB_BOS && isinf(batched[i][j]) &&
                                   isinf(stepped[i][j])),
                              "%s: segment %zu token %zu: %g and %g", kind->name, i, j,
                              (double)batched[i][j], (double)stepped[i][j]);
        lm->ops->free(lm);
    }
}
END_TEST

/* Segments that make several tasks, and one that is a task by itself and longer than what
 * is computed at once. */
START_TEST(threads_change_no_bit)
{
    enum { LONG = 700 };
    static uint32_t tokens[LONG];
    static float few[LONG], many[LONG], stepped[LONG];
    static const size_t lengths[2] = {LONG, LONG / SEGMENTS};
    struct random random;
    random_seed(&random, 11, 0);
    for (size_t i = 0; i < LONG; i++)
        tokens[i] = 2 + (uint32_t)random_below(&random, VOCAB - 2);
    for (size_t k = 0; k < 4 * (sizeof all / sizeof *all); k++) {
        struct lm *lm = random_lm_with(all[k / 4], k % 2 ? clustered : NULL);
        struct lm_segment one[SEGMENTS];
        size_t length = lengths[k / 2 % 2], count = LONG / length;
        count = count < SEGMENTS ? count : SEGMENTS;
        for (size_t i = 0; i < count; i++)
            one[i] = (struct lm_segment){tokens + i * length, length, true,
                                         few + i * length, NULL};
        ck_assert_int_eq(lm->ops->score(lm, one, count), ERR_OK);
        for (size_t i = 0; i < count; i++)
            one[i].logprobs = many + i * length;
        lm->threads = 1000; /* more than there can be */
        ck_assert_int_eq(lm->ops->score(lm, one, count), ERR_OK);
        ck_assert_mem_eq(few, many, count * length * sizeof *few);
        for (size_t i = 0; i < count; i++)
            one[i].logprobs = stepped + i * length;
        ck_assert_int_eq(lm_score_by_steps(lm, one, count), ERR_OK);
        for (size_t i = 0; i < count * length; i++)
            ck_assert_float_eq_tol(few[i], stepped[i], 1e-3f);
        lm->ops->free(lm);
    }
}
END_TEST

/* What the other states of a batch are does not matter to a state. */
START_TEST(states_are_independent)
{
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        struct lm *lm = random_lm(all[k]);
        void *states = lm_new_states(lm, 3), *state[3];
        const uint32_t tokens[3] = {9, 10, 9};
        float *rows[3];
        for (size_t i = 0; i < 3; i++) {
            state[i] = lm_state_at(lm, states, i);
            rows[i] = malloc(VOCAB * sizeof(float));
            lm->ops->start(lm, true, state[i]);
        }
        ck_assert_int_eq(lm->ops->advance(lm, 2, state, tokens), ERR_OK);
        ck_assert_int_eq(lm->ops->advance(lm, 1, state + 2, tokens + 2), ERR_OK);
        ck_assert_int_eq(lm->ops->distribution(lm, 3, (const void *const *)state, rows),
                         ERR_OK);
        float apart = 0;
        for (uint32_t id = 2; id < VOCAB; id++) {
            ck_assert_float_eq_tol(rows[0][id], rows[2][id], 1e-4f);
            apart = fmaxf(apart, fabsf(rows[0][id] - rows[1][id]));
        }
        ck_assert_float_gt(apart, 0.01f);
        for (size_t i = 0; i < 3; i++)
            free(rows[i]);
        free(states);
        lm->ops->free(lm);
    }
}
END_TEST

/* What is computed beside a text changes its numbers by rounding only. */
START_TEST(a_batch_gives_each_state_its_own_numbers)
{
    enum { BATCH = 16 };
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        struct lm *lm = random_lm(all[k]);
        void *states = lm_new_states(lm, BATCH), *state[BATCH];
        void *alone = lm_new_states(lm, 1);
        float *rows[BATCH], *row = malloc(VOCAB * sizeof *row);
        uint32_t tokens[BATCH];
        for (uint32_t i = 0; i < BATCH; i++) {
            state[i] = lm_state_at(lm, states, i);
            rows[i] = malloc(VOCAB * sizeof *rows[i]);
            lm->ops->start(lm, true, state[i]);
            tokens[i] = 5 + 80 * i;
        }
        ck_assert_int_eq(lm->ops->advance(lm, BATCH, state, tokens), ERR_OK);
        ck_assert_int_eq(
            lm->ops->distribution(lm, BATCH, (const void *const *)state, rows), ERR_OK);
        for (size_t i = 0; i < BATCH; i++) {
            lm->ops->start(lm, true, alone);
            ck_assert_int_eq(lm->ops->advance(lm, 1, &alone, &tokens[i]), ERR_OK);
            ck_assert_int_eq(
                lm->ops->distribution(lm, 1, (const void *const *)&alone, &row), ERR_OK);
            for (uint32_t id = 0; id < VOCAB; id++)
                if (id != VOCAB_BOS)
                    ck_assert_float_eq_tol(row[id], rows[i][id], 1e-4f);
            free(rows[i]);
        }
        free(row);
        free(alone);
        free(states);
        lm->ops->free(lm);
    }
}
END_TEST

UNIT_SUITE(neural_lm)
{
    tcase_add_test(unit, distributions_sum_to_one);
    tcase_add_test(unit, a_batch_gives_each_state_its_own_numbers);
    tcase_add_test(unit, score_equals_steps);
    tcase_add_test(unit, threads_change_no_bit);
    tcase_add_test(unit, states_are_independent);
}

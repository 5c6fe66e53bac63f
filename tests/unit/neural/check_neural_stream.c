/* SPDX-License-Identifier: MIT */
/* Texts scored in order against the same by single steps: the state carried by hand. */
#include "model/lm/lm_stream.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/neural/neural_lm.h"
#include "model/text/vocab.h"
#include "tests/support/unit.h"
#include "tests/unit/neural/trial.h"
#include "tests/unit/nn/gradient.h"

enum { VOCAB = 60, SEGMENTS = 31, LONGEST = 29 };

static const struct kind *const all[] = {&kind_nplm, &kind_rnn, &kind_gru, &kind_lstm,
                                         &kind_mlstm};
enum { KINDS = sizeof all / sizeof *all };

static struct lm *random_lm(const struct kind *kind)
{
    struct train_spec spec = trial_spec(kind, NULL);
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

/* A text of segments of many lengths; those that `open` names do not end with </s>. */
struct text {
    uint32_t tokens[SEGMENTS][LONGEST + 1];
    float logprobs[SEGMENTS][LONGEST + 1];
    struct lm_segment segments[SEGMENTS];
};

static struct text *text_new(bool bos, bool eos)
{
    struct text *text = calloc(1, sizeof *text);
    struct random random;
    random_seed(&random, 10, 0);
    for (size_t i = 0; i < SEGMENTS; i++) {
        size_t count = i == 5 ? 0 : i * 7 % LONGEST;
        for (size_t j = 0; j < count; j++)
            text->tokens[i][j] = 3 + (uint32_t)random_below(&random, VOCAB - 3);
        if (eos)
            text->tokens[i][count++] = VOCAB_EOS;
        text->segments[i] =
            (struct lm_segment){text->tokens[i], count, bos, text->logprobs[i], NULL};
    }
    return text;
}

/* Scores in calls of `at_once` segments. */
static void score_text(const struct lm *lm, const struct lm_stream_options *options,
                       struct text *text, size_t at_once)
{
    struct lm_stream *stream;
    ck_assert_int_eq(lm_stream_check(lm, options, "", NULL), ERR_OK);
    ck_assert_int_eq(lm_stream_open(lm, options, &stream), ERR_OK);
    for (size_t i = 0; i < SEGMENTS; i += at_once)
        ck_assert_int_eq(lm_stream_score(stream, text->segments + i,
                                         SEGMENTS - i < at_once ? SEGMENTS - i : at_once),
                         ERR_OK);
    lm_stream_free(stream);
}

static void expect_same(const struct text *one, const struct text *other, float tolerance)
{
    for (size_t i = 0; i < SEGMENTS; i++)
        for (size_t j = 0; j < one->segments[i].count; j++)
            ck_assert_msg(fabsf(one->logprobs[i][j] - other->logprobs[i][j]) < tolerance,
                          "segment %zu token %zu: %g and %g", i, j,
                          (double)one->logprobs[i][j], (double)other->logprobs[i][j]);
}

/* The state goes on through every token; </s> stands before each beginning. */
static void score_naively(const struct lm *lm, struct text *text)
{
    void *state = lm_new_states(lm, 1);
    uint32_t last = VOCAB_EOS, eos = VOCAB_EOS;
    bool begun = false, recurrent = lm->context_max == 0;
    for (size_t i = 0; i < SEGMENTS; i++) {
        const struct lm_segment *segment = &text->segments[i];
        if (segment->count == 0)
            continue;
        if (!begun || (segment->bos && !recurrent))
            lm->ops->start(lm, segment->bos, state);
        else if (segment->bos && last != VOCAB_EOS)
            ck_assert_int_eq(lm->ops->advance(lm, 1, &state, &eos), ERR_OK);
        begun = true;
        for (size_t j = 0; j < segment->count; j++) {
            ck_assert_int_eq(
                lm_logprob(lm, state, segment->tokens[j], &segment->logprobs[j]), ERR_OK);
            ck_assert_int_eq(lm->ops->advance(lm, 1, &state, &segment->tokens[j]),
                             ERR_OK);
            last = segment->tokens[j];
        }
    }
    free(state);
}

/* _i: whether segments begin with <s> (1) and end with </s> (2). */
START_TEST(carried_state_equals_single_steps)
{
    const struct lm_stream_options carry = {.carry = true};
    for (size_t k = 0; k < KINDS; k++) {
        struct lm *lm = random_lm(all[k]);
        struct text *naive = text_new(_i & 1, _i & 2), *text = text_new(_i & 1, _i & 2);
        score_naively(lm, naive);
        const size_t at_once[] = {1, 4, SEGMENTS};
        for (size_t i = 0; i < 3; i++) {
            score_text(lm, &carry, text, at_once[i]);
            expect_same(naive, text, 1e-4f);
        }
        free(naive);
        free(text);
        lm->ops->free(lm);
    }
}
END_TEST

/* Carrying on makes a difference, or the test above shows nothing. */
START_TEST(carried_state_matters_to_recurrent_models)
{
    const struct lm_stream_options carry = {.carry = true};
    for (size_t k = 0; k < KINDS; k++) {
        struct lm *lm = random_lm(all[k]);
        struct text *alone = text_new(true, true), *text = text_new(true, true);
        float apart = 0;
        ck_assert_int_eq(lm->ops->score(lm, alone->segments, SEGMENTS), ERR_OK);
        score_text(lm, &carry, text, SEGMENTS);
        for (size_t i = 1; i < SEGMENTS; i++)
            apart = fmaxf(apart, fabsf(alone->logprobs[i][0] - text->logprobs[i][0]));
        if (lm->context_max == 0)
            ck_assert_float_gt(apart, 0.01f);
        else
            ck_assert_float_lt(apart, 1e-4f);
        free(alone);
        free(text);
        lm->ops->free(lm);
    }
}
END_TEST

UNIT_SUITE(neural_stream)
{
    tcase_add_loop_test(unit, carried_state_equals_single_steps, 0, 4);
    tcase_add_test(unit, carried_state_matters_to_recurrent_models);
}

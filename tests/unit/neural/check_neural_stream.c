/* SPDX-License-Identifier: MIT */
/* Texts scored in order against the same by single steps: the state carried by hand. */
#include "model/lm/lm_stream.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/neural/hidden_cache.h"
#include "model/neural/neural_lm.h"
#include "model/text/vocab.h"
#include "tests/support/unit.h"
#include "tests/unit/neural/trial.h"
#include "tests/unit/nn/gradient.h"

enum { VOCAB = 60, SEGMENTS = 31, LONGEST = 29 };

static const char *const clustered[] = {"softmax", "adaptive", "cutoffs", "20,40", NULL};

static const struct {
    const struct kind *kind;
    const char *const *params;
} all[] = {
    {&kind_nplm, NULL}, {&kind_rnn, NULL},   {&kind_gru, NULL},
    {&kind_lstm, NULL}, {&kind_mlstm, NULL}, {&kind_gru, clustered},
};
enum { KINDS = sizeof all / sizeof *all, GRU = 2, LSTM = 3 };

static struct lm *random_lm(size_t index)
{
    struct train_spec spec = trial_spec(all[index].kind, all[index].params);
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

/* A text of segments of many lengths. */
struct text {
    uint32_t tokens[SEGMENTS][LONGEST + 1];
    float logprobs[SEGMENTS][LONGEST + 1];
    struct lm_segment segments[SEGMENTS];
};

static size_t length_of(size_t segment)
{
    return segment == 5 ? 0 : segment * 7 % LONGEST;
}

static struct text *text_new(bool bos, bool eos)
{
    struct text *text = calloc(1, sizeof *text);
    struct random random;
    random_seed(&random, 10, 0);
    for (size_t i = 0; i < SEGMENTS; i++) {
        size_t count = length_of(i);
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
        struct lm *lm = random_lm(k);
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
        struct lm *lm = random_lm(k);
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

/* ---- whatever a stream remembers ---- */

static const struct lm_stream_options memories[] = {
    {.carry = true},
    {.carry = true, .cache = {.size = 40, .theta = 0.5, .weight = 0.3}},
    {.cache = {.size = 1000, .theta = 0.5, .weight = 0.3}},
    {.carry = true, .dynamic = {.rate = 0.01, .decay = 0.001, .steps = 9}},
    {.dynamic = {.rate = 0.01, .steps = 100}},
    {.carry = true,
     .cache = {.size = 40, .theta = 0.5, .weight = 0.3},
     .dynamic = {.rate = 0.01, .decay = 0.001, .steps = 16}},
};
enum { MEMORIES = sizeof memories / sizeof *memories };

/* The probabilities of all the words that could end a text sum to 1. */
START_TEST(probabilities_sum_to_one)
{
    for (size_t k = 0; k < KINDS; k++) {
        struct lm *lm = random_lm(k);
        struct text *text = text_new(true, true);
        struct lm_segment *last = &text->segments[SEGMENTS - 1];
        double sum = 0;
        for (uint32_t word = 0; word < VOCAB; word++) {
            text->tokens[SEGMENTS - 1][last->count - 1] = word;
            score_text(lm, &memories[_i], text, 7);
            sum += exp((double)last->logprobs[last->count - 1]);
        }
        ck_assert_double_eq_tol(sum, 1, 1e-5);
        free(text);
        lm->ops->free(lm);
    }
}
END_TEST

/* What comes later never changes what was scored before. */
START_TEST(nothing_looks_ahead)
{
    const size_t changed = SEGMENTS * 2 / 3, place = length_of(changed) / 2;
    for (size_t k = 0; k < KINDS; k++) {
        struct lm *lm = random_lm(k);
        struct text *one = text_new(true, true), *other = text_new(true, true);
        for (size_t j = place; j + 1 < other->segments[changed].count; j++)
            other->tokens[changed][j] = 3 + (other->tokens[changed][j] + 1) % (VOCAB - 3);
        for (size_t i = changed + 1; i < SEGMENTS; i++)
            other->segments[i].count = 1;
        score_text(lm, &memories[_i], one, SEGMENTS);
        score_text(lm, &memories[_i], other, SEGMENTS);
        for (size_t i = 0; i <= changed; i++)
            for (size_t j = 0; j < (i < changed ? one->segments[i].count : place); j++)
                ck_assert_float_eq_tol(one->logprobs[i][j], other->logprobs[i][j], 1e-5f);
        free(one);
        free(other);
        lm->ops->free(lm);
    }
}
END_TEST

/* The same text in other calls, and the same again. */
START_TEST(calls_do_not_matter)
{
    for (size_t k = 0; k < KINDS; k++) {
        struct lm *lm = random_lm(k);
        struct text *one = text_new(true, true), *other = text_new(true, true);
        score_text(lm, &memories[_i], one, SEGMENTS);
        score_text(lm, &memories[_i], other, 3);
        expect_same(one, other, 1e-4f);
        score_text(lm, &memories[_i], other, SEGMENTS);
        expect_same(one, other, FLT_MIN);
        free(one);
        free(other);
        lm->ops->free(lm);
    }
}
END_TEST

/* ---- the cache ---- */

enum { SIZE = 5, ROWS = 8, STEPS = 203 };

/* p_cache by the book. */
static double naive_cache(const struct lm_cache *options, float vectors[][SIZE],
                          const uint32_t *words, size_t at, uint32_t word)
{
    double own = 0, sum = 0;
    for (size_t i = at > options->size ? at - options->size : 0; i < at; i++) {
        double dot = 0;
        for (size_t j = 0; j < SIZE; j++)
            dot += (double)vectors[i][j] * (double)vectors[at][j];
        sum += exp(options->theta * dot);
        own += words[i] == word ? exp(options->theta * dot) : 0;
    }
    return own / sum;
}

/* _i: the size of the cache. */
START_TEST(cache_equals_the_book)
{
    const struct lm_cache options = {.size = (size_t)_i, .theta = 0.7, .weight = 0.25};
    static float vectors[STEPS][SIZE], logprobs[STEPS];
    static uint32_t words[STEPS];
    struct hidden_cache *cache;
    struct random random;
    random_seed(&random, 3, 0);
    gradient_fill(&random, (size_t)STEPS * SIZE, 2, vectors[0]);
    for (size_t i = 0; i < STEPS; i++) {
        words[i] = (uint32_t)random_below(&random, 4);
        logprobs[i] = logf(0.01f * (float)(1 + i % 90));
    }
    ck_assert_int_eq(hidden_cache_new(&options, SIZE, ROWS, &cache), ERR_OK);
    for (size_t i = 0; i < STEPS;) {
        size_t rows = 1 + random_below(&random, ROWS);
        rows = rows < STEPS - i ? rows : STEPS - i;
        hidden_cache_mix(cache, rows, vectors[i], SIZE, words + i, logprobs + i);
        i += rows;
    }
    for (size_t i = 0; i < STEPS; i++) {
        double model = 0.01 * (double)(1 + i % 90), p = model;
        if (i > 0)
            p = 0.75 * model + 0.25 * naive_cache(&options, vectors, words, i, words[i]);
        ck_assert_double_eq_tol(exp((double)logprobs[i]), p, 1e-5);
    }
    hidden_cache_free(cache);
}
END_TEST

START_TEST(cache_has_a_limit)
{
    const struct lm_cache options = {.size = LM_CACHE_SIZE_MAX};
    struct hidden_cache *cache;
    ck_assert_int_eq(hidden_cache_new(&options, 65536, 64, &cache), ERR_LIMIT);
    ck_assert_ptr_null(cache);
}
END_TEST

/* ---- dynamic evaluation ---- */

static double mean_loss(const struct text *text)
{
    double sum = 0;
    size_t count = 0;
    for (size_t i = 0; i < SEGMENTS; i++)
        for (size_t j = 0; j < text->segments[i].count; j++, count++)
            sum -= (double)text->logprobs[i][j];
    return sum / (double)count;
}

/* A text that keeps saying the same is learned; nothing changes before the first step. */
START_TEST(parameters_follow_the_text)
{
    const struct lm_stream_options still = {.carry = true};
    const struct lm_stream_options follow = {
        .carry = true, .dynamic = {.rate = 0.01, .decay = 0, .steps = 10}};
    for (size_t k = 0; k < KINDS; k++) {
        struct lm *lm = random_lm(k);
        struct text *one = text_new(true, true), *other = text_new(true, true);
        for (size_t i = 0; i < SEGMENTS; i++)
            for (size_t j = 0; j + 1 < one->segments[i].count; j++)
                one->tokens[i][j] = other->tokens[i][j] = 3 + (uint32_t)(j % 7);
        score_text(lm, &still, one, SEGMENTS);
        score_text(lm, &follow, other, SEGMENTS);
        for (size_t i = 0, left = 10; i < SEGMENTS; i++)
            for (size_t j = 0; j < one->segments[i].count && left > 0; j++, left--)
                ck_assert_float_eq_tol(one->logprobs[i][j], other->logprobs[i][j], 1e-5f);
        ck_assert_double_lt(mean_loss(other), mean_loss(one) - 0.5);
        free(one);
        free(other);
        lm->ops->free(lm);
    }
}
END_TEST

/* Going all the way back each step is standing still but for the last step. */
START_TEST(decay_leads_back)
{
    struct lm *lm = random_lm(LSTM);
    struct lm_stream_options options = {
        .carry = true, .dynamic = {.rate = 0.001, .decay = 0, .steps = 1}};
    double apart[2];
    struct text *still = text_new(true, true), *other = text_new(true, true);
    score_text(lm, &(struct lm_stream_options){.carry = true}, still, SEGMENTS);
    for (size_t i = 0; i < 2; i++) {
        options.dynamic.decay = (double)i;
        score_text(lm, &options, other, SEGMENTS);
        apart[i] = fabs(mean_loss(other) - mean_loss(still));
    }
    ck_assert_double_gt(apart[0], 4 * apart[1]);
    ck_assert_double_gt(apart[1], 0);
    free(still);
    free(other);
    lm->ops->free(lm);
}
END_TEST

/* What a stream learned is its own. */
START_TEST(model_itself_stays)
{
    struct lm *lm = random_lm(GRU);
    struct text *before = text_new(true, true), *after = text_new(true, true);
    score_text(lm, &memories[0], before, SEGMENTS);
    score_text(lm, &memories[3], after, SEGMENTS);
    score_text(lm, &memories[0], after, SEGMENTS);
    expect_same(before, after, FLT_MIN);
    free(before);
    free(after);
    lm->ops->free(lm);
}
END_TEST

UNIT_SUITE(neural_stream)
{
    tcase_add_test(unit, parameters_follow_the_text);
    tcase_add_test(unit, decay_leads_back);
    tcase_add_test(unit, model_itself_stays);
    tcase_add_loop_test(unit, probabilities_sum_to_one, 0, MEMORIES);
    tcase_add_loop_test(unit, nothing_looks_ahead, 0, MEMORIES);
    tcase_add_loop_test(unit, calls_do_not_matter, 0, MEMORIES);
    tcase_add_loop_test(unit, cache_equals_the_book, 1, 60);
    tcase_add_test(unit, cache_has_a_limit);
    tcase_add_loop_test(unit, carried_state_equals_single_steps, 0, 4);
    tcase_add_test(unit, carried_state_matters_to_recurrent_models);
}

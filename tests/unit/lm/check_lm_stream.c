/* SPDX-License-Identifier: MIT */
/* Streams of models without hidden vectors: context ends with the segment, the cache is
 * of single words. */
#include "model/lm/lm_stream.h"

#include <math.h>
#include <string.h>

#include "model/lm/evaluate.h"
#include "model/lm/infer_score.h"
#include "model/lm/mixture.h"
#include "tests/support/unit.h"
#include "tests/unit/lm/toy.h"

static struct toy *ab(void)
{
    struct toy *toy = toy_new(UNIT_WHITESPACE, "a|b|c", false);
    toy_row(toy, "<s>", "a 0.5 b 0.25 c 0.25");
    toy_row(toy, "a", "a 0.5 b 0.25 </s> 0.25");
    toy_row(toy, "b", "a 0.25 c 0.25 </s> 0.5");
    toy_row(toy, "c", "a 0.125 c 0.375 </s> 0.5");
    return toy;
}

static const struct lm_stream_options carry = {.carry = true};

static struct score_answer score(const struct toy *toy, const struct lm *lm,
                                 struct score_options options)
{
    struct span inputs[] = {span_of_text("a b"), span_of_text("b c"),
                            span_of_text("c a")};
    struct target target = {lm, toy->tokenizer, toy->vocab, NULL};
    struct score_answer answer;
    ck_assert_int_eq(infer_score(&target, &options, inputs, 3, &answer, NULL), ERR_OK);
    return answer;
}

START_TEST(segments_that_begin_are_as_alone)
{
    struct toy *toy = ab();
    struct score_options options = {.bos = true, .eos = true};
    struct score_answer alone = score(toy, &toy->lm, options);
    options.stream = &carry;
    struct score_answer order = score(toy, &toy->lm, options);
    for (size_t i = 0; i < 3; i++)
        near_to(order.results[i].sums.logprob, alone.results[i].sums.logprob, 1e-9);
    score_answer_fini(&alone);
    score_answer_fini(&order);
    toy_free(toy);
}
END_TEST

/* Without <s> and </s> the inputs are one text. */
START_TEST(segments_without_a_beginning_go_on)
{
    struct toy *toy = ab();
    struct score_options options = {.tokens = true, .stream = &carry};
    struct score_answer answer = score(toy, &toy->lm, options);
    near_to(exp((double)answer.tokens[1].logprob), toy_p(toy, "a", "b"), 1e-6);
    near_to(exp((double)answer.tokens[2].logprob), toy_p(toy, "b", "b"), 1e-6);
    near_to(exp((double)answer.tokens[3].logprob), toy_p(toy, "b", "c"), 1e-6);
    near_to(exp((double)answer.tokens[4].logprob), toy_p(toy, "c", "c"), 1e-6);
    score_answer_fini(&answer);
    toy_free(toy);
}
END_TEST

/* Counts that shrink by exp(-4/size) a token, by hand. */
START_TEST(cache_of_words_fades)
{
    struct toy *toy = ab();
    const struct lm_stream_options cached = {
        .cache = {.size = 3, .theta = 0, .weight = 0.25}};
    struct score_options options = {.bos = true, .eos = true, .tokens = true};
    struct score_answer alone = score(toy, &toy->lm, options);
    options.stream = &cached;
    struct score_answer answer = score(toy, &toy->lm, options);
    size_t count = answer.total.tokens_scored;
    near_to((double)answer.tokens[0].logprob, (double)alone.tokens[0].logprob, 1e-9);
    for (size_t i = 1; i < count; i++) {
        double own = 0, sum = 0;
        for (size_t j = 0; j < i; j++) {
            double weight = exp(-4.0 / 3 * (double)(i - j));
            sum += weight;
            own += answer.tokens[j].token == answer.tokens[i].token ? weight : 0;
        }
        near_to(exp((double)answer.tokens[i].logprob),
                0.75 * exp((double)alone.tokens[i].logprob) + 0.25 * own / sum, 1e-6);
    }
    score_answer_fini(&alone);
    score_answer_fini(&answer);
    toy_free(toy);
}
END_TEST

/* A mixture's stream is the mixture of its parts' streams. */
START_TEST(mixtures_mix_streams)
{
    struct toy *toy = ab();
    struct lm *lm;
    const struct lm *parts[] = {&toy->lm, &toy->lm};
    const double weights[] = {0.25, 0.75};
    ck_assert_int_eq(mixture_lm_new(parts, weights, 2, &lm, NULL), ERR_OK);
    const struct lm_stream_options cached = {
        .carry = true, .cache = {.size = 3, .theta = 0, .weight = 0.25}};
    struct score_options options = {.eos = true, .stream = &cached};
    struct score_answer one = score(toy, &toy->lm, options);
    struct score_answer both = score(toy, lm, options);
    for (size_t i = 0; i < 3; i++)
        near_to(both.results[i].sums.logprob, one.results[i].sums.logprob, 1e-5);
    score_answer_fini(&one);
    score_answer_fini(&both);
    lm->ops->free(lm);
    toy_free(toy);
}
END_TEST

/* A corpus gives the same whether evaluated or scored. */
START_TEST(evaluation_in_order_equals_scoring)
{
    struct toy *toy = ab();
    const struct lm_stream_options cached = {
        .cache = {.size = 5, .theta = 0, .weight = 0.2}};
    struct score_options options = {.bos = true, .eos = true, .stream = &cached};
    struct score_answer answer = score(toy, &toy->lm, options);
    struct evaluation evaluation;
    ck_assert_int_eq(evaluate_in_order(&toy->lm, toy->tokenizer, toy->vocab,
                                       span_of_text("a b\nb c\nc a\n"), &cached, 3, NULL,
                                       &evaluation),
                     ERR_OK);
    near_to(evaluation.logprob, answer.total.logprob, 1e-9);
    ck_assert_uint_eq(evaluation.tokens, 9);
    score_answer_fini(&answer);
    toy_free(toy);
}
END_TEST

static const struct lm_stream_options bad[] = {
    {.cache = {.size = LM_CACHE_SIZE_MAX + 1, .weight = 0.1}},
    {.cache = {.size = 5, .theta = -1, .weight = 0.1}},
    {.cache = {.size = 5, .theta = (double)NAN, .weight = 0.1}},
    {.cache = {.size = 5, .weight = 1}},
    {.cache = {.size = 5, .weight = -0.1}},
    {.dynamic = {.rate = -1, .steps = 8}},
    {.dynamic = {.rate = 11, .steps = 8}},
    {.dynamic = {.rate = 1, .steps = 0}},
    {.dynamic = {.rate = 1, .steps = LM_DYNAMIC_STEPS_MAX + 1}},
    {.dynamic = {.rate = 1, .decay = 2, .steps = 8}},
    {.dynamic = {.rate = 1, .steps = 8}}, /* of a model without parameters to adapt */
};
static const char *const bad_pointers[] = {
    "/x/cache/size",
    "/x/cache/theta",
    "/x/cache/theta",
    "/x/cache/weight",
    "/x/cache/weight",
    "/x/dynamic/learning_rate",
    "/x/dynamic/learning_rate",
    "/x/dynamic/steps",
    "/x/dynamic/steps",
    "/x/dynamic/decay",
    "/x/dynamic",
};

START_TEST(refuses_what_cannot_be)
{
    struct toy *toy = ab();
    struct err_info info = {0};
    ck_assert_int_eq(lm_stream_check(&toy->lm, &bad[_i], "/x", &info), ERR_INVALID);
    ck_assert_str_eq(info.pointer, bad_pointers[_i]);
    toy_free(toy);
}
END_TEST

UNIT_SUITE(lm_stream)
{
    tcase_add_test(unit, segments_that_begin_are_as_alone);
    tcase_add_test(unit, segments_without_a_beginning_go_on);
    tcase_add_test(unit, cache_of_words_fades);
    tcase_add_test(unit, mixtures_mix_streams);
    tcase_add_test(unit, evaluation_in_order_equals_scoring);
    tcase_add_loop_test(unit, refuses_what_cannot_be, 0, (int)(sizeof bad / sizeof *bad));
}

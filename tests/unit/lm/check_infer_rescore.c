/* SPDX-License-Identifier: MIT */
/* /rescore by hand: Bayes' rule. */
#include "tests/support/unit.h"

#include <math.h>

#include "model/lm/infer_rescore.h"
#include "tests/unit/lm/toy.h"

static struct toy *speech(void)
{
    struct toy *toy = toy_new(UNIT_WHITESPACE, "recognize|speech|wreck|beach", false);
    toy_row(toy, "<s>", "recognize 0.5 wreck 0.25 </s> 0.25");
    toy_row(toy, "recognize", "speech 1");
    toy_row(toy, "wreck", "beach 0.5 speech 0.5");
    toy_row(toy, "speech", "</s> 1");
    toy_row(toy, "beach", "</s> 1");
    return toy;
}

static struct rescore_answer rescore(const struct toy *toy,
                                     const struct rescore_input *inputs, size_t count,
                                     double weight, double bonus)
{
    struct rescore_answer answer;
    double sum = 0;
    ck_assert_int_eq(
        infer_rescore(&toy->target, inputs, count, weight, bonus, &answer, NULL), ERR_OK);
    for (size_t i = 0; i < count; i++)
        sum += answer.candidates[i].posterior;
    if (isfinite(answer.log_evidence))
        near_to(sum, 1, 1e-12);
    return answer;
}

START_TEST(posteriors_by_bayes)
{
    struct toy *toy = speech();
    struct rescore_input inputs[] = {{span_of_text("wreck beach"), log(0.8)},
                                     {span_of_text("recognize speech"), log(0.6)}};
    struct rescore_answer answer = rescore(toy, inputs, 2, 1, 0);
    double wreck = 0.125 * 0.8, recognize = 0.5 * 0.6;
    near_to(answer.candidates[0].posterior, wreck / (wreck + recognize), 1e-6);
    near_to(answer.candidates[1].posterior, recognize / (wreck + recognize), 1e-6);
    near_to(answer.log_evidence, log(wreck + recognize), 1e-6);
    near_to(answer.candidates[0].lm_logprob, log(0.125), 1e-6);
    near_to(answer.candidates[0].channel_logprob, log(0.8), 1e-12);
    ck_assert_uint_eq(answer.best, 1);
    ck_assert_uint_eq(answer.candidates[1].rank, 1);
    ck_assert_uint_eq(answer.candidates[0].rank, 2);
    ck_assert_uint_eq(answer.candidates[0].words, 2);
    rescore_answer_fini(&answer);
    toy_free(toy);
}
END_TEST

START_TEST(weight_and_bonus)
{
    struct toy *toy = speech();
    struct rescore_input inputs[] = {{span_of_text("wreck beach"), -1},
                                     {span_of_text(""), -2}};
    struct rescore_answer answer = rescore(toy, inputs, 2, 0.5, 0.75);
    near_to(answer.candidates[0].score, 0.5 * log(0.125) - 1 + 2 * 0.75, 1e-6);
    near_to(answer.candidates[1].score, 0.5 * log(0.25) - 2, 1e-6);
    rescore_answer_fini(&answer);
    answer = rescore(toy, inputs, 2, 0, 0); /* the channel alone */
    near_to(answer.candidates[0].posterior, 1 / (1 + exp(-1)), 1e-9);
    rescore_answer_fini(&answer);
    toy_free(toy);
}
END_TEST

START_TEST(far_from_zero_is_stable)
{
    struct toy *toy = speech();
    struct rescore_input inputs[] = {{span_of_text("wreck beach"), -1e6},
                                     {span_of_text("wreck speech"), -1e6 - 1},
                                     {span_of_text("recognize speech"), -2e6}};
    struct rescore_answer answer = rescore(toy, inputs, 3, 1, 0);
    near_to(answer.candidates[0].posterior, 1 / (1 + exp(-1)), 1e-6);
    ck_assert_double_eq(answer.candidates[2].posterior, 0);
    ck_assert(isfinite(answer.log_evidence));
    rescore_answer_fini(&answer);
    toy_free(toy);
}
END_TEST

START_TEST(the_impossible_stays_so)
{
    struct toy *toy = speech();
    struct rescore_input inputs[] = {{span_of_text("beach"), -1},
                                     {span_of_text("recognize speech"), -9},
                                     {span_of_text("wreck beach"), -INFINITY}};
    struct rescore_answer answer = rescore(toy, inputs, 3, 1, 0);
    ck_assert_double_eq(answer.candidates[0].posterior, 0);
    near_to(answer.candidates[1].posterior, 1, 1e-12);
    ck_assert_uint_eq(answer.best, 1);
    ck_assert_uint_eq(answer.candidates[0].rank, 2); /* equal ones in the given order */
    ck_assert_uint_eq(answer.candidates[2].rank, 3);
    rescore_answer_fini(&answer);
    answer = rescore(toy, inputs, 1, 1, 0);
    ck_assert(isinf(answer.log_evidence));
    ck_assert(isnan(answer.candidates[0].posterior));
    rescore_answer_fini(&answer);
    answer = rescore(toy, inputs, 2, 0, 0); /* weight 0 never asks the model's -inf */
    ck_assert(isfinite(answer.candidates[0].score));
    rescore_answer_fini(&answer);
    toy_free(toy);
}
END_TEST

START_TEST(refuses_wrong_numbers)
{
    struct toy *toy = speech();
    struct rescore_input input = {span_of_text("beach"), NAN};
    struct rescore_answer answer;
    struct err_info info = {0};
    ck_assert_int_eq(infer_rescore(&toy->target, &input, 1, 1, 0, &answer, &info),
                     ERR_INVALID);
    ck_assert_str_eq(info.pointer, "/candidates/0/channel_logprob");
    input.channel_logprob = 0;
    ck_assert_int_eq(infer_rescore(&toy->target, &input, 0, 1, 0, &answer, NULL),
                     ERR_INVALID);
    ck_assert_int_eq(infer_rescore(&toy->target, &input, 1, -1, 0, &answer, NULL),
                     ERR_INVALID);
    ck_assert_int_eq(infer_rescore(&toy->target, &input, 1, 1, NAN, &answer, NULL),
                     ERR_INVALID);
    toy_free(toy);
}
END_TEST

UNIT_SUITE(infer_rescore)
{
    tcase_add_test(unit, posteriors_by_bayes);
    tcase_add_test(unit, weight_and_bonus);
    tcase_add_test(unit, far_from_zero_is_stable);
    tcase_add_test(unit, the_impossible_stays_so);
    tcase_add_test(unit, refuses_wrong_numbers);
}

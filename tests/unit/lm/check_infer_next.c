/* SPDX-License-Identifier: MIT */
/* /next by hand: predictions, words, temperature, what is unknown. */
#include "tests/support/unit.h"

#include <math.h>

#include "model/lm/infer_next.h"
#include "tests/unit/lm/toy.h"

static struct toy *abc(bool tricks)
{
    struct toy *toy = toy_new(UNIT_WHITESPACE, "a|b|c", tricks);
    toy_row(toy, "<s>", "a 0.5 b 0.3 c 0.2");
    toy_row(toy, "a", "b 0.5 </s> 0.25 c 0.125 <unk> 0.125");
    toy_row(toy, "b", "c 1");
    toy_row(toy, "<unk>", "a 0.75 b 0.25");
    return toy;
}

static struct next_answer ask(const struct toy *toy, const char *context, size_t k,
                              double temperature, const char *word)
{
    struct span words[] = {span_of_text(word ? word : "")};
    struct next_request request = {.context = span_of_text(context),
                                   .k = k,
                                   .words = words,
                                   .word_count = word ? 1 : 0,
                                   .temperature = temperature};
    struct next_answer answer;
    ck_assert_int_eq(infer_next(&toy->target, &request, &answer, NULL), ERR_OK);
    double sum = answer.other_mass;
    for (size_t i = 0; i < answer.count; i++) {
        sum += answer.predictions[i].probability;
        near_to(exp(answer.predictions[i].logprob), answer.predictions[i].probability,
                1e-12);
        if (i > 0)
            ck_assert_double_le(answer.predictions[i].probability,
                                answer.predictions[i - 1].probability);
    }
    near_to(sum, 1, 1e-6);
    return answer;
}

START_TEST(predictions_fall_and_sum_to_one)
{
    struct toy *toy = abc(_i);
    struct next_answer answer = ask(toy, "b a", 2, 1, NULL);
    ck_assert_uint_eq(answer.count, 2);
    ck_assert_uint_eq(answer.predictions[0].token, toy_id(toy, "b"));
    ck_assert_uint_eq(answer.predictions[1].token, VOCAB_EOS);
    near_to(answer.predictions[0].probability, 0.5, 1e-6);
    near_to(answer.other_mass, 0.25, 1e-6);
    near_to(answer.entropy_bits, 0.5 * 1 + 0.25 * 2 + 2 * 0.125 * 3, 1e-5);
    ck_assert_uint_eq(answer.context_tokens, 2);
    ck_assert_uint_eq(answer.context_used, 1); /* a bigram sees one */
    ck_assert_uint_eq(answer.oov_count, 0);
    next_answer_fini(&answer);
    toy_free(toy);
}
END_TEST

START_TEST(an_empty_context_begins_the_segment)
{
    struct toy *toy = abc(_i);
    struct next_answer answer = ask(toy, "", 10, 1, NULL);
    ck_assert_uint_eq(answer.count, 3); /* impossible tokens are not listed */
    near_to(answer.predictions[0].probability, 0.5, 1e-6);
    near_to(answer.other_mass, 0, 1e-9);
    ck_assert_uint_eq(answer.context_used, 0);
    next_answer_fini(&answer);
    answer = ask(toy, "a", 0, 1, NULL);
    ck_assert_uint_eq(answer.count, 0);
    near_to(answer.other_mass, 1, 1e-6);
    next_answer_fini(&answer);
    toy_free(toy);
}
END_TEST

START_TEST(ties_go_by_id)
{
    struct toy *toy = toy_new(UNIT_WHITESPACE, "a|b|c", _i);
    struct next_answer answer = ask(toy, "", 4, 1, NULL);
    ck_assert_uint_eq(answer.predictions[0].token, VOCAB_UNK);
    ck_assert_uint_eq(answer.predictions[1].token, VOCAB_EOS);
    ck_assert_uint_eq(answer.predictions[2].token, VOCAB_RESERVED);
    ck_assert_uint_eq(answer.predictions[3].token, VOCAB_RESERVED + 1);
    next_answer_fini(&answer);
    toy_free(toy);
}
END_TEST

START_TEST(temperature_sharpens_and_flattens)
{
    struct toy *toy = abc(_i);
    struct next_answer answer = ask(toy, "a", 10, 0.5, "c");
    double sum = 0.25 + 0.0625 + 2 * 0.015625; /* squares */
    near_to(answer.predictions[0].probability, 0.25 / sum, 1e-6);
    near_to(answer.words[0].probability, 0.015625 / sum, 1e-6);
    next_answer_fini(&answer);
    answer = ask(toy, "a", 10, 2, NULL);
    sum = sqrt(0.5) + 0.5 + 2 * sqrt(0.125);
    near_to(answer.predictions[0].probability, sqrt(0.5) / sum, 1e-6);
    next_answer_fini(&answer);
    answer = ask(toy, "a", 10, 0, "b");
    ck_assert_uint_eq(answer.count, 1);
    near_to(answer.predictions[0].probability, 1, 1e-9);
    near_to(answer.entropy_bits, 0, 1e-9);
    near_to(answer.words[0].probability, 1, 1e-9);
    next_answer_fini(&answer);
    toy_free(toy);
}
END_TEST

START_TEST(words_are_weighed)
{
    struct toy *toy = abc(_i);
    struct next_answer answer = ask(toy, "a", 1, 1, "c");
    near_to(answer.words[0].probability, 0.125, 1e-6);
    ck_assert_uint_eq(answer.words[0].token, toy_id(toy, "c"));
    ck_assert(!answer.words[0].oov);
    next_answer_fini(&answer);
    answer = ask(toy, "a", 1, 1, "zebra"); /* as <unk> */
    near_to(answer.words[0].probability, 0.125, 1e-6);
    ck_assert(answer.words[0].oov);
    next_answer_fini(&answer);
    answer = ask(toy, "a", 1, 1, "<unk>"); /* itself */
    near_to(answer.words[0].probability, 0.125, 1e-6);
    ck_assert(!answer.words[0].oov);
    next_answer_fini(&answer);
    answer = ask(toy, "a", 1, 1, "</s>");
    near_to(answer.words[0].probability, 0.25, 1e-6);
    ck_assert(!answer.words[0].oov);
    next_answer_fini(&answer);
    answer = ask(toy, "a", 1, 1, "b a"); /* impossible */
    ck_assert_double_eq(answer.words[0].probability, 0);
    ck_assert(isinf(answer.words[0].logprob));
    next_answer_fini(&answer);
    toy_free(toy);
}
END_TEST

START_TEST(words_of_several_tokens_multiply)
{
    struct toy *toy = abc(_i);
    struct next_answer answer = ask(toy, "", 1, 1, "a b c");
    ck_assert_uint_eq(answer.words[0].tokens, 3);
    near_to(answer.words[0].probability, 0.5 * 0.5 * 1, 1e-6);
    next_answer_fini(&answer);
    answer = ask(toy, "", 1, 0.5, "a b");
    near_to(answer.words[0].probability, 0.25 / 0.38 * (0.25 / 0.34375), 1e-6);
    next_answer_fini(&answer);
    toy_free(toy);
}
END_TEST

START_TEST(unknown_context_words_are_named_once)
{
    struct toy *toy = abc(_i);
    struct next_answer answer = ask(toy, "zebra a yak zebra", 1, 1, NULL);
    ck_assert_uint_eq(answer.oov_count, 2);
    ck_assert(span_equal(answer.oov[0], span_of_text("zebra")));
    ck_assert(span_equal(answer.oov[1], span_of_text("yak")));
    near_to(answer.predictions[0].probability, 0.75, 1e-6); /* after <unk> */
    next_answer_fini(&answer);
    answer = ask(toy, "<unk>", 1, 1, NULL);
    ck_assert_uint_eq(answer.oov_count, 0);
    next_answer_fini(&answer);
    toy_free(toy);
}
END_TEST

START_TEST(bad_temperatures_are_refused)
{
    struct toy *toy = abc(false);
    static const double wrong[] = {-1, NAN, INFINITY};
    for (size_t i = 0; i < 3; i++) {
        struct next_request request = {.k = 1, .temperature = wrong[i]};
        struct next_answer answer;
        struct err_info info = {0};
        ck_assert_int_eq(infer_next(&toy->target, &request, &answer, &info), ERR_INVALID);
        ck_assert_str_eq(info.pointer, "/temperature");
    }
    toy_free(toy);
}
END_TEST

UNIT_SUITE(infer_next)
{
    tcase_add_loop_test(unit, predictions_fall_and_sum_to_one, 0, 2);
    tcase_add_loop_test(unit, an_empty_context_begins_the_segment, 0, 2);
    tcase_add_loop_test(unit, ties_go_by_id, 0, 2);
    tcase_add_loop_test(unit, temperature_sharpens_and_flattens, 0, 2);
    tcase_add_loop_test(unit, words_are_weighed, 0, 2);
    tcase_add_loop_test(unit, words_of_several_tokens_multiply, 0, 2);
    tcase_add_loop_test(unit, unknown_context_words_are_named_once, 0, 2);
    tcase_add_test(unit, bad_temperatures_are_refused);
}

/* SPDX-License-Identifier: MIT */
/* /score by hand. */
#include "tests/support/unit.h"

#include <math.h>
#include <string.h>

#include "model/lm/infer_score.h"
#include "tests/unit/lm/toy.h"

static struct toy *abc(void)
{
    struct toy *toy = toy_new(UNIT_WHITESPACE, "a|b|c", false);
    toy_row(toy, "<s>", "a 0.5 b 0.25 <unk> 0.25");
    toy_row(toy, "a", "b 0.5 </s> 0.25 <unk> 0.25");
    toy_row(toy, "b", "a 0.125 </s> 0.875");
    toy_row(toy, "<unk>", "b 0.5 </s> 0.5");
    toy_row(toy, NULL, "a 0.0625 b 0.9375");
    return toy;
}

static struct score_answer score(const struct toy *toy, struct score_options options,
                                 const char *const *texts, size_t count)
{
    struct span inputs[8];
    struct score_answer answer;
    for (size_t i = 0; i < count; i++)
        inputs[i] = span_of_text(texts[i]);
    ck_assert_int_eq(infer_score(&toy->target, &options, inputs, count, &answer, NULL),
                     ERR_OK);
    ck_assert_uint_eq(answer.count, count);
    return answer;
}

static const struct score_options usual = {.bos = true, .eos = true};

START_TEST(a_sentence)
{
    struct toy *toy = abc();
    const char *text = "a b";
    struct score_answer answer = score(toy, usual, &text, 1);
    const struct score_sums *sums = &answer.results[0].sums;
    double logprob = log(0.5 * 0.5 * 0.875);
    near_to(sums->logprob, logprob, 1e-6);
    near_to(sums->logprob_no_oov, logprob, 1e-6);
    ck_assert_uint_eq(sums->tokens_scored, 3);
    ck_assert_uint_eq(sums->oov_count, 0);
    near_to(sums->perplexity, exp(-logprob / 3), 1e-6);
    near_to(sums->perplexity_no_oov, sums->perplexity, 1e-9);
    near_to(sums->bits_per_token, -logprob / 3 / log(2), 1e-6);
    ck_assert_ptr_null(answer.results[0].tokens);
    score_answer_fini(&answer);
    toy_free(toy);
}
END_TEST

START_TEST(with_and_without_the_ends)
{
    struct toy *toy = abc();
    const char *text = "a b";
    struct score_options options = {.bos = false, .eos = true};
    struct score_answer answer = score(toy, options, &text, 1);
    near_to(answer.total.logprob, log(0.0625 * 0.5 * 0.875), 1e-6);
    score_answer_fini(&answer);
    options = (struct score_options){.bos = true, .eos = false};
    answer = score(toy, options, &text, 1);
    near_to(answer.total.logprob, log(0.25), 1e-6);
    ck_assert_uint_eq(answer.total.tokens_scored, 2);
    score_answer_fini(&answer);
    toy_free(toy);
}
END_TEST

START_TEST(an_empty_text_is_its_end)
{
    struct toy *toy = abc();
    const char *text = "";
    struct score_answer answer = score(toy, usual, &text, 1);
    ck_assert_uint_eq(answer.total.tokens_scored, 1);
    ck_assert(isinf(answer.total.logprob)); /* p(</s> | <s>) = 0 here */
    ck_assert(isinf(answer.total.perplexity));
    score_answer_fini(&answer);
    struct score_options options = {.bos = true};
    answer = score(toy, options, &text, 1);
    ck_assert_uint_eq(answer.total.tokens_scored, 0);
    ck_assert_double_eq(answer.total.logprob, 0);
    ck_assert(isnan(answer.total.perplexity));
    score_answer_fini(&answer);
    answer = score(toy, usual, NULL, 0);
    ck_assert_uint_eq(answer.count, 0);
    score_answer_fini(&answer);
    toy_free(toy);
}
END_TEST

START_TEST(unknown_words_three_ways)
{
    struct toy *toy = abc();
    const char *text = "a zebra b";
    struct score_options options = usual;
    struct score_answer answer = score(toy, options, &text, 1);
    double known = log(0.5 * 0.5 * 0.875), all = known + log(0.25);
    near_to(answer.total.logprob, all, 1e-6);
    near_to(answer.total.logprob_no_oov, known, 1e-6);
    ck_assert_uint_eq(answer.total.tokens_scored, 4);
    ck_assert_uint_eq(answer.total.oov_count, 1);
    near_to(answer.total.perplexity, exp(-all / 4), 1e-6);
    near_to(answer.total.perplexity_no_oov, exp(-known / 3), 1e-6);
    score_answer_fini(&answer);
    options.oov = SCORE_OOV_SKIP;
    answer = score(toy, options, &text, 1);
    near_to(answer.total.logprob, known, 1e-6);
    ck_assert_uint_eq(answer.total.tokens_scored, 3);
    ck_assert_uint_eq(answer.total.oov_count, 1);
    near_to(answer.total.perplexity, exp(-known / 3), 1e-6);
    score_answer_fini(&answer);
    toy_free(toy);
}
END_TEST

START_TEST(unknown_words_refused_by_name)
{
    struct toy *toy = abc();
    struct span inputs[] = {span_of_text("a b"), span_of_text("zebra a yak")};
    struct score_options options = {.bos = true, .eos = true, .oov = SCORE_OOV_ERROR};
    struct score_answer answer;
    struct err_info info = {0};
    ck_assert_int_eq(infer_score(&toy->target, &options, inputs, 2, &answer, &info),
                     ERR_UNKNOWN_WORDS);
    ck_assert_ptr_nonnull(strstr(info.message, "\"zebra\""));
    ck_assert_ptr_nonnull(strstr(info.message, "\"yak\""));
    ck_assert_str_eq(info.pointer, "/inputs/1");
    ck_assert_ptr_null(answer.results);
    ck_assert_int_eq(infer_score(&toy->target, &options, inputs, 1, &answer, NULL),
                     ERR_OK);
    score_answer_fini(&answer);
    toy_free(toy);
}
END_TEST

/* However many and long, the message is whole characters and counts the rest. */
START_TEST(many_unknown_words_stay_one_message)
{
    struct toy *toy = abc();
    char text[4000] = "";
    for (int i = 0; i < 40; i++)
        strcat(text, "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
                     "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
                     "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9x ");
    struct span input = span_of_text(text);
    struct score_options options = {.oov = SCORE_OOV_ERROR};
    struct score_answer answer;
    struct err_info info = {0};
    ck_assert_int_eq(infer_score(&toy->target, &options, &input, 1, &answer, &info),
                     ERR_UNKNOWN_WORDS);
    ck_assert_ptr_nonnull(strstr(info.message, " more"));
    ck_assert_ptr_null(strstr(info.message, "\xc3\""));
    toy_free(toy);
}
END_TEST

START_TEST(a_literal_unk_is_an_ordinary_word)
{
    struct toy *toy = abc();
    const char *text = "a <unk> b";
    struct score_answer answer = score(toy, usual, &text, 1);
    near_to(answer.total.logprob, log(0.5 * 0.25 * 0.5 * 0.875), 1e-6);
    near_to(answer.total.logprob_no_oov, answer.total.logprob, 1e-9);
    ck_assert_uint_eq(answer.total.oov_count, 0);
    score_answer_fini(&answer);
    toy_free(toy);
}
END_TEST

START_TEST(tokens_in_detail)
{
    struct toy *toy = abc();
    const char *texts[] = {"b", "  a zebra yak", "zebra"};
    struct score_options options = {.bos = true, .eos = true, .tokens = true};
    struct score_answer answer = score(toy, options, texts, 3);
    const struct score_result *second = &answer.results[1];
    ck_assert_uint_eq(second->token_count, 4);
    static const char *const words[] = {"a", "zebra", "yak", "</s>"};
    static const size_t offsets[] = {2, 4, 10, 13};
    static const bool oov[] = {false, true, true, false};
    for (size_t i = 0; i < 4; i++) {
        ck_assert(span_equal(second->tokens[i].text, span_of_text(words[i])));
        ck_assert_uint_eq(second->tokens[i].offset, offsets[i]);
        ck_assert(second->tokens[i].oov == oov[i]);
        ck_assert_uint_eq(second->tokens[i].order, 2);
    }
    near_to((double)second->tokens[0].logprob, log(0.5), 1e-6);
    ck_assert_uint_eq(second->tokens[1].token, VOCAB_UNK);
    ck_assert(span_equal(answer.results[2].tokens[0].text, span_of_text("zebra")));
    score_answer_fini(&answer);
    toy_free(toy);
}
END_TEST

START_TEST(totals_add_up)
{
    struct toy *toy = abc();
    const char *texts[] = {"a b", "b a b", "a zebra"};
    struct score_answer answer = score(toy, usual, texts, 3);
    double sum = 0;
    for (size_t i = 0; i < 3; i++)
        sum += answer.results[i].sums.logprob;
    near_to(answer.total.logprob, sum, 1e-9);
    ck_assert_uint_eq(answer.total.tokens_scored, 3 + 4 + 3);
    ck_assert_uint_eq(answer.total.oov_count, 1);
    near_to(answer.total.perplexity, exp(-sum / 10), 1e-6);
    ck_assert_int_eq(toy->scored, 1); /* one call for all */
    score_answer_fini(&answer);
    toy_free(toy);
}
END_TEST

UNIT_SUITE(infer_score)
{
    tcase_add_test(unit, a_sentence);
    tcase_add_test(unit, with_and_without_the_ends);
    tcase_add_test(unit, an_empty_text_is_its_end);
    tcase_add_test(unit, unknown_words_three_ways);
    tcase_add_test(unit, unknown_words_refused_by_name);
    tcase_add_test(unit, many_unknown_words_stay_one_message);
    tcase_add_test(unit, a_literal_unk_is_an_ordinary_word);
    tcase_add_test(unit, tokens_in_detail);
    tcase_add_test(unit, totals_add_up);
}

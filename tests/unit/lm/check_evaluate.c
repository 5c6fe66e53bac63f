/* SPDX-License-Identifier: MIT */
/* Perplexity of a corpus: the same whatever the number of threads. */
#include "tests/support/unit.h"

#include <math.h>
#include <string.h>

#include "base/buffer.h"
#include "model/lm/evaluate.h"
#include "model/train.h"
#include "tests/unit/lm/toy.h"

static struct toy *abc(void)
{
    struct toy *toy = toy_new(UNIT_WHITESPACE, "a|b|c", false);
    toy_row(toy, "<s>", "a 0.5 b 0.25 <unk> 0.25");
    toy_row(toy, "a", "a 0.5 </s> 0.25 <unk> 0.25");
    toy_row(toy, "<unk>", "</s> 0.5 a 0.25 <unk> 0.25");
    return toy;
}

START_TEST(by_hand)
{
    struct toy *toy = abc();
    struct evaluation evaluation;
    ck_assert_int_eq(evaluate_perplexity(&toy->lm, toy->tokenizer, toy->vocab,
                                         span_of_text("a a\n\na <unk>\nzebra\n"), 1, NULL,
                                         &evaluation),
                     ERR_OK);
    double known = log(0.5 * 0.5 * 0.25) + log(0.5 * 0.5) + log(0.5);
    ck_assert_uint_eq(evaluation.segments, 3);
    ck_assert_uint_eq(evaluation.tokens, 8);
    ck_assert_uint_eq(evaluation.unk, 2);
    near_to(evaluation.logprob_no_unk, known, 1e-6);
    near_to(evaluation.logprob, known + 2 * log(0.25), 1e-6);
    near_to(evaluation.perplexity, exp(-evaluation.logprob / 8), 1e-9);
    near_to(evaluation.perplexity_no_unk, exp(-known / 6), 1e-6);
    toy_free(toy);
}
END_TEST

START_TEST(threads_agree)
{
    struct toy *toy = abc();
    struct buffer text;
    struct evaluation one, many;
    buffer_init(&text, 1 << 24);
    toy_random_lines(&text, 5000, 30, "q "); /* several blocks */
    struct span corpus = span_of(text.bytes, text.size);
    ck_assert_int_eq(
        evaluate_perplexity(&toy->lm, toy->tokenizer, toy->vocab, corpus, 1, NULL, &one),
        ERR_OK);
    for (unsigned threads = 2; threads <= 7; threads++) {
        ck_assert_int_eq(evaluate_perplexity(&toy->lm, toy->tokenizer, toy->vocab, corpus,
                                             threads, NULL, &many),
                         ERR_OK);
        ck_assert_uint_eq(many.tokens, one.tokens);
        ck_assert_uint_eq(many.unk, one.unk);
        ck_assert_uint_eq(many.segments, one.segments);
        near_to(many.logprob / one.logprob, 1, 1e-12);
    }
    buffer_fini(&text);
    toy_free(toy);
}
END_TEST

/* One segment larger than any block. */
START_TEST(a_huge_segment)
{
    struct toy *toy = abc();
    struct buffer text;
    struct evaluation evaluation;
    buffer_init(&text, 1 << 24);
    for (int i = 0; i < 100000; i++)
        buffer_append_text(&text, "a ");
    ck_assert_int_eq(evaluate_perplexity(&toy->lm, toy->tokenizer, toy->vocab,
                                         span_of(text.bytes, text.size), 2, NULL,
                                         &evaluation),
                     ERR_OK);
    ck_assert_uint_eq(evaluation.tokens, 100001);
    near_to(evaluation.logprob, 100000 * log(0.5) + log(0.25), 0.1);
    buffer_fini(&text);
    toy_free(toy);
}
END_TEST

START_TEST(of_nothing)
{
    struct toy *toy = abc();
    struct evaluation evaluation;
    struct train_result result = {0};
    ck_assert_int_eq(evaluate_perplexity(&toy->lm, toy->tokenizer, toy->vocab,
                                         span_of_text("\n\n"), 2, NULL, &evaluation),
                     ERR_OK);
    ck_assert_uint_eq(evaluation.tokens, 0);
    ck_assert(isnan(evaluation.perplexity));
    ck_assert_int_eq(train_evaluate(&toy->lm, toy->tokenizer, toy->vocab,
                                    span_of_text(""), 1, NULL, &result),
                     ERR_OK);
    ck_assert_uint_eq(result.metric_count, 0);
    ck_assert_int_eq(train_evaluate(&toy->lm, toy->tokenizer, toy->vocab,
                                    span_of_text("a"), 1, NULL, &result),
                     ERR_OK);
    ck_assert_str_eq(result.metrics[0].name, "valid_perplexity");
    near_to(result.metrics[0].value, exp(-log(0.125) / 2), 1e-6);
    toy_free(toy);
}
END_TEST

static enum progress_answer stop(void *context, const struct progress_report *report)
{
    double *fraction = context;
    ck_assert_double_ge(report->fraction, 0);
    ck_assert_double_le(report->fraction, 1);
    *fraction = report->fraction;
    return PROGRESS_STOP;
}

START_TEST(can_be_stopped)
{
    struct toy *toy = abc();
    struct buffer text;
    struct evaluation evaluation;
    struct train_result result = {0};
    double fraction = -1;
    struct progress progress = {.context = &fraction, .report = stop};
    buffer_init(&text, 1 << 24);
    toy_random_lines(&text, 9000, 30, "q ");
    struct span corpus = span_of(text.bytes, text.size);
    for (unsigned threads = 1; threads < 4; threads++)
        ck_assert_int_eq(evaluate_perplexity(&toy->lm, toy->tokenizer, toy->vocab, corpus,
                                             threads, &progress, &evaluation),
                         ERR_CANCELLED);
    ck_assert_double_gt(fraction, 0);
    ck_assert_int_eq(train_evaluate(&toy->lm, toy->tokenizer, toy->vocab, corpus, 1,
                                    &progress, &result),
                     ERR_CANCELLED);
    ck_assert_double_ge(fraction, 0.9);
    buffer_fini(&text);
    toy_free(toy);
}
END_TEST

UNIT_SUITE(evaluate)
{
    tcase_add_test(unit, by_hand);
    tcase_add_test(unit, threads_agree);
    tcase_add_test(unit, a_huge_segment);
    tcase_add_test(unit, of_nothing);
    tcase_add_test(unit, can_be_stopped);
}

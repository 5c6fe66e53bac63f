/* SPDX-License-Identifier: MIT */
/* Scoring a stream gives what scoring its lines gives, however the bytes arrive. */
#include "tests/support/unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/random.h"
#include "model/lm/score_stream.h"
#include "tests/unit/lm/toy.h"

static struct toy *abc(void)
{
    struct toy *toy = toy_new(UNIT_WHITESPACE, "a|b|c", false);
    toy_row(toy, "<s>", "a 0.5 b 0.25 <unk> 0.125 </s> 0.125");
    toy_row(toy, "a", "a 0.5 </s> 0.25 <unk> 0.25");
    toy_row(toy, "<unk>", "a 0.25 b 0.25 </s> 0.25 <unk> 0.25");
    return toy;
}

/* Hands out a text in pieces of at most `piece` bytes. */
struct dripping {
    struct span left;
    size_t piece;
};
static enum err drip(void *context, void *bytes, size_t size, size_t *got)
{
    struct dripping *dripping = context;
    size_t part = dripping->piece < size ? dripping->piece : size;
    *got = part < dripping->left.size ? part : dripping->left.size;
    if (*got > 0)
        memcpy(bytes, dripping->left.bytes, *got);
    dripping->left = span_of(dripping->left.bytes + *got, dripping->left.size - *got);
    return ERR_OK;
}

struct collected {
    const struct toy *toy;
    const char *const *lines; /* expected, or NULL */
    uint64_t count;
    double logprob;
    uint64_t stop_at;
};
static enum err collect(void *context, const struct score_line *line)
{
    struct collected *collected = context;
    struct score_options options = {.bos = true, .eos = true};
    struct score_answer answer;
    ck_assert_uint_eq(line->number, ++collected->count);
    if (collected->lines)
        ck_assert(
            span_equal(line->text, span_of_text(collected->lines[collected->count - 1])));
    ck_assert_int_eq(
        infer_score(&collected->toy->target, &options, &line->text, 1, &answer, NULL),
        ERR_OK);
    near_to(line->result->sums.logprob, answer.total.logprob, 1e-9);
    ck_assert_uint_eq(line->result->sums.tokens_scored, answer.total.tokens_scored);
    ck_assert_uint_eq(line->result->sums.oov_count, answer.total.oov_count);
    collected->logprob += answer.total.logprob;
    score_answer_fini(&answer);
    return collected->count == collected->stop_at ? ERR_CANCELLED : ERR_OK;
}

static enum err run(const struct toy *toy, struct span text, size_t piece,
                    struct collected *collected, struct score_sums *total,
                    struct err_info *info)
{
    struct dripping dripping = {text, piece};
    struct reader reader = {&dripping, drip};
    struct score_options options = {.bos = true, .eos = true};
    return score_stream(&toy->target, &options, &reader, collected ? collect : NULL,
                        collected, total, info);
}

START_TEST(every_line_is_a_segment)
{
    struct toy *toy = abc();
    static const char *const lines[] = {"a a", "", "zebra", "a. b", "a"};
    struct collected collected = {.toy = toy, .lines = lines};
    struct score_sums total;
    struct span text = span_of_text("a a\n\nzebra\r\na. b\na");
    for (size_t piece = 1; piece < 20; piece += 3) {
        collected.count = 0;
        ck_assert_int_eq(run(toy, text, piece, &collected, &total, NULL), ERR_OK);
        ck_assert_uint_eq(collected.count, 5);
        ck_assert_uint_eq(total.tokens_scored, 3 + 1 + 2 + 3 + 2);
        ck_assert_uint_eq(total.oov_count, 2);
    }
    collected.count = 0;
    ck_assert_int_eq(run(toy, span_of_text(""), 5, &collected, &total, NULL), ERR_OK);
    ck_assert_uint_eq(collected.count, 0);
    ck_assert_uint_eq(total.tokens_scored, 0);
    toy_free(toy);
}
END_TEST

START_TEST(many_blocks_and_totals)
{
    struct toy *toy = abc();
    struct buffer text;
    struct collected collected = {.toy = toy};
    struct score_sums with, without;
    buffer_init(&text, 1 << 24);
    toy_random_lines(&text, 20000, 40, "qqq ");
    struct span all = span_of(text.bytes, text.size);
    ck_assert_uint_gt(all.size, 512 << 10);
    ck_assert_int_eq(run(toy, all, 100000, &collected, &with, NULL), ERR_OK);
    ck_assert_uint_eq(collected.count, 20000);
    near_to(with.logprob, collected.logprob, 1e-6);
    ck_assert_int_eq(run(toy, all, 3777, NULL, &without, NULL), ERR_OK);
    near_to(with.logprob, without.logprob, 1e-6);
    ck_assert_uint_eq(with.tokens_scored, without.tokens_scored);
    near_to(with.perplexity, exp(-with.logprob / (double)with.tokens_scored), 1e-9);
    buffer_fini(&text);
    toy_free(toy);
}
END_TEST

/* Lines of odd spaces, spelled-out and unknown words, for every unit: the fast way for
 * blocks agrees with line by line (collect compares them). */
START_TEST(blocks_agree_with_lines)
{
    static const char *const pieces[] = {
        "a",       " ",      "\n",       "\n",           "<unk>",
        " <unk> ", "zebra",  "\xc2\xa0", "\xe2\x80\xa8", "\t",
        "\r\n",    "x<unk>", "<unk>y",   "</s>",         " </s> ",
        "<s>",     " \r\n",  "b",        " a ",          "\v",
        "\f"};
    static const enum text_unit units[] = {UNIT_WHITESPACE, UNIT_WORD, UNIT_CHAR};
    struct random random;
    random_seed(&random, 11, 0);
    for (int round = 0; round < 600; round++) {
        struct toy *toy = toy_new(units[round % 3], "a|b", false);
        struct collected collected = {.toy = toy};
        struct score_sums total;
        struct buffer text;
        buffer_init(&text, 1 << 16);
        for (uint64_t left = random_below(&random, 40); left > 0; left--)
            buffer_append_text(&text, pieces[random_below(&random, 21)]);
        ck_assert_int_eq(
            run(toy, span_of(text.bytes, text.size), 1 << 16, &collected, &total, NULL),
            ERR_OK);
        buffer_fini(&text);
        toy_free(toy);
    }
}
END_TEST

START_TEST(a_line_longer_than_a_block)
{
    struct toy *toy = abc();
    struct buffer text;
    struct score_sums total;
    buffer_init(&text, 1 << 24);
    for (int i = 0; i < 300000; i++)
        buffer_append_text(&text, "a ");
    buffer_append_text(&text, "\na\n");
    ck_assert_int_eq(
        run(toy, span_of(text.bytes, text.size), 1 << 20, NULL, &total, NULL), ERR_OK);
    ck_assert_uint_eq(total.tokens_scored, 300001 + 2);
    buffer_fini(&text);
    toy_free(toy);
}
END_TEST

/* A pipe that brings a line now and then: each is answered before the next is waited for.
 */
struct pipe {
    struct collected *collected;
    int lines;
};
static enum err bring_line(void *context, void *bytes, size_t size, size_t *got)
{
    struct pipe *pipe = context;
    ck_assert_uint_eq(pipe->collected->count, (uint64_t)pipe->lines);
    ck_assert_uint_ge(size, 2);
    memcpy(bytes, "a\n", 2);
    *got = pipe->lines++ < 5 ? 2 : 0;
    return ERR_OK;
}

START_TEST(slow_lines_are_answered_as_they_come)
{
    struct toy *toy = abc();
    struct collected collected = {.toy = toy};
    struct pipe pipe = {&collected, 0};
    struct reader reader = {&pipe, bring_line};
    struct score_options options = {.bos = true, .eos = true};
    struct score_sums total;
    ck_assert_int_eq(
        score_stream(&toy->target, &options, &reader, collect, &collected, &total, NULL),
        ERR_OK);
    ck_assert_uint_eq(collected.count, 5);
    toy_free(toy);
}
END_TEST

START_TEST(a_bad_byte_is_placed)
{
    struct toy *toy = abc();
    struct buffer text;
    struct score_sums total;
    struct err_info info = {0};
    buffer_init(&text, 1 << 24);
    toy_random_lines(&text, 20000, 40, "qqq ");
    size_t offset = text.size + 2;
    buffer_append_text(&text, "a \xff\n");
    ck_assert_int_eq(run(toy, span_of(text.bytes, text.size), 65536, NULL, &total, &info),
                     ERR_BAD_UTF8);
    ck_assert_uint_eq(info.offset, offset);
    ck_assert_uint_eq(info.line, 20001);
    buffer_fini(&text);
    toy_free(toy);
}
END_TEST

START_TEST(unknown_words_are_refused_with_their_line)
{
    struct toy *toy = abc();
    struct dripping dripping = {span_of_text("a\nb\na zebra\n"), 100};
    struct reader reader = {&dripping, drip};
    struct score_options options = {.bos = true, .eos = true, .oov = SCORE_OOV_ERROR};
    struct score_sums total;
    struct err_info info = {0};
    ck_assert_int_eq(
        score_stream(&toy->target, &options, &reader, NULL, NULL, &total, &info),
        ERR_UNKNOWN_WORDS);
    ck_assert_uint_eq(info.line, 3);
    ck_assert_ptr_nonnull(strstr(info.message, "zebra"));
    toy_free(toy);
}
END_TEST

START_TEST(the_callback_can_end_it)
{
    struct toy *toy = abc();
    struct collected collected = {.toy = toy, .stop_at = 2};
    struct score_sums total;
    ck_assert_int_eq(run(toy, span_of_text("a\nb\nc\n"), 100, &collected, &total, NULL),
                     ERR_CANCELLED);
    ck_assert_uint_eq(collected.count, 2);
    toy_free(toy);
}
END_TEST

UNIT_SUITE(score_stream)
{
    tcase_add_test(unit, every_line_is_a_segment);
    tcase_add_test(unit, many_blocks_and_totals);
    tcase_add_test(unit, blocks_agree_with_lines);
    tcase_add_test(unit, a_line_longer_than_a_block);
    tcase_add_test(unit, slow_lines_are_answered_as_they_come);
    tcase_add_test(unit, a_bad_byte_is_placed);
    tcase_add_test(unit, unknown_words_are_refused_with_their_line);
    tcase_add_test(unit, the_callback_can_end_it);
}

/* SPDX-License-Identifier: MIT */
/* /generate: greedy by hand, seeds, stops, streaming that adds up to the text. */
#include "tests/support/unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/utf8.h"
#include "model/lm/infer_generate.h"
#include "tests/unit/lm/toy.h"

static struct toy *abc(void)
{
    struct toy *toy = toy_new(UNIT_WHITESPACE, "a|b|c", false);
    toy_row(toy, "<s>", "a 0.75 b 0.25");
    toy_row(toy, "a", "b 0.5 a 0.25 </s> 0.25");
    toy_row(toy, "b", "c 0.75 a 0.25");
    toy_row(toy, "c", "a 0.5 </s> 0.25 <unk> 0.25");
    return toy;
}

static struct generate_request usual(const char *prompt, size_t max_tokens)
{
    return (struct generate_request){.prompt = span_of_text(prompt),
                                     .max_tokens = max_tokens,
                                     .temperature = 1,
                                     .top_p = 1,
                                     .seed = 7,
                                     .n = 1};
}

static struct generate_answer generate(const struct toy *toy,
                                       const struct generate_request *request)
{
    struct generate_answer answer;
    ck_assert_int_eq(infer_generate(&toy->target, request, &answer, NULL), ERR_OK);
    ck_assert_uint_eq(answer.count, request->n);
    return answer;
}

START_TEST(greedy_follows_the_likeliest)
{
    struct toy *toy = abc();
    struct generate_request request = usual("", 6);
    request.temperature = 0;
    struct generate_answer answer = generate(toy, &request);
    ck_assert_str_eq(answer.outputs[0].text, "a b c a b c");
    ck_assert_int_eq(answer.outputs[0].finish, GENERATE_LENGTH);
    near_to(answer.outputs[0].logprob, log(0.75 * 0.5 * 0.75 * 0.5 * 0.5 * 0.75), 1e-5);
    ck_assert_uint_eq(answer.output_tokens, 6);
    ck_assert_uint_eq(answer.outputs[0].tokens[1].text_offset, 1);
    generate_answer_fini(&answer);
    toy_free(toy);
}
END_TEST

START_TEST(a_prompt_is_continued)
{
    struct toy *toy = abc();
    struct generate_request request = usual("a b", 2);
    request.temperature = 0;
    struct generate_answer answer = generate(toy, &request);
    ck_assert_str_eq(answer.outputs[0].text, " c a");
    ck_assert_uint_eq(answer.prompt_tokens, 2);
    generate_answer_fini(&answer);
    request.prompt = span_of_text("zebra b ");
    answer = generate(toy, &request);
    ck_assert_str_eq(answer.outputs[0].text, "c a");
    generate_answer_fini(&answer);
    toy_free(toy);
}
END_TEST

START_TEST(seeds_repeat_and_differ)
{
    struct toy *toy = abc();
    struct generate_request request = usual("", 30);
    request.n = 7;
    struct generate_answer first = generate(toy, &request), again;
    again = generate(toy, &request);
    int same = 0;
    for (size_t i = 0; i < 7; i++) {
        ck_assert_str_eq(first.outputs[i].text, again.outputs[i].text);
        same += strcmp(first.outputs[i].text, first.outputs[(i + 1) % 7].text) == 0;
    }
    ck_assert_int_lt(same, 7);
    generate_answer_fini(&again);
    request.n = 3; /* an output does not depend on how many there are */
    again = generate(toy, &request);
    for (size_t i = 0; i < 3; i++)
        ck_assert_str_eq(first.outputs[i].text, again.outputs[i].text);
    generate_answer_fini(&again);
    request.seed = 8;
    again = generate(toy, &request);
    ck_assert(strcmp(first.outputs[0].text, again.outputs[0].text) != 0 ||
              strcmp(first.outputs[1].text, again.outputs[1].text) != 0);
    generate_answer_fini(&again);
    generate_answer_fini(&first);
    toy_free(toy);
}
END_TEST

START_TEST(the_end_ends_it)
{
    struct toy *toy = toy_new(UNIT_WHITESPACE, "a|b", false);
    toy_row(toy, "<s>", "a 1");
    toy_row(toy, "a", "</s> 1");
    struct generate_request request = usual("", 10);
    struct generate_answer answer = generate(toy, &request);
    ck_assert_str_eq(answer.outputs[0].text, "a");
    ck_assert_int_eq(answer.outputs[0].finish, GENERATE_EOS);
    ck_assert_uint_eq(answer.outputs[0].token_count, 1);
    ck_assert_str_eq(generate_finish_names[answer.outputs[0].finish], "eos");
    generate_answer_fini(&answer);
    request.max_tokens = 0;
    answer = generate(toy, &request);
    ck_assert_str_eq(answer.outputs[0].text, "");
    ck_assert_int_eq(answer.outputs[0].finish, GENERATE_LENGTH);
    generate_answer_fini(&answer);
    toy_free(toy);
}
END_TEST

/* <unk> has a quarter after c, yet is drawn only when asked for; <s> never is. */
START_TEST(unk_and_bos_are_no_text)
{
    struct toy *toy = abc();
    toy->table[(size_t)toy_id(toy, "c") * toy->lm.vocab_size + VOCAB_BOS] = 0.5;
    struct generate_request request = usual("", 400);
    request.n = 20;
    for (int unknown = 0; unknown < 2; unknown++) {
        int unks = 0;
        request.unknown = unknown;
        struct generate_answer answer = generate(toy, &request);
        for (size_t i = 0; i < answer.count; i++)
            for (size_t j = 0; j < answer.outputs[i].token_count; j++) {
                ck_assert_uint_ne(answer.outputs[i].tokens[j].token, VOCAB_BOS);
                unks += answer.outputs[i].tokens[j].token == VOCAB_UNK;
            }
        ck_assert_int_eq(unks > 0, unknown);
        generate_answer_fini(&answer);
    }
    toy_free(toy);
}
END_TEST

/* ---- stops ---- */

static void check_stop(const char *stop, const char *text, enum generate_finish finish)
{
    struct toy *toy = abc();
    struct span stops[] = {span_of_text("never"), span_of_text(stop)};
    struct generate_request request = usual("", 6);
    request.temperature = 0;
    request.stops = stops;
    request.stop_count = 2;
    struct generate_answer answer = generate(toy, &request);
    ck_assert_str_eq(answer.outputs[0].text, text);
    ck_assert_uint_eq(answer.outputs[0].size, strlen(text));
    ck_assert_int_eq(answer.outputs[0].finish, finish);
    for (size_t i = 0; i < answer.outputs[0].token_count; i++)
        ck_assert_uint_le(answer.outputs[0].tokens[i].text_offset, strlen(text));
    generate_answer_fini(&answer);
    toy_free(toy);
}

START_TEST(stop_strings)
{
    check_stop("c", "a b ", GENERATE_STOP);
    check_stop("b c a", "a ", GENERATE_STOP); /* spans tokens */
    check_stop(" c a b c", "a b", GENERATE_STOP);
    check_stop("a", "", GENERATE_STOP);
    check_stop("c a b c a", "a b c a b c", GENERATE_LENGTH); /* begins, never ends */
    check_stop("x", "a b c a b c", GENERATE_LENGTH);
}
END_TEST

START_TEST(the_first_of_several_stops_counts)
{
    struct toy *toy = abc();
    struct span stops[] = {span_of_text("c a"), span_of_text(" c"), span_of_text("b c")};
    struct generate_request request = usual("", 6);
    request.temperature = 0;
    request.stops = stops;
    request.stop_count = 3;
    struct generate_answer answer = generate(toy, &request);
    ck_assert_str_eq(answer.outputs[0].text, "a "); /* "b c" begins first */
    generate_answer_fini(&answer);
    toy_free(toy);
}
END_TEST

/* ---- streaming ---- */

struct listening {
    struct buffer texts[GENERATE_OUTPUTS_MAX];
    bool finished[GENERATE_OUTPUTS_MAX];
    size_t tokens[GENERATE_OUTPUTS_MAX];
    enum generate_finish finish[GENERATE_OUTPUTS_MAX];
    size_t events, leave_after;
};

static bool listen(void *context, const struct generate_event *event)
{
    struct listening *listening = context;
    ck_assert(!listening->finished[event->output]);
    ck_assert_uint_eq(utf8_check(event->text), event->text.size);
    buffer_append(&listening->texts[event->output], event->text.bytes, event->text.size);
    listening->finished[event->output] = event->finished;
    listening->finish[event->output] = event->finish;
    listening->tokens[event->output] += event->has_token;
    return ++listening->events != listening->leave_after;
}

static void check_streamed(const struct toy *toy, struct generate_request *request)
{
    struct listening *listening = calloc(1, sizeof *listening);
    for (size_t i = 0; i < GENERATE_OUTPUTS_MAX; i++)
        buffer_init(&listening->texts[i], 1 << 20);
    request->event = listen;
    request->context = listening;
    struct generate_answer answer = generate(toy, request);
    for (size_t i = 0; i < answer.count; i++) {
        const struct generate_output *output = &answer.outputs[i];
        ck_assert(listening->finished[i]);
        ck_assert_int_eq(listening->finish[i], output->finish);
        ck_assert_uint_eq(listening->tokens[i], output->token_count);
        ck_assert_uint_eq(listening->texts[i].size, output->size);
        ck_assert_mem_eq(listening->texts[i].bytes ? listening->texts[i].bytes : "",
                         output->text, output->size);
    }
    generate_answer_fini(&answer);
    for (size_t i = 0; i < GENERATE_OUTPUTS_MAX; i++)
        buffer_fini(&listening->texts[i]);
    free(listening);
}

START_TEST(streamed_pieces_make_the_text)
{
    struct toy *toy = abc();
    static const char *const stops[] = {"a a a", "c a b c a b", "b c ", " "};
    for (size_t s = 0; s < 4; s++)
        for (uint64_t seed = 0; seed < 30; seed++) {
            struct span stop = span_of_text(stops[s]);
            struct generate_request request = usual(seed % 2 ? "b" : "", 40);
            request.seed = seed;
            request.n = 1 + seed % 9;
            request.stops = &stop;
            request.stop_count = seed % 3 ? 1 : 0;
            check_streamed(toy, &request);
        }
    toy_free(toy);
}
END_TEST

START_TEST(stops_within_one_token_when_nobody_listens)
{
    struct toy *toy = abc();
    struct listening *listening = calloc(1, sizeof *listening);
    for (size_t i = 0; i < GENERATE_OUTPUTS_MAX; i++)
        buffer_init(&listening->texts[i], 1 << 20);
    struct generate_request request = usual("", 1000000);
    struct generate_answer answer;
    listening->leave_after = 3;
    request.temperature = 0;
    request.event = listen;
    request.context = listening;
    ck_assert_int_eq(infer_generate(&toy->target, &request, &answer, NULL),
                     ERR_CANCELLED);
    ck_assert_uint_eq(listening->events, 3);
    ck_assert_ptr_null(answer.outputs);
    for (size_t i = 0; i < GENERATE_OUTPUTS_MAX; i++)
        buffer_fini(&listening->texts[i]);
    free(listening);
    toy_free(toy);
}
END_TEST

/* Tokens that are parts of a character: only whole ones are told, the rest is U+FFFD. */
START_TEST(characters_in_parts)
{
    struct toy *toy = toy_new(UNIT_CHAR, "\xc3|\xa9|x|\xff", false);
    uint32_t lead = toy_id(toy, "\xc3"), tail = toy_id(toy, "\xa9");
    uint32_t x = toy_id(toy, "x"), never = toy_id(toy, "\xff"), size = toy->lm.vocab_size;
    memset(toy->table, 0, size * size * sizeof *toy->table);
    toy->table[VOCAB_BOS * size + lead] = 1;
    toy->table[lead * size + tail] = 1;
    toy->table[tail * size + x] = 1;
    toy->table[x * size + never] = 1;
    toy->table[never * size + lead] = 1;
    static const char *const texts[] = {
        "",          "\xef\xbf\xbd",          "\xc3\xa9",
        "\xc3\xa9x", "\xc3\xa9x\xef\xbf\xbd", "\xc3\xa9x\xef\xbf\xbd\xef\xbf\xbd"};
    for (size_t length = 0; length <= 5; length++) {
        struct generate_request request = usual("", length);
        struct generate_answer answer = generate(toy, &request);
        ck_assert_str_eq(answer.outputs[0].text, texts[length]);
        generate_answer_fini(&answer);
        check_streamed(toy, &request);
    }
    toy_free(toy);
}
END_TEST

START_TEST(long_outputs_keep_their_spacing)
{
    struct toy *toy = toy_new(UNIT_WHITESPACE, "a", false);
    toy_row(toy, "<s>", "a 1");
    toy_row(toy, "a", "a 1");
    struct generate_request request = usual("", 2000);
    struct generate_answer answer = generate(toy, &request);
    ck_assert_uint_eq(answer.outputs[0].size, 2 * 2000 - 1);
    for (size_t i = 0; i < answer.outputs[0].size; i++)
        ck_assert_int_eq(answer.outputs[0].text[i], i % 2 ? ' ' : 'a');
    generate_answer_fini(&answer);
    toy_free(toy);
}
END_TEST

START_TEST(alternatives_are_the_models_own)
{
    struct toy *toy = abc();
    struct generate_request request = usual("a b", 1);
    request.temperature = 0;
    request.top_logprobs = 3;
    struct generate_answer answer = generate(toy, &request);
    const struct generate_alternative *tops = answer.outputs[0].tops;
    ck_assert_uint_eq(tops[0].token, toy_id(toy, "c"));
    near_to((double)tops[0].logprob, log(0.75), 1e-6);
    ck_assert_uint_eq(tops[1].token, toy_id(toy, "a"));
    ck_assert(isinf(tops[2].logprob)); /* nothing else is possible */
    generate_answer_fini(&answer);
    toy_free(toy);
}
END_TEST

START_TEST(refuses_wrong_requests)
{
    struct toy *toy = abc();
    struct generate_answer answer;
    struct span empty = {0};
    struct generate_request wrong[8];
    for (size_t i = 0; i < 8; i++)
        wrong[i] = usual("", 3);
    wrong[0].temperature = -0.1;
    wrong[1].temperature = NAN;
    wrong[2].top_p = 1.01;
    wrong[3].top_p = NAN;
    wrong[4].n = 0;
    wrong[5].n = GENERATE_OUTPUTS_MAX + 1;
    wrong[6].top_logprobs = GENERATE_TOP_MAX + 1;
    wrong[7].stops = &empty;
    wrong[7].stop_count = 1;
    for (size_t i = 0; i < 8; i++) {
        struct err_info info = {0};
        ck_assert_int_eq(infer_generate(&toy->target, &wrong[i], &answer, &info),
                         ERR_INVALID);
        ck_assert_int_eq(info.pointer[0], '/');
    }
    toy_free(toy);
}
END_TEST

UNIT_SUITE(infer_generate)
{
    tcase_add_test(unit, greedy_follows_the_likeliest);
    tcase_add_test(unit, a_prompt_is_continued);
    tcase_add_test(unit, seeds_repeat_and_differ);
    tcase_add_test(unit, the_end_ends_it);
    tcase_add_test(unit, unk_and_bos_are_no_text);
    tcase_add_test(unit, stop_strings);
    tcase_add_test(unit, the_first_of_several_stops_counts);
    tcase_add_test(unit, streamed_pieces_make_the_text);
    tcase_add_test(unit, stops_within_one_token_when_nobody_listens);
    tcase_add_test(unit, characters_in_parts);
    tcase_add_test(unit, long_outputs_keep_their_spacing);
    tcase_add_test(unit, alternatives_are_the_models_own);
    tcase_add_test(unit, refuses_wrong_requests);
}

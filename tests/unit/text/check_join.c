/* SPDX-License-Identifier: MIT */
/* From text to tokens and back: exact where the unit allows, as print has it elsewhere.
 */
#include "tests/support/unit.h"

#include <stdlib.h>

#include "tests/unit/text/check_text.h"

#define TOKENS_MAX 8192u

/* All tokens of a text as one segment, copied; tokens[i] are views into `arena`. */
static size_t collect(const struct tokenizer *tokenizer, struct span text,
                      struct buffer *arena, struct span *tokens)
{
    struct token_cursor *cursor;
    struct token token;
    size_t count = 0, at = 0;
    buffer_init(arena, 1u << 20);
    ck_assert_int_eq(token_cursor_new(tokenizer, text, true, &cursor), ERR_OK);
    while (token_cursor_next(cursor, &token) == TOKEN_WORD) {
        ck_assert_uint_lt(count, TOKENS_MAX);
        buffer_append(arena, token.text.bytes, token.text.size);
        tokens[count++].size = token.text.size;
    }
    token_cursor_free(cursor);
    for (size_t i = 0; i < count; at += tokens[i++].size)
        tokens[i].bytes = arena->bytes + at;
    return count;
}

/* Tokens of the text, joined. */
static char *there_and_back(const struct tokenizer *tokenizer, struct span text)
{
    static struct span tokens[TOKENS_MAX];
    struct buffer arena, joined;
    size_t count = collect(tokenizer, text, &arena, tokens), size;
    buffer_init(&joined, 1u << 20);
    ck_assert_int_eq(tokenizer_join(tokenizer, tokens, count, &joined), ERR_OK);
    buffer_fini(&arena);
    char *result = buffer_release(&joined, &size);
    ck_assert_ptr_nonnull(result);
    return result;
}

static const char *const prose[] = {
    "The cat (black, old) sat; it didn't move: why?",
    "He said, \"Come in!\" and left.",
    "\"No,\" she said, \"it's John's.\"",
    "A well-known man of 35 paid $5.20, i.e. 3% more.",
    "At 10:30 they met and/or parted...",
    "Sir--I am 'tis said: 'tis true, and 'twas so.",
    "The dogs' dinner and the cats' milk.",
    "She called it 'home' again, and \"house\" too.",
    "From 1939\xe2\x80\x93"
    "1945 (see [2]) it was \xe2\x80\x9cover\xe2\x80\x9d.",
    "\xc2\xbf"
    "Qu\xc3\xa9 es? \xc2\xa1Nada! \xc3\xa0 la carte, don\xe2\x80\x99t",
    "Price: \xc2\xa3"
    "5; e-mail #1 @home, 30\xc2\xb0.",
    "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x80\x82",
    "one",
    "",
};

START_TEST(words_come_back_as_prose)
{
    struct tokenizer *tokenizer =
        text_tokenizer(UNIT_WORD, SEGMENT_LINE, false, span_of_text(""));
    char *joined = there_and_back(tokenizer, span_of_text(prose[_i]));
    ck_assert_str_eq(joined ? joined : "", prose[_i]);
    free(joined);
    tokenizer_free(tokenizer);
}
END_TEST

START_TEST(char_and_bpe_come_back_exactly)
{
    struct random random;
    random_seed(&random, 5, 0);
    for (unsigned round = 0; round < 60; round++) {
        enum text_unit unit = round % 2 ? UNIT_CHAR : UNIT_BPE;
        struct buffer learned, text;
        buffer_init(&learned, 1u << 20);
        buffer_init(&text, 1u << 20);
        text_random(&random, 500, false, &learned);
        text_random(&random, 1 + 17 * round, false, &text);
        if (round % 3 == 0)
            buffer_append(&text, "\xff\xc3\0\xe2\x82 x\xf0", 8);
        struct tokenizer *tokenizer = text_tokenizer(
            unit, SEGMENT_SENTENCE, false, span_of(learned.bytes, learned.size));
        static struct span tokens[TOKENS_MAX];
        struct buffer arena, joined;
        size_t count = collect(tokenizer, span_of(text.bytes, text.size), &arena, tokens);
        buffer_init(&joined, 1u << 20);
        ck_assert_int_eq(tokenizer_join(tokenizer, tokens, count, &joined), ERR_OK);
        ck_assert_uint_eq(joined.size, text.size);
        ck_assert_mem_eq(joined.bytes, text.bytes, text.size);
        buffer_fini(&joined);
        buffer_fini(&arena);
        buffer_fini(&learned);
        buffer_fini(&text);
        tokenizer_free(tokenizer);
    }
}
END_TEST

/* What streaming stands on. */
START_TEST(more_tokens_only_add)
{
    static const char *const words[] = {"a",
                                        "dogs",
                                        "7",
                                        "-",
                                        "'",
                                        "\"",
                                        ":",
                                        ".",
                                        "(",
                                        ")",
                                        "/",
                                        ",",
                                        "$",
                                        "tis",
                                        "'s",
                                        "\xe2\x80\x93",
                                        "\xe4\xb8\xad",
                                        "&"};
    struct random random;
    struct span tokens[40];
    struct tokenizer *tokenizer =
        text_tokenizer(UNIT_WORD, SEGMENT_LINE, false, span_of_text(""));
    random_seed(&random, 6, 0);
    for (unsigned round = 0; round < 200; round++) {
        struct buffer shorter, longer;
        buffer_init(&shorter, 4096);
        for (size_t count = 0; count < 40; count++) {
            size_t word = (size_t)random_below(&random, sizeof words / sizeof *words);
            tokens[count] = span_of_text(words[word]);
            buffer_init(&longer, 4096);
            ck_assert_int_eq(tokenizer_join(tokenizer, tokens, count + 1, &longer),
                             ERR_OK);
            ck_assert_uint_ge(longer.size, shorter.size + tokens[count].size);
            ck_assert(shorter.size == 0 ||
                      memcmp(longer.bytes, shorter.bytes, shorter.size) == 0);
            buffer_fini(&shorter);
            shorter = longer;
        }
        buffer_fini(&shorter);
    }
    tokenizer_free(tokenizer);
}
END_TEST

START_TEST(whitespace_gets_one_space)
{
    struct tokenizer *tokenizer =
        text_tokenizer(UNIT_WHITESPACE, SEGMENT_LINE, true, span_of_text(""));
    char *joined =
        there_and_back(tokenizer, span_of_text("  A\tb \xe3\x80\x80 c,  (D)\r\n"));
    ck_assert_str_eq(joined, "a b c, (d)");
    free(joined);
    tokenizer_free(tokenizer);
}
END_TEST

UNIT_SUITE(join)
{
    tcase_add_loop_test(unit, words_come_back_as_prose, 0,
                        (int)(sizeof prose / sizeof *prose));
    tcase_add_test(unit, char_and_bpe_come_back_exactly);
    tcase_add_test(unit, more_tokens_only_add);
    tcase_add_test(unit, whitespace_gets_one_space);
}

/* SPDX-License-Identifier: MIT */
/* What each unit makes of ordinary and of awkward texts, and the tokenizer's file form.
 */
#include "tests/support/unit.h"

#include <stdlib.h>

#include "model/text/bpe.h"
#include "tests/unit/text/check_text.h"

struct unit_case {
    enum text_unit unit;
    enum text_segment segment;
    bool lowercase;
    const char *text, *tokens; /* '|' between tokens, '\n' after each segment */
};

static const struct unit_case cases[] = {
    {UNIT_WHITESPACE, SEGMENT_LINE, false, "", ""},
    {UNIT_WHITESPACE, SEGMENT_LINE, false, " \t \n\n  ", ""},
    {UNIT_WHITESPACE, SEGMENT_LINE, false, "a  b.\r\nc\n", "a|b.\nc\n"},
    {UNIT_WHITESPACE, SEGMENT_LINE, false,
     "a\xc2\xa0"
     "b\xe3\x80\x80"
     "c",
     "a|b|c\n"},
    {UNIT_WHITESPACE, SEGMENT_DOCUMENT, false, "a\nb\n \t\r\n\nc", "a|b\nc\n"},
    {UNIT_WHITESPACE, SEGMENT_SENTENCE, false, "A bc. C\nd.", "A|bc.\nC|d.\n"},
    {UNIT_WHITESPACE, SEGMENT_LINE, true, "\xc3\x89T\xc3\xa9 \xce\xa3\xce\x91\xce\xa3",
     "\xc3\xa9t\xc3\xa9|\xcf\x83\xce\xb1\xcf\x82\n"},
    {UNIT_WORD, SEGMENT_LINE, false, "", ""},
    {UNIT_WORD, SEGMENT_LINE, false, "   \n \r\n", ""},
    {UNIT_WORD, SEGMENT_LINE, false, "Don't pay 3.5, 1,000 or $2!",
     "Don't|pay|3.5|,|1,000|or|$|2|!\n"},
    {UNIT_WORD, SEGMENT_LINE, false, "e.g. well-known a_b x2",
     "e.g|.|well|-|known|a_b|x2\n"},
    {UNIT_WORD, SEGMENT_LINE, false, "na\xc3\xafve e\xcc\x81t\xc3\xa9.",
     "na\xc3\xafve|e\xcc\x81t\xc3\xa9|.\n"},
    {UNIT_WORD, SEGMENT_LINE, false,
     "a\xe2\x80\x99"
     "b \xe2\x80\x9cq\xe2\x80\x9d",
     "a\xe2\x80\x99"
     "b|\xe2\x80\x9c|q|\xe2\x80\x9d\n"},
    {UNIT_WORD, SEGMENT_LINE, false, "\xe6\x97\xa5\xe6\x9c\xac \xe3\x82\xab\xe3\x83\x8a",
     "\xe6\x97\xa5|\xe6\x9c\xac|\xe3\x82\xab\xe3\x83\x8a\n"},
    /* a family of three, and a flag: one token each */
    {UNIT_WORD, SEGMENT_LINE, false,
     "x\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7 "
     "\xf0\x9f\x87\xa9\xf0\x9f\x87\xaa",
     "x|\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7|"
     "\xf0\x9f\x87\xa9\xf0\x9f\x87\xaa\n"},
    {UNIT_WORD, SEGMENT_LINE, true, "The CAT's\r\n\xc3\x84h", "the|cat's\n\xc3\xa4h\n"},
    {UNIT_CHAR, SEGMENT_LINE, false, "", ""},
    {UNIT_CHAR, SEGMENT_LINE, false, "a \xc3\xa9\r\n\n\xf0\x9f\x98\x80",
     "a| |\xc3\xa9\n\xf0\x9f\x98\x80\n"},
    {UNIT_CHAR, SEGMENT_LINE, false, "e\xcc\x81", "e|\xcc\x81\n"},
    {UNIT_CHAR, SEGMENT_DOCUMENT, false, "ab\nc\n\n\nd\n", "a|b|\n|c\nd\n"},
    {UNIT_CHAR, SEGMENT_LINE, true, "A\xc3\x89", "a|\xc3\xa9\n"},
    {UNIT_BPE, SEGMENT_LINE, false, "", ""},
    {UNIT_BPE, SEGMENT_LINE, false, "ab\r\nab\n", "ab\nab\n"},
    {UNIT_BPE, SEGMENT_LINE, true, "AB\nab", "ab\nab\n"},
    {UNIT_BPE, SEGMENT_LINE, false, "x\n\n yz", "x\n |y|z\n"},
};

START_TEST(units_on_known_texts)
{
    const struct unit_case *c = &cases[_i];
    char *tokens = text_tokens_of(c->unit, c->segment, c->lowercase, c->text);
    ck_assert_str_eq(tokens, c->tokens);
    free(tokens);
}
END_TEST

/* Tokens lie in the text one after the other, none empty or too long; what is between
 * them is white space, or for char and bpe nothing. */
static void check_cover(const struct tokenizer *tokenizer, struct span text)
{
    const struct tokenizer_settings *settings = tokenizer_get_settings(tokenizer);
    bool exact = settings->unit == UNIT_CHAR || settings->unit == UNIT_BPE;
    struct token_cursor *cursor;
    struct token token;
    size_t end = 0;
    ck_assert_int_eq(token_cursor_new(tokenizer, text, true, &cursor), ERR_OK);
    while (token_cursor_next(cursor, &token) == TOKEN_WORD) {
        ck_assert_uint_ge(token.text.size, 1);
        ck_assert_uint_le(token.text.size, TOKEN_SIZE_MAX);
        ck_assert(exact ? token.offset == end : token.offset >= end);
        for (size_t i = end; i < token.offset; i++)
            ck_assert((text.bytes[i] & 0x80) || strchr(" \t\r\n\v\f", text.bytes[i]));
        ck_assert_mem_eq(token.text.bytes, text.bytes + token.offset, token.text.size);
        end = token.offset + token.text.size;
    }
    ck_assert(!exact || end == text.size);
    ck_assert_uint_eq(token_cursor_position(cursor), text.size);
    token_cursor_free(cursor);
}

START_TEST(tokens_cover_any_bytes)
{
    struct random random;
    random_seed(&random, 31, 0);
    for (unsigned round = 0; round < 200; round++) {
        struct buffer text;
        enum text_unit unit = (enum text_unit)(round % UNIT_COUNT);
        buffer_init(&text, 1u << 20);
        text_random(&random, 1 + 3 * round, false, &text);
        for (unsigned i = 0; i < round % 7; i++) /* and what is no UTF-8 */
            text.bytes[random_below(&random, text.size)] =
                (char)random_below(&random, 256);
        struct span span = span_of(text.bytes, text.size);
        struct tokenizer *tokenizer = text_tokenizer(
            unit, (enum text_segment)(round / 4 % SEGMENT_COUNT), false, span);
        check_cover(tokenizer, span);
        tokenizer_free(tokenizer);
        buffer_fini(&text);
    }
}
END_TEST

START_TEST(long_runs_are_cut_between_code_points)
{
    static const char *const runs[] = {
        "a",        "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9d\x90\x80", "1.",
        "\xcc\x81", " ",        "\xff"};
    for (int i = 0; i < 8 * UNIT_COUNT; i++) {
        struct buffer text;
        buffer_init(&text, 1u << 20);
        while (text.size < 5000)
            buffer_append_text(&text, runs[i % 8]);
        struct span span = span_of(text.bytes, text.size);
        struct tokenizer *tokenizer =
            text_tokenizer((enum text_unit)(i / 8), SEGMENT_LINE, false, span);
        check_cover(tokenizer, span);
        tokenizer_free(tokenizer);
        buffer_fini(&text);
    }
}
END_TEST

START_TEST(nul_bytes_are_text)
{
    for (int unit = 0; unit < UNIT_COUNT; unit++) {
        struct span text = span_of("a\0b \0", 5);
        struct tokenizer *tokenizer =
            text_tokenizer((enum text_unit)unit, SEGMENT_LINE, false, text);
        struct vocab *vocab;
        struct token_list list = {0};
        ck_assert_int_eq(vocab_build(tokenizer, text, 1, NULL, &vocab, NULL), ERR_OK);
        ck_assert_int_eq(token_list_encode(&list, tokenizer, vocab, text), ERR_OK);
        for (size_t i = 0; i < list.count; i++)
            ck_assert(!list.oov[i]);
        ck_assert_uint_ge(list.count, 2);
        token_list_fini(&list);
        vocab_free(vocab);
        tokenizer_free(tokenizer);
    }
}
END_TEST

/* No text is out of the vocabulary, not even one whose bytes the corpus never had. */
START_TEST(nothing_is_unknown)
{
    struct span learned = span_of_text("only a few letters\nonly a few words\n");
    struct tokenizer *tokenizer = text_tokenizer(UNIT_BPE, SEGMENT_LINE, false, learned);
    struct vocab *vocab;
    struct token_list list = {0};
    struct random random;
    ck_assert_int_eq(vocab_build(tokenizer, learned, 1, NULL, &vocab, NULL), ERR_OK);
    random_seed(&random, 43, 0);
    for (unsigned round = 0; round < 50; round++) {
        struct buffer text;
        size_t next = 0;
        buffer_init(&text, 1u << 20);
        text_random(&random, 200, false, &text);
        for (unsigned i = 0; i < 20; i++)
            text.bytes[random_below(&random, text.size)] =
                (char)random_below(&random, 256);
        ck_assert_int_eq(
            token_list_encode(&list, tokenizer, vocab, span_of(text.bytes, text.size)),
            ERR_OK);
        for (size_t i = 0; i < list.count; i++) {
            ck_assert_uint_eq(list.oov[i], 0);
            ck_assert_uint_ge(list.ids[i], VOCAB_RESERVED);
            ck_assert_uint_eq(list.offsets[i], next);
            next += vocab_word(vocab, list.ids[i]).size;
        }
        ck_assert_uint_eq(next, text.size);
        buffer_fini(&text);
    }
    token_list_fini(&list);
    vocab_free(vocab);
    tokenizer_free(tokenizer);
}
END_TEST

START_TEST(lower_case_keeps_offsets)
{
    /* U+023A grows from two bytes to three. */
    struct span text = span_of_text("X \xc8\xba"
                                    "B");
    struct tokenizer *tokenizer = text_tokenizer(UNIT_CHAR, SEGMENT_LINE, true, text);
    struct token_cursor *cursor;
    struct token token = {{NULL, 0}, 0};
    ck_assert_int_eq(token_cursor_new(tokenizer, text, true, &cursor), ERR_OK);
    static const size_t offsets[] = {0, 1, 2, 4}, sizes[] = {1, 1, 3, 1};
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(token_cursor_next(cursor, &token), TOKEN_WORD);
        ck_assert_uint_eq(token.offset, offsets[i]);
        ck_assert_uint_eq(token.text.size, sizes[i]);
    }
    ck_assert_int_eq(token_cursor_next(cursor, &token), TOKEN_SEGMENT_END);
    ck_assert_int_eq(token_cursor_next(cursor, &token), TOKEN_TEXT_END);
    token_cursor_free(cursor);
    tokenizer_free(tokenizer);
}
END_TEST

static void refused(struct span bytes)
{
    struct tokenizer *tokenizer;
    char *copy = malloc(bytes.size + 1); /* sanitizers see a step beyond */
    memcpy(copy, bytes.bytes, bytes.size);
    copy = realloc(copy, bytes.size ? bytes.size : 1);
    ck_assert_int_eq(tokenizer_load(span_of(copy, bytes.size), &tokenizer, NULL),
                     ERR_BAD_MODEL_FILE);
    ck_assert_ptr_null(tokenizer);
    free(copy);
}

START_TEST(saved_tokenizers_come_back)
{
    struct span text = span_of_text("ab abc abc abd, Abd. ab\nabc abc");
    struct tokenizer_settings settings = {(enum text_unit)(_i % UNIT_COUNT),
                                          SEGMENT_SENTENCE, _i / UNIT_COUNT, 2,
                                          _i % UNIT_COUNT == UNIT_BPE ? 300 : 17};
    struct tokenizer *tokenizer, *loaded;
    struct buffer bytes, again;
    buffer_init(&bytes, 1u << 20);
    buffer_init(&again, 1u << 20);
    ck_assert_int_eq(tokenizer_train(&settings, text, NULL, &tokenizer, NULL), ERR_OK);
    ck_assert_int_eq(tokenizer_save(tokenizer, &bytes), ERR_OK);
    struct span saved = span_of(bytes.bytes, bytes.size);
    ck_assert_int_eq(tokenizer_load(saved, &loaded, NULL), ERR_OK);
    ck_assert_int_eq(tokenizer_save(loaded, &again), ERR_OK);
    ck_assert(span_equal(saved, span_of(again.bytes, again.size)));
    const struct tokenizer_settings *read = tokenizer_get_settings(loaded);
    ck_assert(read->unit == settings.unit && read->segment == settings.segment &&
              read->lowercase == settings.lowercase && read->min_count == 2 &&
              read->max_vocab == settings.max_vocab);
    char *first = text_tokens(tokenizer, text, false);
    char *second = text_tokens(loaded, text, false);
    ck_assert_str_eq(first, second);
    for (size_t size = 0; size < bytes.size; size++)
        refused(span_of(bytes.bytes, size));
    buffer_append_char(&bytes, 0);
    refused(span_of(bytes.bytes, bytes.size));
    free(first);
    free(second);
    buffer_fini(&bytes);
    buffer_fini(&again);
    tokenizer_free(tokenizer);
    tokenizer_free(loaded);
}
END_TEST

/* Any change of the file is refused or gives a tokenizer that works. */
START_TEST(changed_tokenizers_do_no_harm)
{
    struct span text = span_of_text("ab abc abc abd, Abd. ab\nabc abc");
    struct tokenizer *tokenizer = text_tokenizer(UNIT_BPE, SEGMENT_LINE, false, text);
    struct buffer bytes;
    buffer_init(&bytes, 1u << 20);
    ck_assert_int_eq(tokenizer_save(tokenizer, &bytes), ERR_OK);
    tokenizer_free(tokenizer);
    for (size_t at = 0; at < bytes.size; at++)
        for (unsigned bit = 0; bit < 8; bit++) {
            bytes.bytes[at] = (char)(bytes.bytes[at] ^ (1 << bit));
            if (tokenizer_load(span_of(bytes.bytes, bytes.size), &tokenizer, NULL) ==
                ERR_OK) {
                if (tokenizer_get_settings(tokenizer)->lowercase)
                    free(text_tokens(tokenizer, text, false));
                else
                    check_cover(tokenizer, text);
                tokenizer_free(tokenizer);
            } else {
                ck_assert_ptr_null(tokenizer);
            }
            bytes.bytes[at] = (char)(bytes.bytes[at] ^ (1 << bit));
        }
    buffer_fini(&bytes);
}
END_TEST

START_TEST(settings_that_cannot_be_are_refused)
{
    struct tokenizer_settings settings = {UNIT_BPE, SEGMENT_LINE, false, 1, 255};
    struct tokenizer *tokenizer;
    struct err_info info = {0};
    struct span text = span_of_text("a b");
    ck_assert_int_eq(tokenizer_train(&settings, text, NULL, &tokenizer, &info),
                     ERR_INVALID);
    ck_assert_ptr_null(tokenizer);
    ck_assert_str_eq(info.pointer, "/tokenizer/max_vocab");
    settings.max_vocab = BPE_TOKENS_MAX + 1;
    ck_assert_int_eq(tokenizer_train(&settings, text, NULL, &tokenizer, NULL),
                     ERR_INVALID);
    settings.max_vocab = 0;
    settings.unit = UNIT_COUNT;
    ck_assert_int_eq(tokenizer_train(&settings, text, NULL, &tokenizer, NULL),
                     ERR_INVALID);
    settings.unit = UNIT_WORD;
    settings.segment = SEGMENT_COUNT;
    ck_assert_int_eq(tokenizer_train(&settings, text, NULL, &tokenizer, NULL),
                     ERR_INVALID);
}
END_TEST

UNIT_SUITE(units)
{
    tcase_add_loop_test(unit, units_on_known_texts, 0,
                        (int)(sizeof cases / sizeof *cases));
    tcase_add_test(unit, tokens_cover_any_bytes);
    tcase_add_test(unit, long_runs_are_cut_between_code_points);
    tcase_add_test(unit, nul_bytes_are_text);
    tcase_add_test(unit, nothing_is_unknown);
    tcase_add_test(unit, lower_case_keeps_offsets);
    tcase_add_loop_test(unit, saved_tokenizers_come_back, 0, 2 * UNIT_COUNT);
    tcase_add_test(unit, changed_tokenizers_do_no_harm);
    tcase_add_test(unit, settings_that_cannot_be_are_refused);
}

/* SPDX-License-Identifier: MIT */
/* Units on awkward texts, segments, exact ways back, the file form. */
#include "tests/support/unit.h"

#include <stdlib.h>
#include <uniwbrk.h>

#include "base/utf8.h"
#include "tests/unit/text/check_text.h"

static void tokens_are(enum text_unit unit, enum text_segment segment, bool lowercase,
                       const char *text, const char *expected)
{
    char *got = text_tokens_of(unit, segment, lowercase, text);
    ck_assert_str_eq(got, expected);
    free(got);
}

START_TEST(tokenizer_whitespace)
{
    static const char *const cases[][2] = {
        {"", ""},
        {" \t \n\n", ""},
        {"one", "one\n"},
        {"  a  b ", "a|b\n"},
        {"a b\r\nc\r\n\r\nd", "a|b\nc\nd\n"},
        {"a\xc2\xa0"
         "b\xe3\x80\x80"
         "c\xe2\x80\xa8"
         "d\xe2\x80\x8b"
         "e",
         "a|b|c|d\xe2\x80\x8b"
         "e\n"}, /* a zero-width space is no space */
        {"don't U.S. \xf0\x9f\x98\x80!", "don't|U.S.|\xf0\x9f\x98\x80!\n"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        tokens_are(UNIT_WHITESPACE, SEGMENT_LINE, false, cases[i][0], cases[i][1]);
}
END_TEST

START_TEST(tokenizer_word)
{
    static const char *const cases[][2] = {
        {"", ""},
        {"Hello, world!", "Hello|,|world|!\n"},
        {"It's 3.14 o'clock: 1,000.5", "It's|3.14|o'clock|:|1,000.5\n"},
        {"the U.S.A. and example.com", "the|U.S.A|.|and|example.com\n"},
        {"well-known (a_b) x2", "well|-|known|(|a_b|)|x2\n"},
        {"it\xe2\x80\x99s na\xc3\xafve", "it\xe2\x80\x99s|na\xc3\xafve\n"},
        {"e\xcc\x81t\xc3\xa9", "e\xcc\x81t\xc3\xa9\n"},
        {"\xe4\xb8\xad\xe6\x96\x87", "\xe4\xb8\xad|\xe6\x96\x87\n"},
        {"\xe3\x82\xab\xe3\x82\xbf", "\xe3\x82\xab\xe3\x82\xbf\n"}, /* katakana hold */
        {"a\xe3\x80\x80"
         "b",
         "a|b\n"},
        {"\xf0\x9f\x87\xa9\xf0\x9f\x87\xaa\xf0\x9f\x87\xab\xf0\x9f\x87\xb7",
         "\xf0\x9f\x87\xa9\xf0\x9f\x87\xaa|\xf0\x9f\x87\xab\xf0\x9f\x87\xb7\n"},
        {"\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82!",
         "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82|!\n"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        tokens_are(UNIT_WORD, SEGMENT_LINE, false, cases[i][0], cases[i][1]);
}
END_TEST

START_TEST(tokenizer_lower_case)
{
    tokens_are(UNIT_WORD, SEGMENT_LINE, true, "The \xc3\x89T\xc3\x89 \xc4\xb0Z",
               "the|\xc3\xa9t\xc3\xa9|iz\n");
    /* A sigma at the end of a word, and one before. */
    tokens_are(UNIT_WORD, SEGMENT_LINE, true, "\xce\xa3\xce\x9f\xce\xa3",
               "\xcf\x83\xce\xbf\xcf\x82\n");
    tokens_are(UNIT_WHITESPACE, SEGMENT_LINE, true,
               "\xc8\xba"
               "B",
               "\xe2\xb1\xa5"
               "b\n");
    tokens_are(UNIT_CHAR, SEGMENT_LINE, true, "A\xc3\x89", "a|\xc3\xa9\n");
}
END_TEST

START_TEST(tokenizer_char)
{
    tokens_are(UNIT_CHAR, SEGMENT_LINE, false, "a b\r\n\r\n\xc3\xa9\xcc\x81",
               "a| |b\n\xc3\xa9|\xcc\x81\n");
    tokens_are(UNIT_CHAR, SEGMENT_DOCUMENT, false, "\na\nb\n\n \nc\n", "a|\n|b\nc\n");
}
END_TEST

START_TEST(tokenizer_document)
{
    tokens_are(UNIT_WHITESPACE, SEGMENT_DOCUMENT, false, "\n\na b\nc\n \t\r\n\nd\r\ne",
               "a|b|c\nd|e\n");
    tokens_are(UNIT_WHITESPACE, SEGMENT_DOCUMENT, false, "\n \n", "");
}
END_TEST

START_TEST(tokenizer_whole_input_is_one_segment)
{
    struct span text = span_of_text("a b\n\nc. D");
    for (unsigned segment = 0; segment < SEGMENT_COUNT; segment++) {
        struct tokenizer *tokenizer = text_tokenizer(
            UNIT_WHITESPACE, (enum text_segment)segment, false, span_of("", 0));
        char *got = text_tokens(tokenizer, text, true);
        ck_assert_str_eq(got, "a|b|c.|D\n");
        free(got);
        got = text_tokens(tokenizer, span_of("", 0), true);
        ck_assert_str_eq(got, "");
        free(got);
        tokenizer_free(tokenizer);
    }
}
END_TEST

START_TEST(tokenizer_zero_bytes_are_bytes)
{
    struct span text = span_of("a\0b \0", 5);
    for (unsigned unit = 0; unit < UNIT_COUNT; unit++) {
        struct tokenizer *tokenizer =
            text_tokenizer((enum text_unit)unit, SEGMENT_LINE, unit % 2, text);
        struct token_cursor *cursor;
        struct token token;
        size_t bytes = 0;
        ck_assert_int_eq(token_cursor_new(tokenizer, text, true, &cursor), ERR_OK);
        while (token_cursor_next(cursor, &token) == TOKEN_WORD)
            bytes += token.text.size;
        ck_assert_uint_eq(bytes, unit == UNIT_CHAR || unit == UNIT_BPE ? 5 : 4);
        token_cursor_free(cursor);
        tokenizer_free(tokenizer);
    }
}
END_TEST

/* On ASCII our rules are those of the library. */
START_TEST(tokenizer_word_agrees_with_libunistring)
{
    struct random random;
    struct buffer text;
    random_seed(&random, 31, 0);
    struct tokenizer *tokenizer =
        text_tokenizer(UNIT_WORD, SEGMENT_LINE, false, span_of("", 0));
    for (int round = 0; round < 600; round++) {
        struct token_cursor *cursor;
        struct token token;
        char marks[1000];
        buffer_init(&text, sizeof marks);
        text_random(&random, 1 + random_below(&random, 300), round % 2, &text);
        struct span all = span_of(text.bytes, text.size);
        u8_wordbreaks((const uint8_t *)text.bytes, text.size, marks);
        ck_assert_int_eq(token_cursor_new(tokenizer, all, true, &cursor), ERR_OK);
        size_t at = 0;
        while (token_cursor_next(cursor, &token) == TOKEN_WORD) {
            /* A token begins at a boundary, or after the space a mark was put upon. */
            if (round % 2)
                ck_assert(token.offset == 0 || marks[token.offset]);
            for (size_t i = 1; i < token.text.size; i++)
                ck_assert_msg(!marks[token.offset + i], "boundary in \"%.*s\"",
                              (int)token.text.size, token.text.bytes);
            size_t end = token.offset + token.text.size;
            ck_assert(end == text.size || marks[end]);
            ck_assert_uint_ge(token.offset, at);
            at = end;
        }
        token_cursor_free(cursor);
        buffer_fini(&text);
    }
    tokenizer_free(tokenizer);
}
END_TEST

/* Joins all tokens of a text given as one segment. */
static void rejoin(const struct tokenizer *tokenizer, struct span text,
                   struct buffer *out)
{
    struct token_cursor *cursor;
    struct token token;
    ck_assert_int_eq(token_cursor_new(tokenizer, text, true, &cursor), ERR_OK);
    struct span *tokens = calloc(text.size + 1, sizeof *tokens);
    size_t count = 0, expected = 0;
    while (token_cursor_next(cursor, &token) == TOKEN_WORD) {
        ck_assert_uint_eq(token.offset, expected);
        ck_assert_mem_eq(token.text.bytes, text.bytes + token.offset, token.text.size);
        tokens[count++] = token.text;
        expected += token.text.size;
    }
    ck_assert_int_eq(tokenizer_join(tokenizer, tokens, count, out), ERR_OK);
    token_cursor_free(cursor);
    free(tokens);
}

START_TEST(tokenizer_char_and_bpe_come_back_exactly)
{
    struct random random;
    random_seed(&random, 32, 0);
    for (int round = 0; round < 300; round++) {
        struct buffer text, out;
        buffer_init(&text, 1u << 16);
        buffer_init(&out, 1u << 16);
        text_random(&random, random_below(&random, 500), false, &text);
        if (round % 3 == 0) /* any bytes at all */
            for (size_t i = 0; i < text.size; i += 3)
                text.bytes[i] = (char)random_below(&random, 256);
        struct span all = span_of(text.bytes, text.size);
        struct tokenizer *tokenizer =
            text_tokenizer(round % 2 ? UNIT_CHAR : UNIT_BPE, SEGMENT_LINE, false, all);
        rejoin(tokenizer, all, &out);
        ck_assert_uint_eq(out.size, text.size);
        if (text.size > 0)
            ck_assert_mem_eq(out.bytes, text.bytes, text.size);
        tokenizer_free(tokenizer);
        buffer_fini(&text);
        buffer_fini(&out);
    }
}
END_TEST

START_TEST(tokenizer_pieces_give_the_segments_of_the_whole)
{
    struct random random;
    random_seed(&random, 33, 0);
    for (unsigned round = 0; round < 120; round++) {
        struct tokenizer_settings settings = {
            (enum text_unit)(round % 3), (enum text_segment)(round / 3 % 3), false, 1, 0};
        struct buffer text, parts;
        struct span pieces[7];
        buffer_init(&text, 1u << 16);
        buffer_init(&parts, 1u << 20);
        text_random(&random, random_below(&random, 2000), round % 2, &text);
        struct span all = span_of(text.bytes, text.size);
        struct tokenizer *tokenizer =
            text_tokenizer(settings.unit, settings.segment, false, all);
        char *whole = text_tokens(tokenizer, all, false);
        text_split(&settings, all, 7, pieces);
        const char *next = text.bytes;
        for (int i = 0; i < 7; i++) {
            ck_assert_ptr_eq(pieces[i].bytes, next);
            next += pieces[i].size;
            char *part = text_tokens(tokenizer, pieces[i], false);
            buffer_append_text(&parts, part);
            free(part);
        }
        ck_assert_ptr_eq(next, text.bytes + text.size);
        buffer_append_text(&parts, "");
        if (!memchr(text.bytes, 0, text.size))
            ck_assert_str_eq(parts.size ? parts.bytes : "", whole);
        free(whole);
        tokenizer_free(tokenizer);
        buffer_fini(&text);
        buffer_fini(&parts);
    }
}
END_TEST

static struct buffer saved(const struct tokenizer *tokenizer)
{
    struct buffer bytes;
    buffer_init(&bytes, 1u << 20);
    ck_assert_int_eq(tokenizer_save(tokenizer, &bytes), ERR_OK);
    return bytes;
}

START_TEST(tokenizer_reads_back_what_it_wrote)
{
    struct span text = span_of_text("the cat sat on the mat that the cat hat");
    for (unsigned unit = 0; unit < UNIT_COUNT; unit++) {
        struct tokenizer_settings settings = {(enum text_unit)unit, SEGMENT_DOCUMENT,
                                              true, 3, unit == UNIT_BPE ? 270 : 77};
        struct tokenizer *tokenizer, *loaded;
        ck_assert_int_eq(tokenizer_train(&settings, text, NULL, &tokenizer, NULL),
                         ERR_OK);
        struct buffer bytes = saved(tokenizer);
        ck_assert_int_eq(tokenizer_load(span_of(bytes.bytes, bytes.size), &loaded, NULL),
                         ERR_OK);
        const struct tokenizer_settings *got = tokenizer_get_settings(loaded);
        ck_assert(got->unit == settings.unit && got->segment == settings.segment &&
                  got->lowercase && got->min_count == 3 &&
                  got->max_vocab == settings.max_vocab);
        char *before = text_tokens(tokenizer, text, true);
        char *after = text_tokens(loaded, text, true);
        ck_assert_str_eq(before, after);
        free(before);
        free(after);
        tokenizer_free(loaded);
        tokenizer_free(tokenizer);
        buffer_fini(&bytes);
    }
}
END_TEST

static void refused(const struct buffer *bytes, size_t size)
{
    struct tokenizer *tokenizer;
    struct err_info info = {0};
    ck_assert_int_eq(tokenizer_load(span_of(bytes->bytes, size), &tokenizer, &info),
                     ERR_BAD_MODEL_FILE);
    ck_assert_ptr_null(tokenizer);
    ck_assert_str_ne(info.message, "");
}

START_TEST(tokenizer_refuses_every_truncation_and_bad_setting)
{
    struct span text = span_of_text("the cat sat on the mat that the cat hat");
    struct tokenizer *tokenizer = text_tokenizer(UNIT_BPE, SEGMENT_LINE, false, text);
    struct buffer bytes = saved(tokenizer);
    ck_assert_uint_gt(bytes.size, 60);
    for (size_t size = 0; size < bytes.size; size++)
        refused(&bytes, size);
    for (size_t at = 0; at < 20; at++) { /* magic, version, unit, segment, lowercase */
        char before = bytes.bytes[at];
        bytes.bytes[at] = (char)0x80;
        refused(&bytes, bytes.size);
        bytes.bytes[at] = before;
    }
    buffer_append_char(&bytes, 'x');
    refused(&bytes, bytes.size);
    buffer_fini(&bytes);
    tokenizer_free(tokenizer);
}
END_TEST

START_TEST(tokenizer_refuses_settings_that_do_not_exist)
{
    struct tokenizer *tokenizer;
    struct err_info info = {0};
    struct tokenizer_settings settings = {UNIT_COUNT, SEGMENT_LINE, false, 1, 0};
    ck_assert_int_eq(tokenizer_train(&settings, span_of("", 0), NULL, &tokenizer, &info),
                     ERR_INVALID);
    ck_assert_str_eq(info.pointer, "/tokenizer/unit");
    ck_assert_ptr_null(tokenizer);
}
END_TEST

UNIT_SUITE(tokenizer)
{
    tcase_add_test(unit, tokenizer_whitespace);
    tcase_add_test(unit, tokenizer_word);
    tcase_add_test(unit, tokenizer_lower_case);
    tcase_add_test(unit, tokenizer_char);
    tcase_add_test(unit, tokenizer_document);
    tcase_add_test(unit, tokenizer_whole_input_is_one_segment);
    tcase_add_test(unit, tokenizer_zero_bytes_are_bytes);
    tcase_add_test(unit, tokenizer_word_agrees_with_libunistring);
    tcase_add_test(unit, tokenizer_char_and_bpe_come_back_exactly);
    tcase_add_test(unit, tokenizer_pieces_give_the_segments_of_the_whole);
    tcase_add_test(unit, tokenizer_reads_back_what_it_wrote);
    tcase_add_test(unit, tokenizer_refuses_every_truncation_and_bad_setting);
    tcase_add_test(unit, tokenizer_refuses_settings_that_do_not_exist);
}

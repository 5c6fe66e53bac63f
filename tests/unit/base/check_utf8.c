/* SPDX-License-Identifier: MIT */
/* Strict UTF-8, whole and in pieces, against a slow reader that works from the
 * definition: decode, then refuse what is overlong, a surrogate or too large. */
#include "tests/support/unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/utf8.h"

/* The size of the sequence at the start, 0 when it is ill-formed. */
static size_t slow_sequence(const unsigned char *b, size_t left)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size = b[0] < 0x80             ? 1
                  : (b[0] & 0xe0) == 0xc0 ? 2
                  : (b[0] & 0xf0) == 0xe0 ? 3
                  : (b[0] & 0xf8) == 0xf0 ? 4
                                          : 0;
    if (size == 0 || size > left)
        return 0;
    uint32_t point = size == 1 ? b[0] : b[0] & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((b[i] & 0xc0) != 0x80)
            return 0;
        point = point << 6 | (b[i] & 0x3f);
    }
    bool surrogate = point >= 0xd800 && point <= 0xdfff;
    return point < least[size] || surrogate || point > 0x10ffff ? 0 : size;
}

static size_t slow_check(struct span text)
{
    size_t at = 0, size;
    while (at < text.size && (size = slow_sequence((const unsigned char *)text.bytes + at,
                                                   text.size - at)) > 0)
        at += size;
    return at;
}

static size_t check_text(const char *text)
{
    return utf8_check(span_of_text(text));
}

START_TEST(utf8_known_answers)
{
    ck_assert_uint_eq(utf8_check(span_of(NULL, 0)), 0);
    ck_assert_uint_eq(check_text("plain"), 5);
    ck_assert_uint_eq(check_text("\xf4\x8f\xbf\xbf"), 4);
    ck_assert_uint_eq(check_text("\xed\x9f\xbf\xee\x80\x80"), 6);
    ck_assert_uint_eq(utf8_check(span_of("a\0b", 3)), 3);
    static const char *const bad[] = {"\x80",
                                      "\xc0\xaf",
                                      "\xc1\xbf",
                                      "\xe0\x80\xaf",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xed\xbf\xbf",
                                      "\xf0\x80\x80\xaf",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xff",
                                      "\xc3",
                                      "\xe2\x82",
                                      "\xf0\x9f\x98",
                                      "\xe2\x28\xa1",
                                      "\xc3("};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_uint_eq(check_text(bad[i]), 0);
        ck_assert_uint_eq(slow_check(span_of_text(bad[i])), 0);
    }
}
END_TEST

START_TEST(utf8_every_code_point)
{
    for (uint32_t point = 0; point <= 0x110010; point++) {
        char bytes[UTF8_SIZE_MAX];
        uint32_t read;
        size_t size = utf8_encode(point, bytes);
        bool sound = point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
        size_t got = utf8_decode(span_of(bytes, size), &read);
        ck_assert_uint_eq(got, sound ? size : 0);
        ck_assert_uint_eq(read, sound ? point : 0xfffd);
    }
}
END_TEST

/* Mostly sound text with a wrong byte here and there, in a block of its exact size. */
static struct span noisy_text(struct random *random, size_t size)
{
    static const char plain[] = "the quick brown fox jumps over the lazy dog and goes on "
                                "with no byte above ASCII for a while\n";
    static const char *const parts[] = {
        "a", "\n", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xed\x9f\xbf", plain};
    char *bytes = malloc(size + 1);
    size_t at = 0;
    while (at < size) {
        const char *part = parts[random_below(random, sizeof parts / sizeof *parts)];
        size_t taken = strlen(part) < size - at ? strlen(part) : size - at;
        memcpy(bytes + at, part, taken);
        at += taken;
    }
    if (size > 0 && random_below(random, 2))
        bytes[random_below(random, size)] = (char)random_below(random, 256);
    return span_of(bytes, size);
}

static uint64_t slow_line_ends(struct span text)
{
    uint64_t count = 0;
    for (size_t i = 0; i < text.size; i++)
        count += text.bytes[i] == '\n';
    return count;
}

START_TEST(utf8_agrees_with_the_definition_however_cut)
{
    struct random random;
    random_seed(&random, 3, 0);
    for (int round = 0; round < 4000; round++) {
        struct span text = noisy_text(&random, random_below(&random, 400));
        struct utf8_stream stream;
        size_t at = 0, expected = slow_check(text);
        ck_assert_uint_eq(utf8_check(text), expected);
        ck_assert_uint_eq(utf8_line_ends(text), slow_line_ends(text));
        utf8_stream_init(&stream);
        enum err err = ERR_OK;
        while (!err && at < text.size) {
            size_t size = random_below(&random, round % 2 ? 4 : 90);
            size = size < text.size - at ? size : text.size - at;
            err = utf8_stream_add(&stream, span_of(text.bytes + at, size));
            at += size;
        }
        if (!err)
            err = utf8_stream_finish(&stream);
        ck_assert_int_eq(err, expected == text.size ? ERR_OK : ERR_BAD_UTF8);
        if (err)
            ck_assert_uint_eq(stream.bad, expected);
        else
            ck_assert_uint_eq(stream.size, text.size);
        free((void *)(uintptr_t)text.bytes);
    }
}
END_TEST

START_TEST(utf8_stream_counts_lines)
{
    struct utf8_stream stream;
    utf8_stream_init(&stream);
    ck_assert_uint_eq(utf8_stream_lines(&stream), 0);
    ck_assert_int_eq(utf8_stream_add(&stream, span_of_text("one\ntw")), ERR_OK);
    ck_assert_uint_eq(utf8_stream_lines(&stream), 2);
    ck_assert_int_eq(utf8_stream_add(&stream, span_of_text("o\n")), ERR_OK);
    ck_assert_uint_eq(utf8_stream_lines(&stream), 2);
    ck_assert_int_eq(utf8_stream_add(&stream, span_of_text("\n\xe2\x82")), ERR_OK);
    ck_assert_int_eq(utf8_stream_add(&stream, span_of_text("x\n\n")), ERR_BAD_UTF8);
    ck_assert_uint_eq(stream.bad, 9);
    ck_assert_uint_eq(stream.line_ends, 3);
    ck_assert_int_eq(utf8_stream_add(&stream, span_of_text("fine")), ERR_BAD_UTF8);
    ck_assert_int_eq(utf8_stream_finish(&stream), ERR_BAD_UTF8);
}
END_TEST

START_TEST(utf8_line_ends_of_a_long_text)
{
    size_t size = 16 * 255 * 3 + 5;
    char *text = malloc(size);
    memset(text, '\n', size);
    ck_assert_uint_eq(utf8_line_ends(span_of(text, size)), size);
    free(text);
}
END_TEST

START_TEST(utf8_complete_keeps_back_a_cut_code_point)
{
    static const struct {
        const char *text;
        size_t expected;
    } cases[] = {{"", 0},
                 {"ab", 2},
                 {"a\xc3\xa9", 3},
                 {"a\xc3", 1},
                 {"a\xe2\x82", 1},
                 {"\xf0\x9f\x98", 0},
                 {"a\xf0\x9f\x98\x80", 5},
                 {"a\xff", 2}, /* wrong, but no more bytes would mend it */
                 {"a\x80\x80\x80", 4},
                 {"a\xe2\x28", 3}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_uint_eq(utf8_complete(span_of_text(cases[i].text)), cases[i].expected);
}
END_TEST

UNIT_SUITE(utf8)
{
    tcase_add_test(unit, utf8_known_answers);
    tcase_add_test(unit, utf8_complete_keeps_back_a_cut_code_point);
    tcase_add_test(unit, utf8_stream_counts_lines);
    tcase_add_test(unit, utf8_line_ends_of_a_long_text);
    tcase_add_test(unit, utf8_every_code_point);
    tcase_add_test(unit, utf8_agrees_with_the_definition_however_cut);
}

/* SPDX-License-Identifier: MIT */
/* The rules of a corpus, with the text cut into pieces in every way. */
#include "tests/support/unit.h"

#include <string.h>

#include "api/corpus_check.h"

/* Checks the text in pieces of `step` bytes. */
static enum err check(const char *text, size_t size, size_t step, enum corpus_kind kind,
                      uint64_t *lines, struct err_info *info)
{
    struct corpus_check check;
    enum err code = ERR_OK;
    *info = (struct err_info){0};
    corpus_check_init(&check, kind);
    for (size_t at = 0; at < size && !code; at += step)
        code = corpus_check_add(
            &check, span_of(text + at, size - at < step ? size - at : step), info);
    if (!code)
        code = corpus_check_finish(&check, info);
    *lines = corpus_check_lines(&check);
    return code;
}

static void every_way(const char *text, enum corpus_kind kind, enum err wanted,
                      uint64_t number)
{
    size_t size = strlen(text);
    for (size_t step = 1; step <= size + 1; step++) {
        struct err_info info;
        uint64_t lines;
        ck_assert_int_eq(check(text, size, step, kind, &lines, &info), wanted);
        if (wanted == ERR_OK)
            ck_assert_uint_eq(lines, number);
        else if (wanted == ERR_BAD_UTF8)
            ck_assert_uint_eq(info.offset, number);
        else if (wanted == ERR_INVALID)
            ck_assert_uint_eq(info.line, number);
    }
}

START_TEST(texts)
{
    every_way("one\ntwo\n", CORPUS_TEXT, ERR_OK, 2);
    every_way("one\n\ntwo", CORPUS_TEXT, ERR_OK, 3);
    every_way("Gr\xc3\xbc\xc3\x9f"
              "e \xf0\x9f\x98\x80\n",
              CORPUS_TEXT, ERR_OK, 1);
    every_way("a\tb\tc", CORPUS_TEXT, ERR_OK, 1);
}
END_TEST

START_TEST(bytes_that_are_not_utf8)
{
    every_way("good\nb\xff"
              "d\n",
              CORPUS_TEXT, ERR_BAD_UTF8, 6);
    every_way("cut \xe4\xb8", CORPUS_TEXT, ERR_BAD_UTF8, 4);
    every_way("\xed\xa0\x80", CORPUS_TEXT, ERR_BAD_UTF8, 0);
}
END_TEST

START_TEST(nothing_to_learn_from)
{
    every_way("", CORPUS_TEXT, ERR_EMPTY_CORPUS, 0);
    every_way(" \n\t\r\n ", CORPUS_TEXT, ERR_EMPTY_CORPUS, 0);
}
END_TEST

START_TEST(pairs)
{
    every_way("a\tb\nc d\te f\n", CORPUS_PARALLEL, ERR_OK, 2);
    every_way("a\tb\nc\td", CORPUS_PARALLEL, ERR_OK, 2);
    every_way("a\tb\nc d\n", CORPUS_PARALLEL, ERR_INVALID, 2);
    every_way("a\tb\tc\nd\te\n", CORPUS_PARALLEL, ERR_INVALID, 1);
    every_way("a\tb\n\nd\te\n", CORPUS_PARALLEL, ERR_INVALID, 2);
    every_way("a\tb\nlast", CORPUS_PARALLEL, ERR_INVALID, 2);
}
END_TEST

START_TEST(the_place_of_a_bad_pair)
{
    struct err_info info;
    uint64_t lines;
    const char *text = "a\tb\nbad line\n";
    ck_assert_int_eq(check(text, strlen(text), 5, CORPUS_PARALLEL, &lines, &info),
                     ERR_INVALID);
    ck_assert_uint_eq(info.offset, 4);
    ck_assert_uint_eq(info.line, 2);
}
END_TEST

UNIT_SUITE(corpus_check)
{
    tcase_add_test(unit, texts);
    tcase_add_test(unit, bytes_that_are_not_utf8);
    tcase_add_test(unit, nothing_to_learn_from);
    tcase_add_test(unit, pairs);
    tcase_add_test(unit, the_place_of_a_bad_pair);
}

/* SPDX-License-Identifier: MIT */
#include "api/prescan.h"

#include <string.h>

#include "tests/support/unit.h"

static enum err check(const char *text, size_t tokens_max, struct err_info *info)
{
    *info = (struct err_info){0};
    return prescan_check(text, strlen(text), tokens_max, info);
}

static void nest(char *text, size_t depth)
{
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    text[2 * depth] = '\0';
}

START_TEST(nesting_is_bounded)
{
    struct err_info info;
    char text[400];
    nest(text, 64);
    ck_assert_int_eq(check(text, 1000, &info), ERR_OK);
    nest(text, 65);
    ck_assert_int_eq(check(text, 1000, &info), ERR_SYNTAX);
    ck_assert_uint_eq(info.offset, 64);
}
END_TEST

START_TEST(structure_is_counted_outside_of_strings)
{
    struct err_info info;
    ck_assert_int_eq(check("{\"a\":[1,2]}", 6, &info), ERR_OK);
    ck_assert_int_eq(check("{\"a\":[1,2]}", 5, &info), ERR_LIMIT);
    ck_assert_int_eq(check("\"[[[[,,,,\\\"[[[[\"", 0, &info), ERR_OK);
    ck_assert_int_eq(check("\"\\\\\"[", 0, &info), ERR_LIMIT);
    ck_assert_int_eq(check("\"never ends [[[", 0, &info), ERR_OK);
    ck_assert_int_eq(check("\"ends in \\", 0, &info), ERR_OK);
}
END_TEST

START_TEST(errors_say_where)
{
    struct err_info info = {0};
    json_t *value;
    const char *text = "{\"a\": 1,\n  \"a\": 2}";
    ck_assert_int_eq(prescan_parse(text, strlen(text), 100, &value, &info), ERR_SYNTAX);
    ck_assert_ptr_null(value);
    ck_assert_uint_eq(info.line, 2);
    ck_assert(strstr(info.message, "column"));
}
END_TEST

START_TEST(what_is_no_json_is_refused)
{
    static const char *const bad[] = {
        "",      " ",        "{",           "[1,]", "{}x",         "\xef\xbb\xbf{}",
        "1e999", "\"\xff\"", "\"\\ud800\"", "nul",  "\"\\u0000\"", "9223372036854775808"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct err_info info = {0};
        json_t *value;
        ck_assert_msg(prescan_parse(bad[i], strlen(bad[i]), 100, &value, &info) ==
                          ERR_SYNTAX,
                      "accepted: %s", bad[i]);
        ck_assert(info.has_offset && info.offset <= strlen(bad[i]));
    }
}
END_TEST

UNIT_SUITE(prescan)
{
    tcase_add_test(unit, nesting_is_bounded);
    tcase_add_test(unit, structure_is_counted_outside_of_strings);
    tcase_add_test(unit, errors_say_where);
    tcase_add_test(unit, what_is_no_json_is_refused);
}

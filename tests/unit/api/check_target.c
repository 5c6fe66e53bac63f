/* SPDX-License-Identifier: MIT */
#include "api/target.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/unit.h"

static enum err parse(const char *text, char *copy, struct target *target)
{
    struct err_info info = {0};
    snprintf(copy, 600, "%s", text);
    return target_parse(copy, target, &info);
}

START_TEST(paths_are_decoded)
{
    static const struct {
        const char *raw, *path;
    } rows[] = {{"/", "/"},         {"/a/b", "/a/b"}, {"/a%20b", "/a b"},
                {"/%41%7e", "/A~"}, {"/a+b", "/a+b"}, {"/caf%C3%A9", "/café"},
                {"//a//", "//a//"}, {"/...", "/..."}, {"/a..b/.c", "/a..b/.c"},
                {"*", "*"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char copy[600];
        struct target target;
        ck_assert_msg(parse(rows[i].raw, copy, &target) == ERR_OK, "%s", rows[i].raw);
        ck_assert_str_eq(target.path, rows[i].path);
    }
}
END_TEST

START_TEST(ambiguous_paths_are_refused)
{
    static const char *const bad[] = {"",
                                      "a",
                                      "/%00",
                                      "/%2f",
                                      "/%5C",
                                      "/..",
                                      "/a/../b",
                                      "/%2e%2E",
                                      "/.",
                                      "/a/%2e",
                                      "/%",
                                      "/%1",
                                      "/%zz",
                                      "/%0a",
                                      "/%7f",
                                      "/%ff",
                                      "/%c0%af",
                                      "/%ed%a0%80",
                                      "/%f4%90%80%80",
                                      "/a b",
                                      "ftp://x/",
                                      "/?a=%",
                                      "/?a=%00",
                                      "/?%ff"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char copy[600];
        struct target target;
        ck_assert_msg(parse(bad[i], copy, &target) == ERR_SYNTAX, "accepted %s", bad[i]);
    }
}
END_TEST

START_TEST(queries_are_taken_apart)
{
    char copy[600];
    struct target target;
    ck_assert_int_eq(parse("/p?a=1&b&c=x%3Dy+z&&d=%2F", copy, &target), ERR_OK);
    ck_assert_uint_eq(target.query_count, 4);
    ck_assert_str_eq(target.query[0].name, "a");
    ck_assert_str_eq(target.query[0].value, "1");
    ck_assert_str_eq(target.query[1].value, "");
    ck_assert_str_eq(target.query[2].value, "x=y z");
    ck_assert_str_eq(target.query[3].value, "/");
}
END_TEST

START_TEST(queries_are_bounded)
{
    char copy[600], text[600] = "/?";
    struct target target;
    for (int i = 0; i < TARGET_QUERY_MAX; i++)
        memcpy(text + strlen(text), "a=1&", 5);
    ck_assert_int_eq(parse(text, copy, &target), ERR_OK);
    memcpy(text + strlen(text), "a=1", 4);
    ck_assert_int_eq(parse(text, copy, &target), ERR_SYNTAX);
}
END_TEST

START_TEST(absolute_targets_carry_a_host)
{
    char copy[600];
    struct target target;
    ck_assert_int_eq(parse("http://host:80/a?b=c", copy, &target), ERR_OK);
    ck_assert_str_eq(target.authority, "host:80");
    ck_assert_str_eq(target.path, "/a");
    ck_assert_str_eq(target.query[0].value, "c");
    ck_assert_int_eq(parse("/a", copy, &target), ERR_OK);
    ck_assert_ptr_null(target.authority);
}
END_TEST

UNIT_SUITE(target)
{
    tcase_add_test(unit, paths_are_decoded);
    tcase_add_test(unit, ambiguous_paths_are_refused);
    tcase_add_test(unit, queries_are_taken_apart);
    tcase_add_test(unit, queries_are_bounded);
    tcase_add_test(unit, absolute_targets_carry_a_host);
}

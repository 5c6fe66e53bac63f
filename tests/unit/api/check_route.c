/* SPDX-License-Identifier: MIT */
#include "api/route.h"

#include <string.h>

#include "tests/support/unit.h"

static const struct route table[] = {
    {.method = "GET", .pattern = "/"},
    {.method = "GET", .pattern = "/models"},
    {.method = "GET", .pattern = "/models/own"},
    {.method = "GET", .pattern = "/models/{name}"},
    {.method = "PUT", .pattern = "/models/{name}"},
    {.method = "DELETE", .pattern = "/models/{name}"},
    {.method = "GET", .pattern = "/models/{name}/parts/{part}"},
    {.method = "POST", .pattern = "/models/{name}/load"},
};
enum { COUNT = sizeof table / sizeof table[0] };

/* The index of the route found, -1: none, -2: another method's path. */
static int found(const char *method, const char *path, struct route_match *match)
{
    route_find(table, COUNT, method, path, match);
    return match->route ? (int)(match->route - table) : match->path_known ? -2 : -1;
}

START_TEST(routes_are_found)
{
    static const struct {
        const char *method, *path;
        int index;
    } rows[] = {{"GET", "/", 0},
                {"GET", "/models", 1},
                {"GET", "/models/own", 2},
                {"GET", "/models/other", 3},
                {"PUT", "/models/own", 4},
                {"HEAD", "/models/x", 3},
                {"GET", "/models/a/parts/b", 6},
                {"POST", "/models/a/load", 7},
                {"GET", "/models/a/load", -2},
                {"POST", "/models/a", -2},
                {"get", "/models", -2},
                {"GET", "", -1},
                {"GET", "/model", -1},
                {"GET", "/models/", -1},
                {"GET", "/models//parts/b", -1},
                {"GET", "/models/a/parts", -1},
                {"GET", "/models/a/parts/b/c", -1},
                {"GET", "/modelsx", -1}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct route_match match;
        int index = found(rows[i].method, rows[i].path, &match);
        ck_assert_msg(index == rows[i].index, "%s %s gave %d", rows[i].method,
                      rows[i].path, index);
    }
}
END_TEST

START_TEST(variables_are_noted)
{
    struct route_match match;
    ck_assert_int_eq(found("GET", "/models/abc/parts/de", &match), 6);
    ck_assert_uint_eq(match.variables, 2);
    ck_assert(strncmp(match.names[0], "name}", 5) == 0);
    ck_assert(strncmp(match.values[0], "abc/", 4) == 0);
    ck_assert_str_eq(match.values[1], "de");
    found("HEAD", "/models/abc", &match);
    ck_assert(match.head);
}
END_TEST

START_TEST(allowed_methods)
{
    struct buffer text;
    buffer_init(&text, 200);
    route_allow(table, COUNT, "/models/x", &text);
    ck_assert_str_eq(text.bytes, "GET, HEAD, PUT, DELETE, OPTIONS");
    buffer_clear(&text);
    route_allow(table, COUNT, "/models/x/load", &text);
    ck_assert_str_eq(text.bytes, "POST, OPTIONS");
    buffer_fini(&text);
}
END_TEST

UNIT_SUITE(route)
{
    tcase_add_test(unit, routes_are_found);
    tcase_add_test(unit, variables_are_noted);
    tcase_add_test(unit, allowed_methods);
}

/* SPDX-License-Identifier: MIT */
#include "api/accept.h"

#include <stddef.h>

#include "tests/support/unit.h"

static const struct {
    const char *header;
    bool csv;
} rows[] = {
    {NULL, false},
    {"", false},
    {"*/*", false},
    {"image/png", false},
    {"text/csv", true},
    {"TEXT/CSV", true},
    {"text/*", true},
    {"text/csvx", false},
    {"text/csv, */*", true},
    {"*/*, text/csv", true},
    {"text/csv, application/json", true},
    {"application/json, text/csv", false},
    {"text/csv;q=0.5, application/json", false},
    {"application/json;q=0.1, text/csv", true},
    {"application/json ; q=0.50 , text/csv;header=present; q=0.501", true},
    {"text/csv;q=0", false},
    {"text/csv;q=0, */*;q=0", false},
    {"text/*;q=0.2, text/csv;q=0.9, */*;q=0.5", true},
    {"text/csv;q=1.000, application/*;q=0.999", true},
    {",, text/csv", true},
};

START_TEST(what_is_rather_had)
{
    ck_assert_msg(accept_prefers(rows[_i].header, "text/csv", "application/json") ==
                      rows[_i].csv,
                  "%s", rows[_i].header ? rows[_i].header : "no header");
}
END_TEST

UNIT_SUITE(accept)
{
    tcase_add_loop_test(unit, what_is_rather_had, 0, (int)(sizeof rows / sizeof *rows));
}

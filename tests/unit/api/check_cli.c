/* SPDX-License-Identifier: MIT */
/* Options by their table, and numbers as the columns show them. */
#include "tests/support/unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/cli_int.h"
#include "base/random.h"

static struct cli_arguments got;

static const struct cli_command *command(const char *name)
{
    const struct cli_command *found = cli_commands;
    while (strcmp(found->name, name) != 0)
        found++;
    return found;
}

#define PARSE(name, ...)                                                                 \
    cli_options_parse(command(name),                                                     \
                      (int)(sizeof((char *[]){__VA_ARGS__}) / sizeof(char *)),           \
                      (char *[]){__VA_ARGS__}, &got)

START_TEST(options_in_every_spelling)
{
    ck_assert_int_eq(PARSE("next", "--store", "a.db", "--model=m", "--k", "3", "--word",
                           "x", "--word=y", "--json", "--temperature", "0.5"),
                     CLI_DONE);
    ck_assert_str_eq(got.store, "a.db");
    ck_assert_str_eq(got.model, "m");
    ck_assert_int_eq(got.k, 3);
    ck_assert_uint_eq(got.words.count, 2);
    ck_assert_str_eq(got.words.items[1], "y");
    ck_assert(got.json && !got.quiet);
    ck_assert_double_eq(got.temperature, 0.5);
    ck_assert_int_eq(PARSE("import", "--", "--file"), CLI_DONE);
    ck_assert_str_eq(got.rest.items[0], "--file");
    ck_assert_int_eq(PARSE("import", "-"), CLI_DONE);
    ck_assert_str_eq(got.rest.items[0], "-");
}
END_TEST

START_TEST(defaults)
{
    ck_assert_int_eq(PARSE("generate", "--quiet"), CLI_DONE);
    ck_assert_str_eq(got.store, "firth.db");
    ck_assert_int_eq(got.n, 1);
    ck_assert_int_eq(got.max_tokens, 64);
    ck_assert(!got.seed_given);
    ck_assert_int_eq(PARSE("generate", "--seed", "0"), CLI_DONE);
    ck_assert(got.seed_given && got.seed == 0);
}
END_TEST

START_TEST(wrong_options)
{
    ck_assert_int_eq(PARSE("next", "--k", "-1"), CLI_USAGE);
    ck_assert_int_eq(PARSE("next", "--k", "1.5"), CLI_USAGE);
    ck_assert_int_eq(PARSE("next", "--k", ""), CLI_USAGE);
    ck_assert_int_eq(PARSE("next", "--k"), CLI_USAGE);
    ck_assert_int_eq(PARSE("next", "--seed", "1"), CLI_USAGE);
    ck_assert_int_eq(PARSE("next", "--json=1"), CLI_USAGE);
    ck_assert_int_eq(PARSE("next", "-k"), CLI_USAGE);
    ck_assert_int_eq(PARSE("next", "word"), CLI_USAGE);
    ck_assert_int_eq(PARSE("backup", "--store", "x"), CLI_USAGE);
    ck_assert_int_eq(PARSE("score", "--log-base", "7"), CLI_USAGE);
    ck_assert_int_eq(PARSE("generate", "--temperature", "nan"), CLI_USAGE);
}
END_TEST

static void number_is(double value, const char *wanted)
{
    struct buffer text;
    buffer_init(&text, 100);
    cli_put_number(&text, value);
    ck_assert_str_eq(text.bytes, wanted);
    buffer_fini(&text);
}

START_TEST(numbers_in_columns)
{
    struct random random;
    char wanted[64];
    number_is(0, "0.000000");
    number_is(-1.5, "-1.500000");
    number_is(1234567.1234567, "1234567.123457");
    number_is(NAN, "nan");
    number_is(-INFINITY, "-inf");
    number_is(INFINITY, "inf");
    random_seed(&random, 1, 0);
    for (int i = 0; i < 1000; i++) {
        /* Multiples of 1/1024 have no rounding to disagree about beyond ties. */
        double value = ((double)random_below(&random, 1u << 30) - (1 << 29)) / 1000;
        (void)snprintf(wanted, sizeof wanted, "%.6f", value);
        number_is(value, wanted);
    }
}
END_TEST

START_TEST(columns_hold_no_separators)
{
    struct buffer text;
    buffer_init(&text, 100);
    cli_put_column(&text, span_of_text("a\tb\nc\\d\re"));
    ck_assert_str_eq(text.bytes, "a\\tb\\nc\\\\d\\re");
    buffer_fini(&text);
}
END_TEST

UNIT_SUITE(cli)
{
    tcase_add_test(unit, options_in_every_spelling);
    tcase_add_test(unit, defaults);
    tcase_add_test(unit, wrong_options);
    tcase_add_test(unit, numbers_in_columns);
    tcase_add_test(unit, columns_hold_no_separators);
}

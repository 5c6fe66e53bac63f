/* SPDX-License-Identifier: MIT */
#include "model/vectors/number.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "tests/support/unit.h"

static float read_text(const char *text)
{
    float value = -99;
    ck_assert_msg(number_read(span_of_text(text), &value), "%s", text);
    return value;
}

START_TEST(reads_what_strtof_reads)
{
    static const char *const texts[] = {
        "0",
        "-0",
        "1",
        "+1.5",
        ".5",
        "5.",
        "-12.75",
        "1e3",
        "1E-3",
        "3.4028234e38",
        "1.17549435e-38",
        "123456789012345678901234567890",
        "0.000000000000000000000000000001234567890123456789",
        "1e-400",
        "0e999999999",
        "-0.3333333333333333333",
        "9007199254740993",
        "16777217",
        "1.00000005960464477539"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        ck_assert_msg(read_text(texts[i]) == strtof(texts[i], NULL), "%s", texts[i]);
}
END_TEST

START_TEST(refuses_what_is_no_number)
{
    static const char *const texts[] = {
        "",    "-",   ".",  "e5", "1e",   "1e+",   "nan",  "inf",    "-inf",
        "NaN", "0,5", "1 ", " 1", "0x10", "1.2.3", "1e39", "-1e400", "1e99999999999",
        "--1"};
    float value;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        ck_assert_msg(!number_read(span_of_text(texts[i]), &value), "%s", texts[i]);
}
END_TEST

START_TEST(knows_what_was_meant)
{
    static const char *const meant[] = {"0,5",  "nan", "-Inf", "+infinity",
                                        "1e39", "1e",  "1.2.3"};
    static const char *const words[] = {"",     "-",     ".",   "e5",
                                        "nano", "10:30", "3rd", "0.5"};
    for (size_t i = 0; i < sizeof meant / sizeof *meant; i++)
        ck_assert_msg(number_meant(span_of_text(meant[i])), "%s", meant[i]);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        ck_assert_msg(!number_meant(span_of_text(words[i])), "%s", words[i]);
}
END_TEST

static void check_round_trip(float value)
{
    char text[NUMBER_SIZE_MAX + 1];
    size_t size = number_write(value, text);
    ck_assert_uint_le(size, NUMBER_SIZE_MAX);
    text[size] = 0;
    ck_assert_msg(read_text(text) == value, "%s %a", text, (double)value);
    ck_assert_msg(strtof(text, NULL) == value, "%s %a", text, (double)value);
}

START_TEST(written_numbers_read_back)
{
    struct random random;
    random_seed(&random, 1, 0);
    for (int i = 0; i < 200000; i++) {
        uint32_t bits = (uint32_t)random_next(&random);
        float value;
        memcpy(&value, &bits, sizeof value);
        if (isfinite(value))
            check_round_trip(value);
        check_round_trip((float)random_normal(&random));
    }
    static const float values[] = {
        0,    1,          -1,    10,    100,    999999,        1e9f,     1e10f,
        0.1f, 9.9999999f, 1e-5f, 1e-6f, 1e-45f, 3.4028234e38f, 99999.99f};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        check_round_trip(values[i]);
}
END_TEST

START_TEST(written_numbers_are_short)
{
    char text[NUMBER_SIZE_MAX];
    ck_assert_uint_eq(number_write(0.1f, text), 3);
    ck_assert(memcmp(text, "0.1", 3) == 0);
    ck_assert_uint_eq(number_write(-25, text), 3);
    ck_assert(memcmp(text, "-25", 3) == 0);
    ck_assert_uint_eq(number_write(0, text), 1);
}
END_TEST

UNIT_SUITE(vectors_number)
{
    tcase_add_test(unit, reads_what_strtof_reads);
    tcase_add_test(unit, refuses_what_is_no_number);
    tcase_add_test(unit, knows_what_was_meant);
    tcase_add_test(unit, written_numbers_read_back);
    tcase_add_test(unit, written_numbers_are_short);
}

/* SPDX-License-Identifier: MIT */
#include "api/printer.h"

#include <float.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "tests/support/unit.h"

static struct buffer out;
static struct printer printer;

static void begin(void)
{
    buffer_init(&out, 1 << 20);
    printer_init(&printer, &out);
}

static void number_is(double value, const char *expected)
{
    begin();
    printer_number(&printer, value);
    ck_assert_str_eq(out.bytes, expected);
    buffer_fini(&out);
}

START_TEST(structure_and_escapes)
{
    begin();
    printer_open(&printer, '{');
    printer_key_text(&printer, "a", "x\"\\\n\t\x01\x7f é\U0001F600");
    printer_key(&printer, "list");
    printer_open(&printer, '[');
    printer_integer(&printer, INT64_MIN);
    printer_unsigned(&printer, UINT64_MAX);
    printer_open(&printer, '{');
    printer_close(&printer, '}');
    printer_null(&printer);
    printer_close(&printer, ']');
    printer_key_flag(&printer, "f", false);
    printer_key_text(&printer, "none", NULL);
    printer_key(&printer, "when");
    printer_time(&printer, 1000);
    printer_close(&printer, '}');
    ck_assert_int_eq(out.failed, ERR_OK);
    ck_assert_str_eq(out.bytes,
                     "{\"a\":\"x\\\"\\\\\\n\\t\\u0001\\u007f é\U0001F600\",\"list\":["
                     "-9223372036854775808,18446744073709551615,{},null],\"f\":false,"
                     "\"none\":null,\"when\":\"1970-01-01T00:00:01.000Z\"}");
    buffer_fini(&out);
}
END_TEST

START_TEST(bad_utf8_never_comes_out)
{
    static const char *const bad[] = {
        "\xff",     "\xc0\xaf", "\xed\xa0\x80",    "\xf4\x90\x80\x80",
        "\xe2\x82", "a\x80z",   "\xf0\x80\x80\x80"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        begin();
        printer_text(&printer, bad[i]);
        json_t *value = json_loadb(out.bytes, out.size, JSON_DECODE_ANY, NULL);
        ck_assert_msg(value, "row %zu: %s", i, out.bytes);
        ck_assert(strstr(json_string_value(value), "\xef\xbf\xbd"));
        json_decref(value);
        buffer_fini(&out);
    }
}
END_TEST

START_TEST(numbers_are_the_shortest)
{
    number_is(0.1, "0.1");
    number_is(-0.1, "-0.1");
    number_is(1, "1.0");
    number_is(0, "0.0");
    number_is(-0.0, "0.0");
    number_is(100, "100.0");
    number_is(123456789, "123456789.0");
    number_is(0.30000000000000004, "0.30000000000000004");
    number_is(1.0 / 3, "0.3333333333333333");
    number_is(-2.5, "-2.5");
    number_is(1e14, "100000000000000.0");
    number_is(1e15, "1e+15");
    number_is(9007199254740992.0, "9007199254740992.0");
    number_is(0.00001, "0.00001");
    number_is(0.000001, "1e-06");
    number_is(0.0000015, "1.5e-06");
    number_is(5e-324, "4.94065645841247e-324");
    number_is(NAN, "null");
    number_is(INFINITY, "null");
    number_is(-INFINITY, "null");
}
END_TEST

/* The digits of a number, without its zeros at both ends. */
static size_t significant(const char *text)
{
    char digits[64];
    size_t size = 0;
    for (; *text && *text != 'e'; text++)
        if (*text >= '0' && *text <= '9' && (size > 0 || *text != '0'))
            digits[size++] = *text;
    while (size > 0 && digits[size - 1] == '0')
        size--;
    return size;
}

static double any_double(struct random *random, int kind)
{
    uint64_t bits = random_next(random);
    double value;
    memcpy(&value, &bits, sizeof value);
    switch (kind) {
    case 0:
        return isfinite(value) ? value : 1;
    case 1:
        return log(random_uniform(random) + DBL_MIN);
    case 2:
        return (double)random_below(random, 1000000) / 1000;
    case 3: /* near a power of two, where the gaps differ */
        return nextafter(ldexp(1, (int)random_below(random, 60) - 30),
                         random_below(random, 2) ? 0 : INFINITY);
    default:
        return random_uniform(random) * 1e16;
    }
}

START_TEST(numbers_read_back)
{
    struct random random;
    char shortest[64];
    int longer = 0;
    random_seed(&random, 7, 0);
    for (int i = 0; i < 200000; i++) {
        double value = any_double(&random, i % 5);
        begin();
        printer_number(&printer, value);
        ck_assert_msg(strtod(out.bytes, NULL) == value, "%.17g printed %s", value,
                      out.bytes);
        int digits = 1;
        do
            snprintf(shortest, sizeof shortest, "%.*e", digits - 1, value);
        while (strtod(shortest, NULL) != value && digits++ < 17);
        size_t needed = (size_t)(digits < 15 ? 15 : digits), got = significant(out.bytes);
        ck_assert_msg(got <= needed + 2, "%s is longer than %s", out.bytes, shortest);
        longer += got > needed; /* within 0.001 of half a gap: too long then */
        buffer_fini(&out);
    }
    ck_assert_int_lt(longer, 2000);
}
END_TEST

START_TEST(floats_read_back)
{
    struct random random;
    random_seed(&random, 8, 0);
    for (int i = 0; i < 100000; i++) {
        uint32_t bits = (uint32_t)random_next(&random);
        float value;
        memcpy(&value, &bits, sizeof value);
        if (i % 2)
            value = (float)random_normal(&random);
        begin();
        printer_float(&printer, value);
        if (isfinite(value))
            ck_assert_msg(strtof(out.bytes, NULL) == value, "%.9g printed %s",
                          (double)value, out.bytes);
        else
            ck_assert_str_eq(out.bytes, "null");
        buffer_fini(&out);
    }
    begin();
    printer_float(&printer, 0.1f);
    ck_assert_str_eq(out.bytes, "0.1");
    buffer_fini(&out);
}
END_TEST

START_TEST(a_full_buffer_is_told)
{
    buffer_init(&out, 10);
    printer_init(&printer, &out);
    for (int i = 0; i < 10; i++)
        printer_key_integer(&printer, "key", i);
    ck_assert_int_eq(out.failed, ERR_LIMIT);
    ck_assert_uint_le(out.size, 10);
    buffer_fini(&out);
}
END_TEST

UNIT_SUITE(printer)
{
    tcase_add_test(unit, structure_and_escapes);
    tcase_add_test(unit, bad_utf8_never_comes_out);
    tcase_add_test(unit, numbers_are_the_shortest);
    tcase_add_test(unit, numbers_read_back);
    tcase_add_test(unit, floats_read_back);
    tcase_add_test(unit, a_full_buffer_is_told);
}

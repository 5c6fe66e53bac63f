/* SPDX-License-Identifier: MIT */
/* Reading: up to 18 digits are kept exactly in an integer and scaled once by a power of
 * ten; long double has the bits to make the float the nearest one but for ties nobody
 * writes. Writing: the value is scaled to an integer of so many digits, and the digits
 * are tried until they read back. */
#include "model/vectors/number.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

enum { DIGITS_MAX = 18, EXPONENT_MAX = 400 };

static long double power_of_ten(int exponent)
{
    static const long double powers[] = {1e0L,  1e1L,  1e2L,  1e3L,  1e4L,  1e5L,  1e6L,
                                         1e7L,  1e8L,  1e9L,  1e10L, 1e11L, 1e12L, 1e13L,
                                         1e14L, 1e15L, 1e16L, 1e17L, 1e18L, 1e19L, 1e20L,
                                         1e21L, 1e22L, 1e23L, 1e24L, 1e25L, 1e26L, 1e27L};
    if (exponent < (int)(sizeof powers / sizeof *powers))
        return powers[exponent];
    return powl(10, exponent);
}

static long double scale(uint64_t digits, int exponent)
{
    if (digits == 0 || exponent < -EXPONENT_MAX)
        return 0;
    if (exponent > EXPONENT_MAX)
        return INFINITY;
    return exponent < 0 ? (long double)digits / power_of_ten(-exponent)
                        : (long double)digits * power_of_ten(exponent);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Reads the digits at `at`, dropping those behind the DIGITS_MAX-th; *exponent moves so
 * that digits · 10^exponent stays the number. */
static const char *read_digits(const char *at, const char *end, uint64_t *digits,
                               int *kept, int *exponent, bool fraction)
{
    for (; at < end && is_digit(*at); at++) {
        if (*kept == DIGITS_MAX) {
            *exponent += !fraction && *exponent < EXPONENT_MAX;
            continue;
        }
        *digits = *digits * 10 + (uint64_t)(*at - '0');
        *kept += *digits != 0;
        *exponent -= fraction && *exponent > -2 * EXPONENT_MAX;
    }
    return at;
}

static const char *read_exponent(const char *at, const char *end, int *exponent)
{
    bool negative = false;
    int value = 0;
    if (at < end && (*at == '+' || *at == '-'))
        negative = *at++ == '-';
    if (at == end)
        return NULL;
    for (; at < end && is_digit(*at); at++)
        if (value < 10 * EXPONENT_MAX)
            value = value * 10 + (*at - '0');
    *exponent += negative ? -value : value;
    return at;
}

bool number_read(struct span text, float *value)
{
    const char *at = text.bytes, *end = text.bytes + text.size;
    bool negative = false;
    uint64_t digits = 0;
    int kept = 0, exponent = 0;
    if (at < end && (*at == '+' || *at == '-'))
        negative = *at++ == '-';
    const char *whole = at;
    at = read_digits(at, end, &digits, &kept, &exponent, false);
    ptrdiff_t count = at - whole;
    if (at < end && *at == '.') {
        const char *fraction = ++at;
        at = read_digits(at, end, &digits, &kept, &exponent, true);
        count += at - fraction;
    }
    if (count == 0)
        return false;
    if (at < end && (*at == 'e' || *at == 'E'))
        at = read_exponent(at + 1, end, &exponent);
    if (at != end)
        return false;
    *value = (float)(negative ? -scale(digits, exponent) : scale(digits, exponent));
    return isfinite(*value);
}

bool number_meant(struct span text)
{
    static const char *const words[] = {"nan", "inf", "infinity"};
    size_t sign = text.size > 0 && (text.bytes[0] == '-' || text.bytes[0] == '+');
    struct span rest = span_of(text.bytes + sign, text.size - sign);
    float value;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (rest.size == strlen(words[i]) &&
            !strncasecmp(rest.bytes, words[i], rest.size))
            return true;
    if (rest.size == 0 || !is_digit(rest.bytes[0]))
        return false;
    for (size_t i = 0; i < rest.size; i++)
        if (!is_digit(rest.bytes[i]) && !memchr(".,eE+-", rest.bytes[i], 6))
            return false;
    return !number_read(text, &value);
}

/* The decimal exponent of the first digit of x > 0. */
static int leading_exponent(double x)
{
    int exponent = (int)floor(log10(x));
    if (x >= (double)power_of_ten(exponent < 0 ? 0 : exponent) * 10)
        exponent++;
    return exponent;
}

/* x as `count` digits times 10^(*exponent - count + 1). */
static uint64_t to_digits(double x, int count, int *exponent)
{
    int shift = count - 1 - *exponent;
    long double scaled = shift >= 0 ? (long double)x * power_of_ten(shift)
                                    : (long double)x / power_of_ten(-shift);
    uint64_t digits = (uint64_t)(scaled + 0.5L), limit = 1;
    for (int i = 0; i < count; i++)
        limit *= 10;
    if (digits >= limit) {
        digits /= 10;
        ++*exponent;
    }
    return digits;
}

static size_t write_fixed(const char *digits, int count, int exponent, char *text)
{
    size_t size = 0;
    if (exponent < 0) {
        text[size++] = '0';
        text[size++] = '.';
        for (int i = -1; i > exponent; i--)
            text[size++] = '0';
    }
    for (int i = 0; i < count; i++) {
        text[size++] = digits[i];
        if (i == exponent && i + 1 < count)
            text[size++] = '.';
    }
    for (int i = count; i <= exponent; i++)
        text[size++] = '0';
    return size;
}

static size_t write_scientific(const char *digits, int count, int exponent, char *text)
{
    size_t size = 0;
    text[size++] = digits[0];
    if (count > 1)
        text[size++] = '.';
    for (int i = 1; i < count; i++)
        text[size++] = digits[i];
    text[size++] = 'e';
    text[size++] = exponent < 0 ? '-' : '+';
    int magnitude = exponent < 0 ? -exponent : exponent;
    text[size++] = (char)('0' + magnitude / 10);
    text[size++] = (char)('0' + magnitude % 10);
    return size;
}

size_t number_write(float value, char *text)
{
    size_t size = 0;
    if (value == 0) {
        text[0] = '0';
        return 1;
    }
    if (value < 0)
        text[size++] = '-';
    double x = fabs((double)value);
    int exponent = 0, count = 6;
    uint64_t digits = 0;
    for (; count <= 9; count++) {
        exponent = leading_exponent(x);
        digits = to_digits(x, count, &exponent);
        if ((double)(float)scale(digits, exponent - count + 1) == x)
            break;
    }
    if (count > 9)
        count = 9;
    for (; count > 1 && digits % 10 == 0; count--)
        digits /= 10;
    char written[10];
    for (int i = count; i-- > 0; digits /= 10)
        written[i] = (char)('0' + digits % 10);
    if (exponent < -5 || exponent > 9)
        return size + write_scientific(written, count, exponent, text + size);
    return size + write_fixed(written, count, exponent, text + size);
}

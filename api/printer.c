/* SPDX-License-Identifier: MIT */
/* JSON text, appended piece by piece.
 *
 * Numbers are the expensive part of a reply full of log-probabilities. The shortest
 * decimal that reads back to the same double has 15, 16 or 17 digits (fewer show as 15
 * with zeros at the end). For magnitudes from 1e-10 to 1e16 each length is tried with
 * long double arithmetic: scale, round to an integer, scale back, and accept when the
 * result is nearer to the value than 0.499 of the gap to its neighbour, which leaves room
 * for the rounding of the two operations. Everything else, and a platform whose long
 * double is no wider than double, goes through printf and strtod. Floats do the same in
 * double with 6 to 9 digits. */
#include "api/printer.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum { NUMBER_SIZE = 40, POWERS = 28 };

static const long double powers[POWERS] = {
    1e0L,  1e1L,  1e2L,  1e3L,  1e4L,  1e5L,  1e6L,  1e7L,  1e8L,  1e9L,
    1e10L, 1e11L, 1e12L, 1e13L, 1e14L, 1e15L, 1e16L, 1e17L, 1e18L, 1e19L,
    1e20L, 1e21L, 1e22L, 1e23L, 1e24L, 1e25L, 1e26L, 1e27L};

void printer_init(struct printer *printer, struct buffer *out)
{
    *printer = (struct printer){.out = out};
}

static void before_value(struct printer *printer)
{
    if (printer->comma)
        buffer_append_char(printer->out, ',');
    printer->comma = true;
}

void printer_open(struct printer *printer, char bracket)
{
    before_value(printer);
    buffer_append_char(printer->out, bracket);
    printer->comma = false;
}

void printer_close(struct printer *printer, char bracket)
{
    buffer_append_char(printer->out, bracket);
    printer->comma = true;
}

void printer_key(struct printer *printer, const char *key)
{
    size_t size = strlen(key);
    char *room = buffer_reserve(printer->out, size + 4);
    if (!room)
        return;
    char *next = room;
    if (printer->comma)
        *next++ = ',';
    *next++ = '"';
    memcpy(next, key, size);
    next += size;
    *next++ = '"';
    *next++ = ':';
    buffer_wrote(printer->out, (size_t)(next - room));
    printer->comma = false;
}

/* The length of the valid UTF-8 sequence of more than one byte at `bytes`, 0 if none. */
static size_t sequence_length(const unsigned char *bytes, size_t size)
{
    unsigned char first = bytes[0];
    size_t length = first >= 0xc2 && first <= 0xdf   ? 2
                    : (first & 0xf0) == 0xe0         ? 3
                    : first >= 0xf0 && first <= 0xf4 ? 4
                                                     : 0;
    if (length == 0 || length > size)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
    if ((first == 0xe0 && bytes[1] < 0xa0) || (first == 0xed && bytes[1] > 0x9f) ||
        (first == 0xf0 && bytes[1] < 0x90) || (first == 0xf4 && bytes[1] > 0x8f))
        return 0;
    return length;
}

static void put_escape(struct buffer *out, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    char short_form = c == '"'    ? '"'
                      : c == '\\' ? '\\'
                      : c == '\n' ? 'n'
                      : c == '\r' ? 'r'
                      : c == '\t' ? 't'
                                  : 0;
    if (short_form)
        buffer_append(out, (char[]){'\\', short_form}, 2);
    else
        buffer_append(out, (char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6);
}

void printer_span(struct printer *printer, struct span text)
{
    const unsigned char *bytes = (const unsigned char *)text.bytes;
    size_t start = 0, at = 0;
    before_value(printer);
    buffer_append_char(printer->out, '"');
    while (at < text.size) {
        unsigned char c = bytes[at];
        if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
            at++;
            continue;
        }
        size_t length = c < 0x80 ? 0 : sequence_length(bytes + at, text.size - at);
        if (length > 0) {
            at += length;
            continue;
        }
        buffer_append(printer->out, bytes + start, at - start);
        if (c < 0x80)
            put_escape(printer->out, c);
        else
            buffer_append(printer->out, "\xef\xbf\xbd", 3);
        start = ++at;
    }
    buffer_append(printer->out, bytes + start, at - start);
    buffer_append_char(printer->out, '"');
}

void printer_text(struct printer *printer, const char *text)
{
    if (text)
        printer_span(printer, span_of_text(text));
    else
        printer_null(printer);
}

/* Writes the decimal digits of `value` so that they end at `end`; returns their start. */
static char *digits_before(char *end, uint64_t value)
{
    do {
        *--end = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return end;
}

static void put_raw(struct printer *printer, const char *text, size_t size)
{
    before_value(printer);
    buffer_append(printer->out, text, size);
}

void printer_unsigned(struct printer *printer, uint64_t value)
{
    char text[NUMBER_SIZE], *end = text + sizeof text;
    char *start = digits_before(end, value);
    put_raw(printer, start, (size_t)(end - start));
}

void printer_integer(struct printer *printer, int64_t value)
{
    char text[NUMBER_SIZE], *end = text + sizeof text;
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    char *start = digits_before(end, magnitude);
    if (value < 0)
        *--start = '-';
    put_raw(printer, start, (size_t)(end - start));
}

/* Writes integer × 10^-scale, the integer having `digits` digits; returns the size. */
static size_t write_decimal(char *to, uint64_t integer, int digits, int scale)
{
    char buffer[NUMBER_SIZE], *end = buffer + sizeof buffer, *next = to;
    while (integer % 10 == 0 && digits > 1) {
        integer /= 10;
        digits--;
        scale--;
    }
    const char *start = digits_before(end, integer);
    int exponent = digits - 1 - scale; /* of the first digit */
    if (exponent < -5) {
        *next++ = start[0];
        if (digits > 1) {
            *next++ = '.';
            memcpy(next, start + 1, (size_t)digits - 1);
            next += digits - 1;
        }
        return (size_t)(next - to) +
               (size_t)snprintf(next, 8, "e-%02d", exponent < -99 ? 99 : -exponent);
    }
    if (exponent < 0) {
        *next++ = '0';
        *next++ = '.';
        for (int i = exponent + 1; i < 0; i++)
            *next++ = '0';
        memcpy(next, start, (size_t)digits);
        return (size_t)(next - to) + (size_t)digits;
    }
    for (int i = 0; i <= exponent || i < digits; i++) {
        if (i == exponent + 1)
            *next++ = '.';
        *next++ = i < digits ? start[i] : '0';
    }
    *next++ = '.';
    if (digits > exponent + 1)
        next--;
    else
        *next++ = '0';
    return (size_t)(next - to);
}

/* The exponent of the first decimal digit of 1e-10 <= magnitude < 1e16. */
static int decimal_exponent(long double magnitude)
{
    int exponent = (int)floor(ilogb((double)magnitude) * 0.30102999566398120);
    long double scaled =
        exponent >= 0 ? magnitude / powers[exponent] : magnitude * powers[-exponent];
    return scaled >= 10 ? exponent + 1 : scaled < 1 ? exponent - 1 : exponent;
}

/* Tries lengths from `fewest` to `most` digits; 0 when none is surely right. `gap` is the
 * distance to the nearest neighbour that must not be read back instead. */
static size_t write_shortest(char *to, long double magnitude, long double gap, int fewest,
                             int most)
{
    int exponent = decimal_exponent(magnitude);
    for (int digits = fewest; digits <= most; digits++) {
        int scale = digits - 1 - exponent;
        if (scale < 0 || scale >= POWERS)
            return 0;
        long double scaled = magnitude * powers[scale];
        uint64_t integer = (uint64_t)(scaled + 0.5L);
        long double back = (long double)integer / powers[scale];
        long double off = back > magnitude ? back - magnitude : magnitude - back;
        if (off >= 0.499L * gap)
            continue;
        if (integer >= (uint64_t)powers[digits]) {
            integer /= 10; /* it rounded up to a power of ten */
            scale--;
        }
        return write_decimal(to, integer, digits, scale);
    }
    return 0;
}

static size_t write_slowly(char *to, double value, int fewest, int most, bool is_float)
{
    size_t size = 0;
    for (int digits = fewest; digits <= most; digits++) {
        size = (size_t)snprintf(to, NUMBER_SIZE, "%.*g", digits, value);
        if (is_float ? strtof(to, NULL) == (float)value : strtod(to, NULL) == value)
            break;
    }
    if (!strpbrk(to, ".e"))
        size += (size_t)snprintf(to + size, NUMBER_SIZE - size, ".0");
    return size;
}

static void put_number(struct printer *printer, double value, long double gap, int fewest,
                       int most, bool is_float)
{
    char text[NUMBER_SIZE + 8];
    double magnitude = fabs(value);
    size_t size = 0;
    text[0] = '-';
    if (value == 0) {
        put_raw(printer, "0.0", 3);
        return;
    }
    if (LDBL_MANT_DIG >= 64 && magnitude >= 1e-10 && magnitude < 1e16)
        size = write_shortest(text + 1, magnitude, gap, fewest, most);
    if (size == 0)
        size = write_slowly(text + 1, magnitude, fewest, most, is_float);
    put_raw(printer, value < 0 ? text : text + 1, value < 0 ? size + 1 : size);
}

void printer_number(struct printer *printer, double value)
{
    if (!isfinite(value)) {
        printer_null(printer);
        return;
    }
    double magnitude = fabs(value);
    put_number(printer, value, (long double)magnitude - nextafter(magnitude, 0), 15, 17,
               false);
}

void printer_float(struct printer *printer, float value)
{
    if (!isfinite(value)) {
        printer_null(printer);
        return;
    }
    float magnitude = fabsf(value);
    put_number(printer, (double)value,
               (long double)magnitude - (long double)nextafterf(magnitude, 0), 6, 9,
               true);
}

void printer_flag(struct printer *printer, bool value)
{
    put_raw(printer, value ? "true" : "false", value ? 4 : 5);
}

void printer_null(struct printer *printer)
{
    put_raw(printer, "null", 4);
}

void printer_json(struct printer *printer, struct span json)
{
    put_raw(printer, json.bytes, json.size);
}

void printer_time(struct printer *printer, int64_t wall_ms)
{
    char text[CLOCK_ISO_SIZE];
    if (wall_ms == 0) {
        printer_null(printer);
        return;
    }
    clock_iso(wall_ms, text);
    printer_text(printer, text);
}

void printer_key_text(struct printer *printer, const char *key, const char *text)
{
    printer_key(printer, key);
    printer_text(printer, text);
}

void printer_key_integer(struct printer *printer, const char *key, int64_t value)
{
    printer_key(printer, key);
    printer_integer(printer, value);
}

void printer_key_number(struct printer *printer, const char *key, double value)
{
    printer_key(printer, key);
    printer_number(printer, value);
}

void printer_key_flag(struct printer *printer, const char *key, bool value)
{
    printer_key(printer, key);
    printer_flag(printer, value);
}

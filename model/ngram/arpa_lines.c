/* SPDX-License-Identifier: MIT */
/* Lines, fields and numbers of ARPA files, with the place of each for error messages.
 * Numbers are read here and not by strtod, which obeys the locale and is slow. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "model/ngram/arpa_file.h"

enum err arpa_lines_init(struct arpa_lines *lines, const struct reader *from)
{
    *lines = (struct arpa_lines){.from = *from};
    lines->buffer = memory_new_array(ARPA_LINE_MAX, 2);
    return lines->buffer ? ERR_OK : ERR_NO_MEMORY;
}

void arpa_lines_fini(struct arpa_lines *lines)
{
    free(lines->buffer);
    lines->buffer = NULL;
}

static enum err fill(struct arpa_lines *lines)
{
    size_t got;
    lines->filled -= lines->next;
    memmove(lines->buffer, lines->buffer + lines->next, lines->filled);
    lines->next = 0;
    enum err code = reader_fill(&lines->from, lines->buffer + lines->filled,
                                2 * ARPA_LINE_MAX - lines->filled, &got);
    lines->filled += got;
    lines->ended = got == 0;
    return code;
}

enum err arpa_lines_next(struct arpa_lines *lines, bool *more, struct err_info *info)
{
    const char *end = NULL;
    *more = false;
    lines->offset += lines->consumed;
    for (;;) {
        size_t left = lines->filled - lines->next;
        end = left ? memchr(lines->buffer + lines->next, '\n', left) : NULL;
        if (end || lines->ended || left > ARPA_LINE_MAX)
            break;
        enum err code = fill(lines);
        if (code)
            return code;
    }
    const char *begin = lines->buffer + lines->next;
    size_t size = end ? (size_t)(end - begin) : lines->filled - lines->next;
    lines->number++;
    if (size > ARPA_LINE_MAX)
        return err_set_place(info, ERR_BAD_MODEL_FILE, lines->offset, lines->number,
                             "The line is longer than %zu bytes", ARPA_LINE_MAX);
    *more = end || size > 0;
    lines->consumed = size + (end ? 1 : 0);
    lines->next += lines->consumed;
    lines->line = span_of(begin, size);
    size_t bad = utf8_check(lines->line);
    if (bad < size && lines->number > 1)
        return err_set_place(info, ERR_BAD_MODEL_FILE, lines->offset + bad, lines->number,
                             "The line is not valid UTF-8");
    return ERR_OK;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

struct span arpa_field(struct span *text)
{
    size_t begin = 0;
    while (begin < text->size && is_blank(text->bytes[begin]))
        begin++;
    size_t end = begin;
    while (end < text->size && !is_blank(text->bytes[end]))
        end++;
    struct span field = span_of(text->bytes + begin, end - begin);
    *text = span_of(text->bytes + end, text->size - end);
    return field;
}

/* Takes digits off `next`; adds their value to *mantissa while it has room, and counts
 * those taken and those that no longer fitted. */
static const char *take_digits(const char *next, const char *end, uint64_t *mantissa,
                               int *taken, int *dropped)
{
    for (; next < end && *next >= '0' && *next <= '9'; next++, ++*taken)
        if (*mantissa < UINT64_MAX / 10 - 9)
            *mantissa = *mantissa * 10 + (uint64_t)(*next - '0');
        else
            ++*dropped;
    return next;
}

/* An exponent "e-5" at `next`; false when malformed. */
static bool take_exponent(const char **next, const char *end, int *exponent)
{
    uint64_t value = 0;
    int taken = 0, dropped = 0;
    if (*next == end || (**next != 'e' && **next != 'E'))
        return true;
    bool negative = ++*next < end && **next == '-';
    *next += negative || (*next < end && **next == '+');
    *next = take_digits(*next, end, &value, &taken, &dropped);
    if (taken == 0 || dropped > 0 || value > 9999)
        return false;
    *exponent += negative ? -(int)value : (int)value;
    return true;
}

bool arpa_number(struct span field, double *number)
{
    const char *next = field.bytes, *end = field.bytes + field.size;
    uint64_t mantissa = 0;
    int whole = 0, fraction = 0, dropped = 0, late = 0;
    bool negative = next < end && *next == '-';
    next += negative || (next < end && *next == '+');
    next = take_digits(next, end, &mantissa, &whole, &dropped);
    int exponent = dropped;
    if (next < end && *next == '.')
        next = take_digits(next + 1, end, &mantissa, &fraction, &late);
    exponent -= fraction - late;
    if (whole + fraction == 0 || !take_exponent(&next, end, &exponent) || next != end)
        return false;
    double value = (double)mantissa;
    if (exponent < 0 && exponent >= -22)
        value /= (double[]){1,    1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                            1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                            1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}[-exponent];
    else if (exponent != 0)
        value *= pow(10, exponent);
    *number = negative ? -value : value;
    return isfinite(value);
}

/* SPDX-License-Identifier: MIT */
/* Lines are copied into places of a fixed size before they are looked at, so that every
 * reader of a value works on a terminated text of known length. Reading refuses what it
 * does not know: a row that was written by a later program must not be taken for another
 * request. */
#include "model/spec_text.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool spec_text_next(struct span *text, struct spec_line *line)
{
    if (text->size == 0)
        return false;
    const char *end = memchr(text->bytes, '\n', text->size);
    size_t length = end ? (size_t)(end - text->bytes) : text->size;
    const char *space = memchr(text->bytes, ' ', length);
    size_t key = space ? (size_t)(space - text->bytes) : length;
    size_t value = space ? length - key - 1 : 0;
    line->key[0] = line->value[0] = 0;
    if (key < SPEC_TEXT_KEY_MAX && value < SPEC_TEXT_VALUE_MAX) {
        snprintf(line->key, SPEC_TEXT_KEY_MAX, "%.*s", (int)key, text->bytes);
        snprintf(line->value, SPEC_TEXT_VALUE_MAX, "%.*s", (int)value,
                 text->bytes + length - value);
    }
    size_t used = length + (end ? 1 : 0);
    *text = span_of(text->bytes + used, text->size - used);
    return true;
}

bool spec_text_name(const char *value, char *name, size_t size)
{
    return snprintf(name, size, "%s", value) < (int)size;
}

bool spec_text_double(const char *value, double *number)
{
    char *end;
    *number = strtod(value, &end);
    return end != value && *end == 0;
}

bool spec_text_amount(const char *value, double *number)
{
    return spec_text_double(value, number) && isfinite(*number) && *number >= 0;
}

bool spec_text_u64(const char *value, uint64_t *number)
{
    char *end;
    errno = 0;
    *number = strtoull(value, &end, 10);
    return value[0] >= '0' && value[0] <= '9' && *end == 0 && errno == 0;
}

bool spec_text_u32(const char *value, uint32_t *number)
{
    uint64_t wide;
    if (!spec_text_u64(value, &wide) || wide > UINT32_MAX)
        return false;
    *number = (uint32_t)wide;
    return true;
}

bool spec_text_boolean(const char *value, bool *truth)
{
    *truth = strcmp(value, "true") == 0;
    return *truth || strcmp(value, "false") == 0;
}

bool spec_text_word(const char *value, const char *const *names, unsigned count,
                    unsigned *index)
{
    for (*index = 0; *index < count; ++*index)
        if (strcmp(names[*index], value) == 0)
            return true;
    return false;
}

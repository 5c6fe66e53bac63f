/* SPDX-License-Identifier: MIT */
/* One character at a time, so that a caller with a limit can stop between two. Invalid
 * UTF-8 becomes U+FFFD byte by byte; overlong forms and surrogates count as invalid. */
#include "base/json_text.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The length of the UTF-8 sequence at `text` (NUL-terminated), 0 when it is not valid. */
static size_t sequence_length(const unsigned char *text)
{
    size_t length = text[0] < 0x80                       ? 1
                    : text[0] >= 0xc2 && text[0] <= 0xdf ? 2
                    : (text[0] & 0xf0) == 0xe0           ? 3
                    : text[0] >= 0xf0 && text[0] <= 0xf4 ? 4
                                                         : 0;
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    bool overlong =
        (text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xf0 && text[1] < 0x90);
    bool beyond =
        (text[0] == 0xed && text[1] >= 0xa0) || (text[0] == 0xf4 && text[1] >= 0x90);
    return overlong || beyond ? 0 : length;
}

size_t json_text_piece(const char *text, char *piece, size_t *size)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t length = sequence_length(bytes);
    if (length == 0) {
        *size = (size_t)snprintf(piece, JSON_TEXT_PIECE, "\\ufffd");
        return 1;
    }
    if (*bytes == '"' || *bytes == '\\')
        *size = (size_t)snprintf(piece, JSON_TEXT_PIECE, "\\%c", *text);
    else if (*bytes < 0x20 || *bytes == 0x7f)
        *size = (size_t)snprintf(piece, JSON_TEXT_PIECE, "\\u%04x", *bytes);
    else
        memcpy(piece, text, *size = length);
    return length;
}

enum err json_text_append(struct buffer *buffer, const char *text)
{
    buffer_append_char(buffer, '"');
    while (*text) {
        char piece[JSON_TEXT_PIECE];
        size_t size;
        text += json_text_piece(text, piece, &size);
        buffer_append(buffer, piece, size);
    }
    return buffer_append_char(buffer, '"');
}

enum err json_text_number(struct buffer *buffer, double value)
{
    return isfinite(value) ? buffer_printf(buffer, "%.9g", value)
                           : buffer_append_text(buffer, "null");
}

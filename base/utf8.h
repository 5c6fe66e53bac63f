/* SPDX-License-Identifier: MIT */
/* Strict UTF-8 as in RFC 3629: no overlong form, no surrogate, nothing above U+10FFFF.
 * Plain functions on whole texts, and a checker for texts that come in pieces. */
#ifndef FIRTH_BASE_UTF8_H
#define FIRTH_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

#define UTF8_SIZE_MAX 4u /* bytes of the longest code point */

/* The offset of the first byte of the first ill-formed sequence; text.size when the text
 * is valid. A sequence cut off by the end is ill-formed. */
size_t utf8_check(struct span text);

/* The size of the longest prefix that does not end within a code point: what may be
 * printed now of a text that is still growing. Judges only the last three bytes. */
size_t utf8_complete(struct span text);

/* Reads the code point at the start of `text` (size > 0). Returns its size in bytes, or
 * 0 where the bytes are ill-formed; *code_point is then U+FFFD. */
size_t utf8_decode(struct span text, uint32_t *code_point);

/* Writes a code point (a Unicode scalar value) into bytes[UTF8_SIZE_MAX]; its size. */
size_t utf8_encode(uint32_t code_point, char *bytes);

/* The number of line ends ('\n') in the text. */
uint64_t utf8_line_ends(struct span text);

/* A text in pieces, as an upload brings it. Plain data. */
struct utf8_stream {
    uint64_t size;      /* bytes taken */
    uint64_t line_ends; /* line feeds among them, up to `bad` once that is known */
    uint64_t bad;       /* offset of the first ill-formed sequence, once there is one */
    bool failed;
    bool open_line; /* the last byte was no line feed */
    uint8_t pending_size;
    char pending[UTF8_SIZE_MAX]; /* a sequence begun but not ended */
};
void utf8_stream_init(struct utf8_stream *stream);

/* Takes the next piece. ERR_BAD_UTF8 sets `bad` and stays. */
MUST_CHECK enum err utf8_stream_add(struct utf8_stream *stream, struct span piece);

/* Says whether the text may end here: ERR_BAD_UTF8 within a code point. */
MUST_CHECK enum err utf8_stream_finish(struct utf8_stream *stream);

/* Lines so far; a last one without line feed counts. */
uint64_t utf8_stream_lines(const struct utf8_stream *stream);

#endif

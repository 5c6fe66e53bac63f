/* SPDX-License-Identifier: MIT */
/* Text as a JSON string: quotes, backslashes and control bytes escaped, invalid UTF-8
 * replaced, so that the result always parses. For the few places that write a line of
 * JSON without a library: the log, the events of jobs. */
#ifndef FIRTH_BASE_JSON_TEXT_H
#define FIRTH_BASE_JSON_TEXT_H

#include <stddef.h>

#include "base/buffer.h"

#define JSON_TEXT_PIECE 8

/* The JSON form of the first character of `text` (NUL-terminated, not empty): stores it
 * in piece[JSON_TEXT_PIECE] and its size in *size; returns the bytes of `text` it stands
 * for. */
size_t json_text_piece(const char *text, char *piece, size_t *size);

/* Appends `text` in quotes. */
enum err json_text_append(struct buffer *buffer, const char *text);

/* Appends a number with up to nine digits, null when it is not finite. */
enum err json_text_number(struct buffer *buffer, double value);

#endif

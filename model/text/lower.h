/* SPDX-License-Identifier: MIT */
/* Lower-casing of one token. Private to model/text. */
#ifndef FIRTH_MODEL_TEXT_LOWER_H
#define FIRTH_MODEL_TEXT_LOWER_H

#include <stddef.h>

#include "base/span.h"

/* What lower-casing may make of `size` bytes: some code points grow from two to three. */
#define LOWER_SIZE(size) ((size) + (size) / 2 + 3)

/* Writes the token in lower case into bytes[LOWER_SIZE(token.size)]; returns its size.
 * Bytes that are not UTF-8 are kept. */
size_t lower_token(struct span token, char *bytes);

/* The same, and origins[i] is the offset in `token` of the code point that byte i came
 * from. */
size_t lower_with_origins(struct span token, char *bytes, unsigned short *origins);

#endif

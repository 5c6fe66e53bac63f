/* SPDX-License-Identifier: MIT */
/* Helpers shared by the tests of model/text. */
#ifndef FIRTH_TESTS_UNIT_TEXT_H
#define FIRTH_TESTS_UNIT_TEXT_H

#include "base/buffer.h"
#include "base/random.h"
#include "model/text/tokenizer.h"
#include "model/text/vocab.h"

/* A tokenizer that is sure to be there; bpe learns from `text`. */
struct tokenizer *text_tokenizer(enum text_unit unit, enum text_segment segment,
                                 bool lowercase, struct span text);

/* The tokens of a text with '|' between them and "\n" for each segment's end; free(). */
char *text_tokens(const struct tokenizer *tokenizer, struct span text, bool whole);

/* The same for a tokenizer made on the spot. */
char *text_tokens_of(enum text_unit unit, enum text_segment segment, bool lowercase,
                     const char *text);

/* Fills a buffer with random UTF-8 of about `size` bytes: letters of several scripts,
 * spaces of all kinds, punctuation, marks, emoji; ASCII only when asked. */
void text_random(struct random *random, size_t size, bool ascii, struct buffer *text);

#endif

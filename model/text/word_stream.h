/* SPDX-License-Identifier: MIT */
/* The words of a corpus in blocks, for counting and encoding: what a token cursor gives,
 * but many at a time, and for white space at the speed of the scanner. Private to
 * model/text. */
#ifndef FIRTH_MODEL_TEXT_WORD_STREAM_H
#define FIRTH_MODEL_TEXT_WORD_STREAM_H

#include <stddef.h>

#include "base/err.h"
#include "base/span.h"
#include "model/text/tokenizer.h"

struct word_stream;

/* New stream over `text`, which is cut into segments as the settings say. */
MUST_CHECK enum err word_stream_new(const struct tokenizer *tokenizer, struct span text,
                                    struct word_stream **out);
void word_stream_free(struct word_stream *stream);

#define WORD_STREAM_MIN 64u

/* Stores up to most ≥ WORD_STREAM_MIN words, valid until the next call, and returns their
 * number; 0 is the end. A word of size 0 ends a segment; segments are never empty. */
size_t word_stream_next(struct word_stream *stream, struct span *words, size_t most);

/* The words lie together in one block of memory that may be read up to here. */
const char *word_stream_limit(const struct word_stream *stream);

size_t word_stream_position(const struct word_stream *stream);

#endif

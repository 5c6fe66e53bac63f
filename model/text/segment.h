/* SPDX-License-Identifier: MIT */
/* Where segments begin and end. Every rule looks only at a bounded neighbourhood of the
 * place it judges, so a text may be cut anywhere at a boundary and gives the same
 * segments. Private to model/text. */
#ifndef FIRTH_MODEL_TEXT_SEGMENT_H
#define FIRTH_MODEL_TEXT_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"
#include "model/text/tokenizer.h"

/* Finds the segment at or after *at: its content without what separates it from the next
 * (a line end, the space between sentences, blank lines), possibly empty. *at moves to
 * where the search goes on. False at the end of the text. */
bool segment_next(enum text_segment kind, struct span text, size_t *at,
                  struct span *segment);

/* The first place at or after `from` where the text may be cut between segments; the
 * text's size when there is none. */
size_t segment_boundary(enum text_segment kind, struct span text, size_t from);

#endif

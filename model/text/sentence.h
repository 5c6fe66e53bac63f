/* SPDX-License-Identifier: MIT */
/* Sentences of free text; see segment.h. Private to model/text. */
#ifndef FIRTH_MODEL_TEXT_SENTENCE_H
#define FIRTH_MODEL_TEXT_SENTENCE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"

/* As segment_next: one sentence without the white space around it. */
bool sentence_next(struct span text, size_t *at, struct span *sentence);

/* The end of the first sentence that ends at or after `from`. */
size_t sentence_boundary(struct span text, size_t from);

#endif

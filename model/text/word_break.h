/* SPDX-License-Identifier: MIT */
/* Word boundaries as in Unicode's annex 29. Private to model/text. */
#ifndef FIRTH_MODEL_TEXT_WORD_BREAK_H
#define FIRTH_MODEL_TEXT_WORD_BREAK_H

#include <stddef.h>

#include "base/span.h"
#include "model/text/tokenizer.h"

/* Boundaries found ahead: marks[i] says that a word begins at base + i. */
struct word_break {
    const char *base; /* NULL: none are known */
    size_t size;
    char marks[TOKEN_SIZE_MAX];
};

/* Forgets what is known; before each new segment. */
void word_break_start(struct word_break *breaks);

/* The size of the word at the start of `rest` (size > 0, no white space at its start), at
 * most TOKEN_SIZE_MAX. `rest` is what the call before left of the same segment. */
size_t word_break_next(struct word_break *breaks, struct span rest);

#endif

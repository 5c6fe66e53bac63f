/* SPDX-License-Identifier: MIT */
/* Finding the words between white space, 64 bytes at a time. White space is what Unicode
 * says it is (White_Space), ASCII or not. Private to model/text. */
#ifndef FIRTH_MODEL_TEXT_WHITESPACE_H
#define FIRTH_MODEL_TEXT_WHITESPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

/* The size in bytes of the white-space character at the start of `text`; 0 when there is
 * none. */
size_t whitespace_at(struct span text);

/* The size of the first token of a run of `size` > TOKEN_SIZE_MAX bytes: as much as a
 * token may have, without cutting a code point. */
size_t whitespace_cut(const char *bytes);

struct whitespace_scanner {
    const char *next, *end; /* what is left */
    const char *limit;      /* bytes may be read up to here, end ≤ limit */
    const char *open;       /* start of a word that goes on at `next`, or NULL */
    unsigned spill;         /* bytes at `next` that still belong to white space */
};

/* Begins at the start of `text`, a part of a larger text that ends at `limit`. */
void whitespace_start(struct whitespace_scanner *scanner, struct span text,
                      const char *limit);

/* No call adds more than `most` words; most is at least this. */
#define WHITESPACE_WORDS_MIN 40u

/* Stores the next words, none longer than TOKEN_SIZE_MAX, and returns their number. 0 is
 * the end. */
size_t whitespace_words(struct whitespace_scanner *scanner, struct span *words,
                        size_t most);

#endif

/* SPDX-License-Identifier: MIT */
/* Counting the distinct words of a text, on several threads. Private to model/text. */
#ifndef FIRTH_MODEL_TEXT_TALLY_H
#define FIRTH_MODEL_TEXT_TALLY_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/progress.h"
#include "base/span.h"
#include "model/text/tokenizer.h"
#include "model/text/word_table.h"

struct tally {
    struct word_table words;
    uint64_t *counts; /* [counts_capacity], the first words.count in use */
    size_t counts_capacity;
    uint64_t tokens; /* the sum of the counts */
};

/* Counts the words of `text` on `threads` threads (0: all cores); for a bpe tokenizer
 * that has not learned yet, its pieces. ERR_CANCELLED when progress said stop. tally_fini
 * in every case. */
MUST_CHECK enum err tally_text(struct tally *tally, const struct tokenizer *tokenizer,
                               struct span text, unsigned threads,
                               const struct progress *progress);
void tally_fini(struct tally *tally);

/* Adds `count` (may be 0) to a word's count. */
MUST_CHECK enum err tally_add(struct tally *tally, struct span word, uint64_t count);

struct tally_word {
    struct span word;
    uint64_t count;
};

/* New array of all words of the tally, in falling count, equal counts by their bytes;
 * free(). The words are views into the tally. */
MUST_CHECK enum err tally_rank(const struct tally *tally, struct tally_word **out);

#endif

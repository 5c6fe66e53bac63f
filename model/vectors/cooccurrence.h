/* SPDX-License-Identifier: MIT */
/* How often words stand near each other: for each pair the sum of 1/distance (or of 1)
 * over all places where they are at most `window` words apart in one segment. */
#ifndef FIRTH_MODEL_VECTORS_COOCCURRENCE_H
#define FIRTH_MODEL_VECTORS_COOCCURRENCE_H

#include "model/vectors/id_corpus.h"

#define COOCCURRENCE_WINDOW_MAX 64u

struct cooccurrence_settings {
    uint32_t window;
    bool symmetric;   /* both sides of a word count, else only the words before it */
    bool by_distance; /* a pair at distance d counts 1/d, else 1 */
    unsigned threads;
    uint64_t memory_bytes; /* about what counting may take; 0: 1 GiB */
    const char *scratch_directory;
};

struct cooccurrence_entry {
    uint32_t row, column; /* words from 0; column is the word near, or before, row */
    float value;
};

/* Entries in rising (row, column). Where symmetric, row ≤ column and the entry stands for
 * both orders; (i, i) has been counted from both sides. */
struct cooccurrence {
    const struct cooccurrence_entry *entries; /* [count], mapped */
    size_t count;
    uint32_t words;
    bool symmetric;
    struct spill *spill;
};

/* New; ERR_CANCELLED when told to stop. Words that are not in the vocabulary are left
 * out as if they did not stand there. */
MUST_CHECK enum err cooccurrence_count(const struct id_corpus *corpus,
                                       const struct cooccurrence_settings *settings,
                                       const struct progress *progress,
                                       struct cooccurrence **out);
void cooccurrence_free(struct cooccurrence *cooccurrence);

/* Entries of the whole matrix, both orders. */
size_t cooccurrence_full_count(const struct cooccurrence *cooccurrence);

#endif

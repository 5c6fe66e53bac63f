/* SPDX-License-Identifier: MIT */
/* What GloVe trains on: the non-zero counts as pairs, in tiles of words that fit the
 * cache together, cut into pieces. Immutable once made. */
#ifndef FIRTH_MODEL_VECTORS_GLOVE_PAIRS_H
#define FIRTH_MODEL_VECTORS_GLOVE_PAIRS_H

#include "model/vectors/glove.h"

struct glove_pair {
    uint32_t row, column;
    float target, weight; /* log x, f(x) */
};

struct glove_piece {
    size_t first, count; /* in pairs */
};

struct glove_pairs {
    const struct glove_pair *pairs; /* [count] in memory, or a view into the spill */
    size_t count;
    struct glove_piece *pieces; /* [piece_count] */
    size_t piece_count;
    struct glove_pair *owned;
    struct spill *spill;
};

/* Fills `pairs`, to be ended with _fini also on failure. Both orders of a symmetric count
 * are pairs. What the settings' memory_bytes do not hold goes to temporary space, and the
 * pairs are the same. ERR_CORPUS_TOO_SMALL when there is none. */
MUST_CHECK enum err glove_pairs_make(struct glove_pairs *pairs,
                                     const struct glove_settings *settings,
                                     const struct cooccurrence *counts);
void glove_pairs_fini(struct glove_pairs *pairs);

#endif

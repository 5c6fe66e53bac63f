/* SPDX-License-Identifier: MIT */
/* The one interface of every set of word vectors: trained, imported, or the embedding
 * layer of a neural model. Immutable after making; shared by threads. */
#ifndef FIRTH_MODEL_VECTORS_VECTORS_H
#define FIRTH_MODEL_VECTORS_VECTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

struct vocab;

struct vectors {
    const struct vocab *vocab; /* borrowed */
    const float *matrix;       /* [count][stride], row i is word id first_id + i */
    const float *inverse_norm; /* [count] 1/‖row‖, 0 for a zero row */
    uint32_t first_id;         /* rows start here (VOCAB_RESERVED for word vectors) */
    uint32_t count, dim;
    size_t stride;             /* floats from row to row, a multiple of 16 */
    const struct subwords *subwords; /* vectors for unseen words, or NULL */
    const struct hnsw *index;        /* approximate search, or NULL until built */
};

#endif

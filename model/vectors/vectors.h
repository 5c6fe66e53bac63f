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
    size_t stride;                      /* floats from row to row, a multiple of 16 */
    const struct subwords *subwords;    /* vectors for unseen words, or NULL; owned */
    _Atomic(const struct hnsw *) index; /* approximate search, or NULL; owned */
    float *owned_matrix, *owned_norms;
};

/* A row's length may not exceed this, so that dot products of rows stay finite. */
#define VECTORS_LENGTH_MAX 1e15

/* Floats from row to row for vectors of `dim` numbers: whole cache lines. */
size_t vectors_stride(uint32_t dim);

/* New vectors of rows matrix[count][stride] with `dim` numbers each. The matrix is
 * borrowed when it is 64-byte aligned, `stride` is vectors_stride(dim) and what pads the
 * rows is zero; else it is copied. ERR_INVALID when a number is not finite or too large
 * for its square to be summed, with the row in `info`. */
MUST_CHECK enum err vectors_new(const struct vocab *vocab, uint32_t first_id,
                                const float *matrix, uint32_t count, uint32_t dim,
                                size_t stride, struct vectors **out,
                                struct err_info *info);
/* As vectors_new, but `matrix` (from memory_new_aligned, of vectors_stride) is freed with
 * the vectors, or at once on failure. */
MUST_CHECK enum err vectors_new_take(const struct vocab *vocab, uint32_t first_id,
                                     float *matrix, uint32_t count, uint32_t dim,
                                     struct vectors **out, struct err_info *info);
void vectors_free(struct vectors *vectors);

/* Gives the set an index built over it, also while others use the set. False, and the
 * index stays the caller's, when it has one already. */
MUST_CHECK bool vectors_attach_index(struct vectors *vectors, const struct hnsw *index);

#define VECTORS_NO_ROW UINT32_MAX
/* The row of a word, VECTORS_NO_ROW when it has none. */
uint32_t vectors_row_of(const struct vectors *vectors, struct span word);
const float *vectors_row(const struct vectors *vectors, uint32_t row); /* borrowed */
struct span vectors_word(const struct vectors *vectors, uint32_t row); /* borrowed */
uint64_t vectors_count_of(const struct vectors *vectors, uint32_t row);

/* Writes the vector of a word into to[stride], from its row or, when it was never seen,
 * from its character n-grams. False when it has neither. */
bool vectors_of_word(const struct vectors *vectors, struct span word, float *to);
/* Whether it would. */
bool vectors_know(const struct vectors *vectors, struct span word);

size_t vectors_memory(const struct vectors *vectors);
/* The part of it that is the index; 0 without one. */
size_t vectors_index_memory(const struct vectors *vectors);

#endif

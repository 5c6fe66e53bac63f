/* SPDX-License-Identifier: MIT */
/* Randomised singular value decomposition of a symmetric sparse matrix (Halko, Martinsson
 * and Tropp 2011). */
#ifndef FIRTH_MODEL_VECTORS_SVD_H
#define FIRTH_MODEL_VECTORS_SVD_H

#include "model/vectors/sparse.h"

struct svd_settings {
    uint32_t rank;       /* ≥ 1, at most the number of rows */
    uint32_t extra;      /* random directions beyond the rank; 10 does */
    uint32_t iterations; /* products with the matrix's square; 2 to 4 do */
    uint64_t seed;
    unsigned threads;
};

/* New left singular vectors *vectors[rows][*stride], 64-byte aligned: column k < rank is
 * the one of values[k], falling; the padding is zero. ERR_CANCELLED when told to stop. */
MUST_CHECK enum err svd_factor(const struct sparse *sparse,
                               const struct svd_settings *settings,
                               const struct progress *progress, float **vectors,
                               size_t *stride, double *values);

#endif

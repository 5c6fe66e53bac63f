/* SPDX-License-Identifier: MIT */
/* A symmetric sparse matrix of words by words, by rows. */
#ifndef FIRTH_MODEL_VECTORS_SPARSE_H
#define FIRTH_MODEL_VECTORS_SPARSE_H

#include "model/vectors/cooccurrence.h"

struct sparse {
    uint32_t rows;
    size_t *starts;    /* [rows + 1] */
    uint32_t *columns; /* [starts[rows]] rising in each row */
    float *values;     /* [starts[rows]] */
};

enum sparse_weighting { SPARSE_LOG, SPARSE_PPMI, SPARSE_RAW };

/* New matrix of symmetric counts x_ij, weighted: log(1 + x), or x, or the positive part
 * of log(p_ij / (p_i q_j)) − shift, where q_j ∝ (Σ_i x_ij)^context_power; zero entries
 * are left out. Free with sparse_free. */
MUST_CHECK enum err sparse_from_counts(const struct cooccurrence *counts,
                                       enum sparse_weighting weighting, double shift,
                                       double context_power, struct sparse **out);
void sparse_free(struct sparse *sparse);

/* result[rows][stride] = sparse · dense[rows][stride] on `threads` threads; stride is a
 * multiple of 16, rows 64-byte aligned. ERR_CANCELLED when told to stop. */
MUST_CHECK enum err sparse_multiply(const struct sparse *sparse, const float *dense,
                                    size_t stride, unsigned threads,
                                    const struct progress *progress,
                                    const struct progress_report *report, float *result);

#endif

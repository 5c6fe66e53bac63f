/* SPDX-License-Identifier: MIT */
/* The input similarities of t-SNE: how likely a point would pick another as its
 * neighbour, made symmetric. */
#ifndef FIRTH_MODEL_MAPS_AFFINITY_H
#define FIRTH_MODEL_MAPS_AFFINITY_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/progress.h"

/* p[i][j] = p[j][i], all together 1, by rows; columns rise within a row. */
struct affinity {
    uint32_t count;
    size_t *starts;    /* [count + 1] */
    uint32_t *columns; /* [starts[count]] */
    float *values;
    double entropy; /* Σ p log p, what the divergence starts from */
};

/* New affinities of rows[count][stride] (64-byte aligned, padded with zeros): over the
 * 3 · perplexity nearest by Euclidean distance, with the Gaussian width at each point
 * that gives the perplexity. count ≥ 2, 1 ≤ perplexity < count. ERR_CANCELLED. */
MUST_CHECK enum err affinity_new(const float *rows, uint32_t count, uint32_t dim,
                                 size_t stride, double perplexity, unsigned threads,
                                 const struct progress *progress, struct affinity **out);
void affinity_free(struct affinity *affinity);

/* One row's conditional probabilities p[i] from squared distances, by bisection on the
 * width until their perplexity is the one asked for. */
void affinity_row(const double *squared, size_t count, double perplexity, double *p);

#endif

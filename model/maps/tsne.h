/* SPDX-License-Identifier: MIT */
/* t-SNE (van der Maaten and Hinton 2008): points in two or three dimensions whose
 * neighbourhoods are as alike as can be to those of the given rows. */
#ifndef FIRTH_MODEL_MAPS_TSNE_H
#define FIRTH_MODEL_MAPS_TSNE_H

#include "base/progress.h"
#include "model/maps/affinity.h"

struct tsne_settings {
    unsigned dims;       /* 1 … 3 */
    double perplexity;   /* less than the number of rows */
    uint32_t iterations; /* ≥ 1 */
    double rate;         /* 0: rows / 12, at least 50 */
    double theta;        /* how coarse forces from afar may be; 0: exact */
    uint64_t seed;       /* of a slight disturbance of the start */
    unsigned threads;
};

/* 2 dimensions, perplexity 30, 1000 iterations, theta 0.5, seed 1, all cores. */
struct tsne_settings tsne_defaults(void);

/* Fills points[count][dims], starting from the principal components of rows[count]
 * [stride], and kl[iterations] with the divergence after each step. The first quarter, at
 * most 250 steps, attracts twelvefold with a sixteenth of the rate. Up to some thousand
 * rows forces are exact whatever theta is, since that is faster. Same seed and threads:
 * same points. The curve "kl" is reported too. ERR_CANCELLED, ERR_DIVERGED. */
MUST_CHECK enum err tsne_run(const float *rows, uint32_t count, uint32_t dim,
                             size_t stride, const struct tsne_settings *settings,
                             const struct progress *progress, float *points, double *kl,
                             struct err_info *info);

/* gradient[count][dims] of the divergence at points[count][dims], and the divergence. */
MUST_CHECK enum err tsne_gradient(const struct affinity *affinity, const float *points,
                                  unsigned dims, double theta, unsigned threads,
                                  float *gradient, double *kl);

#endif

/* SPDX-License-Identifier: MIT */
/* Maps of words: some vectors as points in the plane or in space. */
#ifndef FIRTH_MODEL_MAPS_MAPS_H
#define FIRTH_MODEL_MAPS_MAPS_H

#include <stddef.h>
#include <stdint.h>

#include "base/progress.h"

#define MAPS_ITERATIONS_MAX 100000u
#define MAPS_PERPLEXITY_MAX 500.0

/* The vectors to draw: rows[count][stride] with `dim` numbers each, padded with zeros,
 * from memory_new_aligned; borrowed. */
struct maps_rows {
    const float *rows;
    size_t count, stride;
    uint32_t dim;
};

enum maps_method { MAPS_PCA, MAPS_TSNE, MAPS_METHOD_COUNT };
extern const char *const maps_method_names[]; /* "pca", "tsne", NULL */

struct maps_settings {
    enum maps_method method;
    unsigned dims;     /* 1 … 3, at most that of the vectors */
    double perplexity; /* t-SNE: 1 … MAPS_PERPLEXITY_MAX, less than the number of words */
    uint32_t iterations; /* t-SNE: 1 … MAPS_ITERATIONS_MAX */
    uint64_t seed;
    unsigned threads; /* 0: all cores */
};

/* 2 dimensions, perplexity 30, 1000 iterations, seed 1. */
struct maps_settings maps_defaults(enum maps_method method);

struct map {
    unsigned dims;
    size_t count;
    float *points;       /* [count][dims] in the order of the rows */
    double explained[3]; /* PCA: each axis's share of the variance */
    double *kl;          /* t-SNE: [iterations] Kullback-Leibler divergence */
    uint32_t iterations; /* 0 for PCA */
};

/* Whether `count` vectors of `dim` numbers can be drawn like this; ERR_INVALID names the
 * field at fault by its pointer. */
MUST_CHECK enum err maps_check(size_t count, uint32_t dim,
                               const struct maps_settings *settings,
                               struct err_info *info);
/* New map. Errors of maps_check; ERR_CANCELLED when told to stop. */
MUST_CHECK enum err maps_make(const struct maps_rows *rows,
                              const struct maps_settings *settings,
                              const struct progress *progress, struct map **out,
                              struct err_info *info);
void maps_free(struct map *map);

#endif

/* SPDX-License-Identifier: MIT */
/* Maps of words: some rows of a set of vectors as points in the plane or in space. */
#ifndef FIRTH_MODEL_MAPS_MAPS_H
#define FIRTH_MODEL_MAPS_MAPS_H

#include "base/progress.h"
#include "model/vectors/vectors.h"

#define MAPS_ITERATIONS_MAX 100000u

enum maps_method { MAPS_PCA, MAPS_TSNE, MAPS_METHOD_COUNT };
extern const char *const maps_method_names[MAPS_METHOD_COUNT]; /* "pca", "tsne" */

struct maps_settings {
    enum maps_method method;
    unsigned dims;       /* 1 … 3, at most that of the vectors */
    double perplexity;   /* t-SNE: at least 1, less than the number of words */
    uint32_t iterations; /* t-SNE: 1 … MAPS_ITERATIONS_MAX */
    uint64_t seed;
    unsigned threads; /* 0: all cores */
};

/* 2 dimensions, perplexity 30, 1000 iterations, seed 1. */
struct maps_settings maps_defaults(enum maps_method method);

struct map {
    unsigned dims;
    size_t count;
    float *points;       /* [count][dims] in the order of the rows asked for */
    double explained[3]; /* PCA: each axis's share of the variance */
    double *kl;          /* t-SNE: [iterations] Kullback-Leibler divergence */
    uint32_t iterations; /* 0 for PCA */
};

/* New map of rows[count]. ERR_INVALID names the field at fault by its pointer,
 * ERR_CANCELLED when told to stop. */
MUST_CHECK enum err maps_make(const struct vectors *vectors, const uint32_t *rows,
                              size_t count, const struct maps_settings *settings,
                              const struct progress *progress, struct map **out,
                              struct err_info *info);
void maps_free(struct map *map);

#endif

/* SPDX-License-Identifier: MIT */
/* The inner loops of t-SNE, compiled for several instruction sets. Points are kept by
 * coordinate: axes[k][i]; arrays are 64-byte aligned and padded to a multiple of
 * MAP_KERNELS_WIDTH. */
#ifndef FIRTH_MODEL_MAPS_MAP_KERNELS_H
#define FIRTH_MODEL_MAPS_MAP_KERNELS_H

#include <stddef.h>

#include "base/simd.h"

#define MAP_DIMS_MAX 3u
#define MAP_KERNELS_WIDTH 16u
#define MAP_KERNELS_FAR 1e15f /* coordinates of padding points: too far to matter */

/* What points do to one: with w = 1/(1 + d²) over them, the sums of w and of w² times the
 * difference of coordinates. */
struct map_force {
    float weight;
    float push[MAP_DIMS_MAX];
};

struct map_kernels {
    const char *name;

    /* Adds to *force what `count` (padded) points do to the one at `at`. */
    void (*repel)(const float *const *axes, unsigned dims, size_t count, const float *at,
                  struct map_force *force);

    /* From `count` (padded, with p = 0) neighbours at differences[k][i] with affinities
     * p[i]: pull[k] += Σ p w differences[k], returns Σ p log(1 + d²). */
    float (*attract)(float *const *differences, unsigned dims, size_t count,
                     const float *p, float *pull);
};

const struct map_kernels *map_kernels_best(void);
/* NULL when the processor lacks it. */
const struct map_kernels *map_kernels_of_level(enum simd_level level);

#endif

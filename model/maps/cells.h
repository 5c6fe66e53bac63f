/* SPDX-License-Identifier: MIT */
/* A quadtree (octree in three dimensions) over points, rebuilt for each step of t-SNE. */
#ifndef FIRTH_MODEL_MAPS_CELLS_H
#define FIRTH_MODEL_MAPS_CELLS_H

#include "base/err.h"
#include "model/maps/map_kernels.h"

struct cells;

/* New room for trees over `count` points in `dims` dimensions. */
MUST_CHECK enum err cells_new(size_t count, unsigned dims, struct cells **out);
void cells_free(struct cells *cells);

/* Builds the tree over axes[dims][count]. */
MUST_CHECK enum err cells_build(struct cells *cells, const float *const *axes);

/* Adds what all points do to the one at `at`, itself included, where cells that look
 * smaller than `theta` (width over distance) act as one point at their centre. */
void cells_repel(const struct cells *cells, const float *at, float theta,
                 struct map_force *force);

#endif

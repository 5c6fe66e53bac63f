/* SPDX-License-Identifier: MIT */
/* Principal component analysis. */
#ifndef FIRTH_MODEL_MAPS_PCA_H
#define FIRTH_MODEL_MAPS_PCA_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* points[count][dims] = rows[count][stride], `dim` numbers each, less their mean, along
 * the `dims` ≤ dim directions of greatest variance; explained[dims] is each one's share
 * of the whole variance (0 when there is none). Each direction's sign is the one that
 * makes its largest weight positive. */
MUST_CHECK enum err pca_project(const float *rows, size_t count, uint32_t dim,
                                size_t stride, unsigned dims, float *points,
                                double *explained);

#endif

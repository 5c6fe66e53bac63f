/* SPDX-License-Identifier: MIT */
/* The k best of many scores: a heap whose top is the worst one kept. Of equal scores the
 * lower row is better, so the answer does not depend on the order of offers. */
#ifndef FIRTH_MODEL_VECTORS_BEST_H
#define FIRTH_MODEL_VECTORS_BEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct neighbour {
    uint32_t row;
    float score; /* a similarity, or a distance where the metric is one */
};

struct best {
    struct neighbour *items; /* [limit] the caller's */
    size_t count, limit;     /* limit ≥ 1 */
};

/* What a score must exceed, or equal with a lower row, to be kept; -INFINITY at first. */
float best_threshold(const struct best *best);

/* Keeps it if it is among the best so far; NaN never is. */
void best_offer(struct best *best, uint32_t row, float score);

/* Puts the items in falling order; the heap is finished. */
void best_sort(struct best *best);

#endif

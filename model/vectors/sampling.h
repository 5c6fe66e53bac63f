/* SPDX-License-Identifier: MIT */
/* Which tokens a pass keeps and which words serve as negatives: tables made once from
 * the vocabulary's counts, read by all threads. */
#ifndef FIRTH_MODEL_VECTORS_SAMPLING_H
#define FIRTH_MODEL_VECTORS_SAMPLING_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/random.h"

/* Draws i with a probability proportional to weight i in constant time: Walker's alias
 * method as made exact by Vose (1991). */
struct alias_table {
    struct alias_cell {
        uint32_t threshold; /* of 2³²: below it the cell itself, else its alias */
        uint32_t alias;
    } * cells; /* [count] */
    uint32_t count;
};

/* Weights are finite and ≥ 0, at least one > 0. Free with sampling_alias_fini. */
MUST_CHECK enum err sampling_alias_init(struct alias_table *table, const double *weights,
                                        uint32_t count);
void sampling_alias_fini(struct alias_table *table);

static inline uint32_t sampling_draw(const struct alias_table *table,
                                     struct random *random)
{
    uint64_t bits = random_next(random);
    uint32_t cell = (uint32_t)(((bits >> 32) * table->count) >> 32);
    struct alias_cell drawn = table->cells[cell];
    uint32_t aliased = (uint32_t)bits >= drawn.threshold ? UINT32_MAX : 0;
    return cell ^ ((cell ^ drawn.alias) & aliased); /* no branch: it would be a coin */
}

/* keep[i] of 2³²: how likely a token of count[i] among `total` is kept when words more
 * frequent than `threshold` are thinned (Mikolov et al. 2013, with the formula of the
 * word2vec program); threshold 0 keeps all. */
void sampling_keep(const uint64_t *counts, uint32_t count, uint64_t total,
                   double threshold, uint32_t *keep);

#endif

/* SPDX-License-Identifier: MIT */
/* A language model read straight off the levels, to evaluate before anything is written.
 */
#ifndef FIRTH_MODEL_NGRAM_LEVELS_LM_H
#define FIRTH_MODEL_NGRAM_LEVELS_LM_H

#include <stdbool.h>

#include "model/lm/lm.h"
#include "model/ngram/levels.h"

/* An lm over `levels` (borrowed, with prob and backoff) that can start, advance, score
 * and give the log-probability of a token; it has no distribution and no top. */
struct levels_lm {
    struct lm lm;
    const struct levels *levels;
    bool uniform_remainder;
};
void levels_lm_init(struct levels_lm *made, const struct levels *levels,
                    bool uniform_remainder);

/* A place in the levels: n-gram `index` of level `level`; level 0 is the empty context.
 */
struct levels_place {
    uint32_t level, index;
};

/* p(word | place); moves `place` to the longest context after it. *order is the length of
 * the n-gram that was found. */
double levels_step(const struct levels *levels, bool uniform_remainder,
                   struct levels_place *place, uint32_t word, unsigned *order);

#endif

/* SPDX-License-Identifier: MIT */
/* Log-probabilities of many segments at once. */
#ifndef FIRTH_MODEL_NEURAL_NEURAL_SCORE_H
#define FIRTH_MODEL_NEURAL_NEURAL_SCORE_H

#include "model/lm/lm.h"
#include "model/neural/shape.h"

/* Fills logprobs of the segments, on up to `threads` threads where the work is worth it;
 * their number changes no bit of the result. A recurrent model leaves out segments that
 * do not begin at <s>. */
MUST_CHECK enum err neural_score(const struct shape *shape, const float *values,
                                 unsigned threads, struct lm_segment *segments,
                                 size_t count);

#endif

/* SPDX-License-Identifier: MIT */
/* A neural model as a language model (model/lm/lm.h). The state of a recurrent one is
 * what its layers carry, that of the feed-forward one its last words. A text begins with
 * the zero state advanced by </s>, which is what stands before a segment in training. */
#ifndef FIRTH_MODEL_NEURAL_NEURAL_LM_H
#define FIRTH_MODEL_NEURAL_NEURAL_LM_H

#include "model/lm/lm.h"
#include "model/neural/shape.h"

/* New; free with ops->free. The shape is copied. The parameters values[shape->total] are
 * borrowed. */
MUST_CHECK enum err neural_lm_new(const struct shape *shape, const float *values,
                                  struct lm **out);

/* As neural_lm_new, but frees `values` with the model, or at once on failure. */
MUST_CHECK enum err neural_lm_new_take(const struct shape *shape, float *values,
                                       struct lm **out);

#endif

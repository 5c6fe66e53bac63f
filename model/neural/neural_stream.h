/* SPDX-License-Identifier: MIT */
/* Scoring one text in order with a neural model (model/lm/lm_stream.h). */
#ifndef FIRTH_MODEL_NEURAL_NEURAL_STREAM_H
#define FIRTH_MODEL_NEURAL_NEURAL_STREAM_H

#include "model/lm/lm_stream.h"
#include "model/neural/shape.h"

/* A stream of `lm`, whose shape and parameters values[shape->total] these are; all are
 * borrowed. */
MUST_CHECK enum err neural_stream_open(const struct lm *lm, const struct shape *shape,
                                       const float *values,
                                       const struct lm_stream_options *options,
                                       struct lm_stream **stream);

#endif

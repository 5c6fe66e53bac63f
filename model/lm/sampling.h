/* SPDX-License-Identifier: MIT */
/* Temperature, and drawing a token from a distribution. */
#ifndef FIRTH_MODEL_LM_SAMPLING_H
#define FIRTH_MODEL_LM_SAMPLING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/random.h"
#include "model/lm/lm.h"

/* Replaces logprobs[size] by those of the distribution ∝ p^(1/temperature). At 0 the
 * likeliest token (the first of equal ones) has all mass. */
void sampling_temper(float *logprobs, uint32_t size, double temperature);

/* Room that draws share; zero-initialise it. */
struct sampling_room {
    float *weights;             /* [size] */
    struct lm_prediction *best; /* [capacity] */
    size_t size, capacity;
};
void sampling_room_fini(struct sampling_room *room);

struct sampling {
    double temperature; /* 0: the likeliest, without a draw */
    size_t top_k;       /* 0: no limit */
    double top_p;       /* 1: no limit */
};

/* Draws from logprobs[size]: temperature, then the k likeliest, then the fewest of those
 * that reach p of their mass (at least one). *found is false when no token has any
 * probability. One number is taken from `random` unless the temperature is 0. */
MUST_CHECK enum err sampling_draw(const struct sampling *sampling, const float *logprobs,
                                  uint32_t size, struct random *random,
                                  struct sampling_room *room, uint32_t *token,
                                  bool *found);

#endif

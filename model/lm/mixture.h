/* SPDX-License-Identifier: MIT */
/* Mixing the probabilities of language models over one vocabulary:
 * p(w | h) = Σ weight_i p_i(w | h). */
#ifndef FIRTH_MODEL_LM_MIXTURE_H
#define FIRTH_MODEL_LM_MIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "model/lm/lm.h"

struct model;
struct vocab;

#define MIXTURE_PARTS_MAX 16u

/* New; the parts are borrowed. Weights are positive (0 allowed) with a positive sum, and
 * are scaled to sum to 1. ERR_VOCAB_MISMATCH when the sizes differ, ERR_INVALID. */
MUST_CHECK enum err mixture_lm_new(const struct lm *const *parts, const double *weights,
                                   size_t count, struct lm **out, struct err_info *info);

/* Makes the mixture release models[count] when it is freed. */
void mixture_lm_own(struct lm *mixture, struct model *const *models, size_t count);

/* True when both list the same words under the same ids. */
bool mixture_same_vocab(const struct vocab *a, const struct vocab *b);

/* Weights by expectation–maximisation: logprobs[part][token] of a text of count tokens.
 * Starts from weights[parts] (scaled to sum to 1) and improves them until the mean
 * log-likelihood rises by less than 1e-9, at most 200 rounds. Returns that mean; each
 * round never lowers it. Tokens that no part can explain are left out. */
double mixture_learn_weights(const float *const *logprobs, size_t parts, size_t count,
                             double *weights, unsigned *rounds);

#endif

/* SPDX-License-Identifier: MIT */
/* A cache of words by the hidden vectors they followed (Grave et al. 2017). */
#ifndef FIRTH_MODEL_NEURAL_HIDDEN_CACHE_H
#define FIRTH_MODEL_NEURAL_HIDDEN_CACHE_H

#include "model/lm/lm_stream.h"

struct hidden_cache;

/* Of vectors of `size` numbers; hidden_cache_mix takes at most `rows_max` at once.
 * ERR_LIMIT when the cache would take more than HIDDEN_CACHE_BYTES. */
#define HIDDEN_CACHE_BYTES ((size_t)1 << 30)
MUST_CHECK enum err hidden_cache_new(const struct lm_cache *options, size_t size,
                                     size_t rows_max, struct hidden_cache **out);
void hidden_cache_free(struct hidden_cache *cache);

/* Takes the next positions of the text: hidden[rows], `stride` numbers apart, the tokens
 * that follow them and the model's log-probabilities of these, into which the cache's are
 * mixed. Each position sees those before it, of this call, too. */
void hidden_cache_mix(struct hidden_cache *cache, size_t rows, const float *hidden,
                      size_t stride, const uint32_t *tokens, float *logprobs);

#endif

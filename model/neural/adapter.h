/* SPDX-License-Identifier: MIT */
/* Parameters that follow the text being scored (Krause et al. 2018). */
#ifndef FIRTH_MODEL_NEURAL_ADAPTER_H
#define FIRTH_MODEL_NEURAL_ADAPTER_H

#include "model/lm/lm_stream.h"
#include "model/neural/body.h"

struct adapter;

/* A private copy of values[shape->total], which are borrowed and stay as they are.
 * ERR_LIMIT when it would take more than ADAPTER_BYTES. */
#define ADAPTER_BYTES ((uint64_t)2 << 30)
MUST_CHECK enum err adapter_new(const struct shape *shape, const float *values,
                                const struct lm_dynamic *options, struct adapter **out);
void adapter_free(struct adapter *adapter);

/* The parameters to score the next tokens with. */
const float *adapter_values(const struct adapter *adapter);

/* How many tokens may be scored before the next step. */
size_t adapter_room(const struct adapter *adapter);

/* To be called before tokens are scored: remembers the state that a new step's tokens
 * start from, which is that of `body` (one row). */
void adapter_begin(struct adapter *adapter, struct body *body);

/* Tokens that were scored: inputs[count][context or 1], targets[count], count at most
 * adapter_room. When that is used up the parameters take their step. */
MUST_CHECK enum err adapter_learn(struct adapter *adapter, const uint32_t *inputs,
                                  const uint32_t *targets, size_t count);

/* The text breaks off here: a recurrent model learns from the tokens gathered so far. */
MUST_CHECK enum err adapter_end(struct adapter *adapter);

#endif

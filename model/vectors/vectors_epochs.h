/* SPDX-License-Identifier: MIT */
/* How often a text is gone through. */
#ifndef FIRTH_MODEL_VECTORS_VECTORS_EPOCHS_H
#define FIRTH_MODEL_VECTORS_VECTORS_EPOCHS_H

#include "model/train.h"

/* Passes over a text of `tokens` > 0 tokens: the least of what the budget limits in
 * epochs and in tokens. With a limit in seconds alone, more than they allow; without any,
 * what suits the kind and the text. For kinds that learn in passes (skipgram, cbow,
 * glove). */
double vectors_epochs(const struct train_spec *spec, double tokens);

#endif

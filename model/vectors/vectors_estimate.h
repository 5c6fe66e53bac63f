/* SPDX-License-Identifier: MIT */
/* What training word vectors would take. */
#ifndef FIRTH_MODEL_VECTORS_VECTORS_ESTIMATE_H
#define FIRTH_MODEL_VECTORS_VECTORS_ESTIMATE_H

#include "model/train.h"

/* The estimate function of every kind of word vectors that trains: counts the words of
 * the text, or of its first megabytes, and goes by costs measured once. */
MUST_CHECK enum err vectors_estimate(const struct train_spec *spec,
                                     const struct train_input *input,
                                     struct train_estimate *estimate,
                                     struct err_info *info);

#endif

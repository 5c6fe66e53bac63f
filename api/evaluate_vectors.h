/* SPDX-License-Identifier: MIT */
/* The part of evaluate that measures word vectors. */
#ifndef FIRTH_API_EVALUATE_VECTORS_H
#define FIRTH_API_EVALUATE_VECTORS_H

#include "api/exchange.h"

/* Answers for the model `name` with exactly one of the two objects, the other NULL. */
MUST_CHECK enum err evaluate_vectors(struct exchange *x, const char *name,
                                     json_t *analogies, json_t *word_pairs,
                                     struct err_info *info);

#endif

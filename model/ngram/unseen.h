/* SPDX-License-Identifier: MIT */
/* What the shorter context gives to words that a context has not seen, without loss. */
#ifndef FIRTH_MODEL_NGRAM_UNSEEN_H
#define FIRTH_MODEL_NGRAM_UNSEEN_H

#include "model/ngram/smoothing.h"

/* A back-off weight over this would multiply the rounding of 1 less what was seen. */
#define UNSEEN_WEIGHT_LARGE 2.0

/* The sum of p(w | suffix of the context) over all words w that do not continue n-gram
 * `context` of level k - 1 with more occurrences than the rules drop. Levels below k have
 * their probabilities and levels below k - 1 their back-off weights. */
double unseen_mass(const struct rules *rules, const struct levels *levels, unsigned k,
                   size_t context);

#endif

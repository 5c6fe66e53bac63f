/* SPDX-License-Identifier: MIT */
/* Making the compact form: quantise, estimate, prune, write. */
#ifndef FIRTH_MODEL_NGRAM_COMPACT_WRITE_H
#define FIRTH_MODEL_NGRAM_COMPACT_WRITE_H

#include "model/artefact.h"
#include "model/ngram/smoothing.h"

/* Before estimate(): replaces the counts of orders from 2 by those that codes can say,
 * fills values[256] with what each code stands for, and asks estimate() for factors.
 * ERR_LIMIT when two neighbouring orders have over 4 billion n-grams. */
MUST_CHECK enum err compact_quantise(const struct rules *rules, struct levels *levels,
                                     uint32_t *values);

/* After estimate() and pruning: writes everything but the shape. */
MUST_CHECK enum err compact_write(struct artefact_writer *writer,
                                  const struct levels *levels, const struct rules *rules,
                                  const uint32_t *values);

/* Bits of a word's number in this form. */
unsigned compact_width(uint32_t vocab_size);

#endif

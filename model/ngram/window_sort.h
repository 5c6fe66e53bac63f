/* SPDX-License-Identifier: MIT */
/* Sorting a corpus of token ids in memory into levels of n-grams. */
#ifndef FIRTH_MODEL_NGRAM_WINDOW_SORT_H
#define FIRTH_MODEL_NGRAM_WINDOW_SORT_H

#include "model/ngram/levels.h"

/* Fills levels->at[1 … order] (word, raw, suffix, begin) with every n-gram of up to
 * `order` words in ids[count]: segments, each VOCAB_BOS, its words, VOCAB_EOS. All ids
 * are below vocab_size; count is at most NGRAM_COUNT_MAX. Frees what it made on failure.
 * The result does not depend on `threads`. */
MUST_CHECK enum err window_sort(const uint32_t *ids, size_t count, unsigned order,
                                uint32_t vocab_size, unsigned threads,
                                struct levels *levels);

/* Bytes it needs for each id, at most, including the levels. */
size_t window_sort_bytes_per_id(unsigned order);

#endif

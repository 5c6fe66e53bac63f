/* SPDX-License-Identifier: MIT */
/* Levels from merged runs of n-gram records. */
#ifndef FIRTH_MODEL_NGRAM_MERGE_LEVELS_H
#define FIRTH_MODEL_NGRAM_MERGE_LEVELS_H

#include "model/counting.h"
#include "model/ngram/levels.h"

/* Reads `merge` to its end (records as count.c writes them) and fills word, raw, begin
 * and suffix of all levels; order, vocab_size, on_disk, directory and progress of
 * `levels` are set, the rest is zero. ERR_LIMIT when a count passes 32 bits. Frees what
 * it made on failure. */
MUST_CHECK enum err merge_levels(struct counting_merge *merge, struct levels *levels);

/* Finds all suffixes by walking the levels (begin and word must be set). ERR_INVALID when
 * an n-gram's suffix is missing. */
MUST_CHECK enum err levels_find_suffixes(struct levels *levels);

/* The n-gram of level k + 1 that continues n-gram `parent` of level k by `word`;
 * UINT32_MAX when there is none. */
uint32_t levels_child(const struct levels *levels, unsigned k, uint32_t parent,
                      uint32_t word);

#endif

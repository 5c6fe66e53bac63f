/* SPDX-License-Identifier: MIT */
/* All n-grams of a corpus while a model is being made: one table a level, level k holding
 * the n-grams of k words in rising order of their words.
 *
 * That order makes the tables a trie: the n-grams that continue n-gram i of level k are
 * the neighbours begin[i] … begin[i + 1] - 1 of level k + 1, in rising order of their
 * last word. `suffix` leads from an n-gram to the one without its first word, in the
 * level before. Level 1 is dense: n-gram i is word i, also where it never occurred. */
#ifndef FIRTH_MODEL_NGRAM_LEVELS_H
#define FIRTH_MODEL_NGRAM_LEVELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/progress.h"

#define NGRAM_ORDER_MAX 8u
#define NGRAM_COUNT_MAX                                                                  \
    ((size_t)UINT32_MAX - 1) /* n-grams of a level, and occurrences                      \
                              */

struct level {
    size_t count;
    uint32_t *word;     /* [count] last word */
    uint32_t *raw;      /* [count] occurrences */
    uint32_t *suffix;   /* [count] index in the level before; NULL in level 1 */
    uint32_t *begin;    /* [count + 1] first continuation; NULL in the last level */
    uint32_t *distinct; /* [count] different words before it, but occurrences where it
                           starts with <s>; NULL in the last level */
    float *prob;        /* [count] once estimated */
    float *backoff;     /* [count] once estimated; NULL in the last level */
    float *factor;      /* [count] of a discounted count, where it was asked for */
};

enum level_array {
    LEVEL_WORD,
    LEVEL_RAW,
    LEVEL_SUFFIX,
    LEVEL_BEGIN,
    LEVEL_DISTINCT,
    LEVEL_PROB,
    LEVEL_BACKOFF,
    LEVEL_FACTOR,
    LEVEL_ARRAYS
};

struct spill;

struct levels {
    const struct progress *progress; /* asked between orders by long work; may be NULL */
    unsigned order;
    uint32_t vocab_size;
    bool on_disk;          /* new arrays are mapped files, for levels beyond memory */
    const char *directory; /* of those files, as in spill_open */
    struct level at[NGRAM_ORDER_MAX + 1]; /* 1 … order; 0 is unused */
    struct spill *spills[NGRAM_ORDER_MAX + 1][LEVEL_ARRAYS]; /* behind mapped arrays */
};

void levels_fini(struct levels *levels);

/* Reports that `part` of `phase` is done, which runs from fraction `begin` to `end` of
 * the job; ERR_CANCELLED when told to stop. */
MUST_CHECK enum err levels_report(const struct levels *levels, const char *phase,
                                  double begin, double end, double part);

/* Gives level k a new array of `count` zeros in place of the one it has. */
MUST_CHECK enum err levels_new_array(struct levels *levels, unsigned k,
                                     enum level_array which, size_t count);

/* Gives level k an array that lies in a spill of `count` numbers, which it takes over,
 * also on failure. */
MUST_CHECK enum err levels_take_spill(struct levels *levels, unsigned k,
                                      enum level_array which, struct spill *spill,
                                      size_t count);

/* Sets begin of level k (order > k) from the counts of levels k and k + 1. */
void levels_link(struct levels *levels, unsigned k);

/* Sets `distinct` of every level but the last, on up to `threads` threads. */
MUST_CHECK enum err levels_count_distinct(struct levels *levels, unsigned threads);

/* The n-grams of level k that start with <s>: first … last - 1. */
void levels_after_bos(const struct levels *levels, unsigned k, size_t *first,
                      size_t *last);

/* Drops the n-grams of level k that occurred at most least[k - 1] times; `least` must not
 * fall. */
MUST_CHECK enum err levels_prune(struct levels *levels, const uint32_t *least);

#endif

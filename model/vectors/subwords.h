/* SPDX-License-Identifier: MIT */
/* Character n-grams of words (Bojanowski et al. 2017): each word, written <word>, owns
 * the rows of its n-grams beside its own, hashed into a fixed number of buckets. A word
 * never seen still has n-grams, and so a vector. */
#ifndef FIRTH_MODEL_VECTORS_SUBWORDS_H
#define FIRTH_MODEL_VECTORS_SUBWORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

#define SUBWORDS_LENGTH_MAX 16u
#define SUBWORDS_BUCKETS_MAX (1u << 24)
/* No word has more n-grams than this; the rest of a very long word is not used. */
#define SUBWORDS_PER_WORD_MAX 256u

struct vocab;

struct subwords {
    uint32_t minimum, maximum; /* length of the n-grams in characters, 1 … LENGTH_MAX */
    uint32_t buckets;          /* ≥ 1 */
    size_t *starts;    /* [words + 1] where a word's n-grams begin in `ids`; or NULL */
    uint32_t *ids;     /* bucket numbers */
    const float *rows; /* [buckets][stride] once trained; borrowed */
    bool lowercase;    /* the text was: unseen words are made so, too */
};

/* New, without rows or index; free with subwords_free. ERR_INVALID out of range. */
MUST_CHECK enum err subwords_new(uint32_t minimum, uint32_t maximum, uint32_t buckets,
                                 struct subwords **out);
void subwords_free(struct subwords *subwords);

/* The buckets of a word's n-grams, at most SUBWORDS_PER_WORD_MAX; returns how many. */
size_t subwords_of(const struct subwords *subwords, struct span word, uint32_t *buckets);

/* Fills `starts` and `ids` for the words of the vocabulary from id `first_id` on. */
MUST_CHECK enum err subwords_index(struct subwords *subwords, const struct vocab *vocab,
                                   uint32_t first_id);

/* Whether an unseen word has n-grams that were trained: it is long enough. */
bool subwords_cover(const struct subwords *subwords, struct span word);

/* to[stride] = mean of the rows of an unseen word's n-grams; false when it has none. */
bool subwords_vector(const struct subwords *subwords, struct span word, size_t stride,
                     float *to);

#endif

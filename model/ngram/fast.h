/* SPDX-License-Identifier: MIT */
/* The fast form in memory, for the files that ask it questions. */
#ifndef FIRTH_MODEL_NGRAM_FAST_H
#define FIRTH_MODEL_NGRAM_FAST_H

#include "model/ngram/form.h"
#include "model/ngram/successors.h"
#include "model/text/vocab.h"

/* An n-gram that can be a context. Each level ends with one more that only closes the
 * last one's continuations. */
struct gram {
    uint32_t word; /* the last one */
    float prob;
    float backoff;   /* the share left for words that do not continue it */
    uint32_t begin;  /* its continuations in the next level; they end at the next begin */
    uint32_t suffix; /* the n-gram without its first word, in the level before */
};

/* An n-gram of the highest order. */
struct last_gram {
    uint32_t word;
    float prob;
    uint32_t suffix; /* in the level before: the context after it */
};

/* The words of continuations stand every `stride` words from `records` on. */
struct few_or_many {
    const uint32_t *records;
    uint32_t stride;
    const uint32_t *slots; /* [1 << (64 - shift)] or NULL */
    unsigned shift;
};

struct fast {
    struct lm lm;
    unsigned order;
    bool uniform_remainder;
    float uniform;                             /* 1 / (vocab_size - 1) */
    const struct gram *grams[NGRAM_ORDER_MAX]; /* [level], levels 1 … max(order - 1, 1) */
    const struct last_gram *last;              /* level `order` when it is over 1 */
    size_t counts[NGRAM_ORDER_MAX + 1];        /* [level] */
    struct words words;                        /* the empty context */
    struct few_or_many next[NGRAM_ORDER_MAX]; /* [level] its continuations */
    uint32_t *slots[NGRAM_ORDER_MAX];         /* [level] owned */
};

/* A state: the longest n-gram that ends the context and is itself a context. */
struct fast_state {
    uint32_t level; /* 0: the empty context */
    uint32_t gram;
};

#define NOT_FOUND UINT32_MAX

/* A word's part where all words share alike. */
static inline double fast_uniform(const struct fast *fast, uint32_t word)
{
    return word == VOCAB_BOS ? 0 : (double)fast->uniform;
}

/* Builds the index of the continuations of level k. */
MUST_CHECK enum err fast_index(struct fast *fast, unsigned k);

/* p(token | state); moves the state on. *order: length of the n-gram found. */
double fast_step(const struct fast *fast, struct fast_state *state, uint32_t token,
                 unsigned *order);

/* score() of the form. */
enum err fast_score(const struct lm *lm, struct lm_segment *segments, size_t count);

#endif

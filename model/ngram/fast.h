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

struct fast {
    struct lm lm;
    unsigned order;
    bool uniform_remainder;
    float uniform;                             /* 1 / (vocab_size - 1) */
    const struct gram *grams[NGRAM_ORDER_MAX]; /* [level], levels 1 … max(order - 1, 1) */
    const struct last_gram *last;              /* level `order` when it is over 1 */
    size_t counts[NGRAM_ORDER_MAX + 1];        /* [level] */
    struct words words;                        /* the empty context */
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

/* Where `word` stands among records begin … end - 1 of `stride` words each, which start
 * with their word in rising order. */
static inline uint32_t fast_find(const uint32_t *records, uint32_t stride, uint32_t begin,
                                 uint32_t end, uint32_t word)
{
    uint32_t count = end - begin;
    while (count > 8) {
        uint32_t half = count / 2;
        begin += records[(size_t)(begin + half) * stride] <= word ? half : 0;
        count -= half;
    }
    for (uint32_t i = begin; i < begin + count; i++)
        if (records[(size_t)i * stride] == word)
            return i;
    return NOT_FOUND;
}

/* One lookup in one context: whether `token` continues `state` (level > 0). When it does,
 * sets the probability and moves the state on; otherwise the caller backs off. */
static inline bool fast_match(const struct fast *fast, struct fast_state *state,
                              const struct gram *context, uint32_t token, float *prob)
{
    uint32_t begin = context[0].begin, end = context[1].begin, found;
    if (state->level + 1 == fast->order) {
        found = fast_find(&fast->last->word, sizeof *fast->last / 4, begin, end, token);
        if (found == NOT_FOUND)
            return false;
        *prob = fast->last[found].prob;
        state->gram = fast->last[found].suffix;
        return true;
    }
    const struct gram *grams = fast->grams[state->level + 1];
    found = fast_find(&grams->word, sizeof *grams / 4, begin, end, token);
    if (found == NOT_FOUND)
        return false;
    *prob = grams[found].prob;
    *state = (struct fast_state){state->level + 1, found};
    return true;
}

/* The ops of the form (score in fast_score.c). */
enum err fast_score(const struct lm *lm, struct lm_segment *segments, size_t count);

#endif

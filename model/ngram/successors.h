/* SPDX-License-Identifier: MIT */
/* The whole distribution after a context, from its continuations: shared by the forms. */
#ifndef FIRTH_MODEL_NGRAM_SUCCESSORS_H
#define FIRTH_MODEL_NGRAM_SUCCESSORS_H

#include <stdbool.h>

#include "model/lm/lm.h"
#include "model/ngram/levels.h"

/* The empty context, in several orders. */
struct words {
    uint32_t count;    /* vocab_size */
    float *probs;      /* [count] */
    float *logprobs;   /* [count] */
    uint32_t *by_prob; /* [count] in falling probability, then rising id */
    double mass;       /* sum of probs: 1 up to rounding */
    double entropy;    /* nats */
};
/* Takes the probabilities from probs[i * stride]. */
MUST_CHECK enum err words_init(struct words *words, const float *probs, size_t stride,
                               uint32_t count);
void words_fini(struct words *words);

/* A context that has continuations, or (in imported models) a back-off weight. */
struct link {
    uint32_t level, gram; /* as the form numbers them */
    size_t count;         /* continuations */
    double backoff;       /* factor of the shorter context */
};

/* What a form must be able to tell. */
struct successor_source {
    const struct lm *lm;
    const struct words *words;
    bool uniform_remainder; /* the remainder of the longest link is shared alike */
    bool interpolated;      /* read() gives shares, to which backoff times the shorter
                               context's probability is added; else whole probabilities */
    /* The links of a state, longest context first; at most NGRAM_ORDER_MAX - 1. */
    unsigned (*links)(const struct lm *lm, const void *state, struct link *links);
    /* The continuations of a link in rising order of words. */
    void (*read)(const struct lm *lm, const struct link *link, uint32_t *words,
                 float *shares);
};

/* distribution() and top() of struct lm_ops for one state. */
MUST_CHECK enum err successors_distribution(const struct successor_source *source,
                                            const void *state, float *logprobs);
MUST_CHECK enum err successors_top(const struct successor_source *source,
                                   const void *state, size_t k, bool want_entropy,
                                   struct lm_top *top);

#endif

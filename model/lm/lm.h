/* SPDX-License-Identifier: MIT */
/* The one interface of every language model: a state, advance by a token, the
 * log-probability of a token, the distribution over the next. Everything that answers
 * clients (next, score, rescore, generate, evaluate) is written once against it.
 *
 * An lm is immutable; any number of threads may use one at a time, each with states of
 * its own. All log-probabilities are natural. */
#ifndef FIRTH_MODEL_LM_LM_H
#define FIRTH_MODEL_LM_LM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define LM_STATE_ALIGNMENT 64u

struct lm;
struct lm_stream;
struct lm_stream_options;

/* One segment to score. The model's context starts at <s> when `bos`, else empty. */
struct lm_segment {
    const uint32_t *tokens; /* [count]; the caller appends VOCAB_EOS if it is scored */
    size_t count;
    bool bos;
    float *logprobs; /* [count] out: log p(tokens[i] | those before) */
    uint8_t *orders; /* [count] out or NULL: order of the n-gram used; 0 elsewhere */
};

struct lm_prediction {
    uint32_t token;
    float logprob;
};

/* The k likeliest next tokens in falling order, and what is left. */
struct lm_top {
    struct lm_prediction *best; /* [k] caller's */
    size_t count;               /* how many were filled */
    double other_mass;          /* 1 - sum of the filled ones, computed without loss */
    double entropy;             /* of the whole distribution, nats; NAN if not wanted */
};

struct lm_ops {
    /* Writes the start state: after <s> when `bos`, else of the empty context. */
    void (*start)(const struct lm *lm, bool bos, void *state);

    /* Advances states[i] (each lm->state_size bytes, modified in place) by tokens[i].
     * States can be copied with memcpy. */
    enum err (*advance)(const struct lm *lm, size_t count, void *const *states,
                        const uint32_t *tokens);

    /* logprobs[i][0 … vocab_size-1] of the next token in each state. <s> has
     * probability 0 (-INFINITY); the rest sums to 1 within 1e-6. */
    enum err (*distribution)(const struct lm *lm, size_t count, const void *const *states,
                             float *const *logprobs);

    /* Log-probability of one token in a state. NULL: taken from distribution. */
    float (*logprob)(const struct lm *lm, const void *state, uint32_t token);

    /* The k best (temperature 1). NULL: taken from distribution. */
    enum err (*top)(const struct lm *lm, const void *state, size_t k, bool want_entropy,
                    struct lm_top *top);

    /* Scores whole segments, batched as the model likes. Never NULL. */
    enum err (*score)(const struct lm *lm, struct lm_segment *segments, size_t count);

    /* A new stream (lm_stream.h). NULL: the one for models whose context ends with the
     * segment, with a cache of single words. */
    enum err (*open_stream)(const struct lm *lm, const struct lm_stream_options *options,
                            struct lm_stream **stream);

    void (*free)(struct lm *lm);
};

/* The head of every language model; implementations embed it first. */
struct lm {
    const struct lm_ops *ops;
    uint32_t vocab_size;
    size_t state_size; /* bytes, a multiple of 8; states are 64-byte aligned blocks */
    size_t batch;      /* how many states the model likes to take at once, ≥ 1 */
    unsigned threads;  /* a large score() may use so many; 0 and 1: the caller's alone */
    unsigned context_max; /* tokens of context it can use; 0: unlimited */
    bool adapts;          /* its streams can do dynamic evaluation */
    bool cheap;           /* a step costs microseconds: may run on an HTTP loop */
};

/* A simple score() for models that have none of their own, built on advance and
 * distribution. */
enum err lm_score_by_steps(const struct lm *lm, struct lm_segment *segments,
                           size_t count);

/* Log-probability of one token in a state; from the distribution where the model has no
 * logprob of its own (it then allocates, hence the code). */
MUST_CHECK enum err lm_logprob(const struct lm *lm, const void *state, uint32_t token,
                               float *logprob);

/* The k best in a state: the model's own top, or from the distribution. */
MUST_CHECK enum err lm_top(const struct lm *lm, const void *state, size_t k,
                           bool want_entropy, struct lm_top *top);

/* The k best of logprobs[size] in falling order (equal ones by id), for models that have
 * the whole distribution at hand. */
void lm_top_of(const float *logprobs, uint32_t size, size_t k, bool want_entropy,
               struct lm_top *top);

/* As lm_top_of without the sums: fills best and count only. */
void lm_select(const float *logprobs, uint32_t size, size_t k, struct lm_top *top);

/* `count` states in one aligned block, or NULL; lm_state_at is the i-th. free() it. */
MUST_CHECK void *lm_new_states(const struct lm *lm, size_t count);
void *lm_state_at(const struct lm *lm, void *states, size_t index);

#endif

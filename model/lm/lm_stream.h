/* SPDX-License-Identifier: MIT */
/* Scoring one text in order, with memory from each segment to the next: the state goes
 * on, a cache remembers recent words, the parameters follow the text. Every token is
 * scored before anything is learned from it, so the probabilities stay those of a proper
 * distribution and never depend on what comes later.
 *
 * A stream is used by one thread at a time; it borrows the model. */
#ifndef FIRTH_MODEL_LM_LM_STREAM_H
#define FIRTH_MODEL_LM_LM_STREAM_H

#include "model/lm/lm.h"

#define LM_CACHE_SIZE_MAX 16384u /* positions */
#define LM_CACHE_THETA_MAX 100.0
#define LM_DYNAMIC_RATE_MAX 10.0
#define LM_DYNAMIC_STEPS_MAX 256u

/* p = (1 - weight) p_model + weight p_cache, once the cache holds something. */
struct lm_cache {
    size_t size;   /* tokens remembered; 0: no cache */
    double theta;  /* how sharply likeness of hidden vectors counts; 0: not at all */
    double weight; /* 0 to below 1 */
};

/* The parameters of a private copy take a step down the gradient after every `steps`
 * tokens scored. */
struct lm_dynamic {
    double rate;  /* 0: parameters stay as they are */
    double decay; /* share of the way back to the original parameters, a step */
    unsigned steps;
};

struct lm_stream_options {
    bool carry; /* a segment goes on from where the one before ended */
    struct lm_cache cache;
    struct lm_dynamic dynamic;
};

/* What is used where only "a cache" or "dynamic evaluation" is asked for. */
extern const struct lm_cache lm_cache_usual;
extern const struct lm_dynamic lm_dynamic_usual;

struct lm_stream;
struct lm_stream_ops {
    enum err (*score)(struct lm_stream *stream, struct lm_segment *segments,
                      size_t count);
    void (*free)(struct lm_stream *stream);
};

/* The head of every stream; implementations embed it first. */
struct lm_stream {
    const struct lm_stream_ops *ops;
};

/* Whether any of the options asks for memory. */
bool lm_stream_wanted(const struct lm_stream_options *options);

/* ERR_INVALID when an option is out of its range or the model cannot do it; `pointer` is
 * the JSON pointer of the object that holds carry, cache and dynamic. */
MUST_CHECK enum err lm_stream_check(const struct lm *lm,
                                    const struct lm_stream_options *options,
                                    const char *pointer, struct err_info *info);

/* A new stream at the beginning of a text. The options were checked. */
MUST_CHECK enum err lm_stream_open(const struct lm *lm,
                                   const struct lm_stream_options *options,
                                   struct lm_stream **stream);
void lm_stream_free(struct lm_stream *stream);

/* Scores the next segments of the text, in order. With `carry` a segment with `bos`
 * begins behind a </s> (one is put in where the segment before did not end with it), a
 * segment without goes on in the midst of the one before. */
MUST_CHECK enum err lm_stream_score(struct lm_stream *stream, struct lm_segment *segments,
                                    size_t count);

#endif

/* SPDX-License-Identifier: MIT */
/* Many inputs gathered into one call of lm->score. Private to model/lm. */
#ifndef FIRTH_MODEL_LM_SCORE_BATCH_H
#define FIRTH_MODEL_LM_SCORE_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "model/lm/infer_score.h"
#include "model/lm/lm.h"
#include "model/text/vocab.h"

struct score_batch {
    const struct target *target;
    struct score_options options;
    struct lm_stream *stream; /* scores the inputs in order, or NULL: each on its own */
    uint32_t *ids;            /* [count] of all inputs, each with its </s> when eos */
    uint8_t *oov;             /* [count] 1: not in the vocabulary */
    size_t *offsets;          /* [count] in the input, kept when options.tokens */
    float *logprobs;          /* [count] once run */
    uint8_t *orders;          /* [count] once run, when options.tokens */
    size_t count;
    struct score_place {
        size_t first, count; /* of the input's tokens above */
        size_t oov_count;
    } * places; /* [inputs] */
    size_t inputs;
    struct lm_segment *segments; /* [inputs] */
    struct token_list list;      /* of the input added last */
    size_t ids_capacity, oov_capacity, offsets_capacity, logprobs_capacity,
        orders_capacity, places_capacity, segments_capacity;
};

/* Opens a stream when options->stream wants one; after score_batch_clear it goes on. */
MUST_CHECK enum err score_batch_init(struct score_batch *batch,
                                     const struct target *target,
                                     const struct score_options *options);
void score_batch_fini(struct score_batch *batch);

/* Forgets the inputs, keeps the memory. */
void score_batch_clear(struct score_batch *batch);

/* Encodes one more input; batch->list holds its tokens until the next. */
MUST_CHECK enum err score_batch_add(struct score_batch *batch, struct span text);

/* Adds every line of a block of text; faster than one by one. The lines lie in the block
 * in order, with nothing but line ends between them. Not for options.tokens. */
MUST_CHECK enum err score_batch_add_lines(struct score_batch *batch, struct span block,
                                          const struct span *lines, size_t count);

/* Scores all inputs in one call. */
MUST_CHECK enum err score_batch_run(struct score_batch *batch);

/* The sums of one input, finished. */
void score_batch_sums(const struct score_batch *batch, size_t input,
                      struct score_sums *sums);

/* All results of a batch that was run; inputs[batch->inputs] are the texts it was given.
 * Defined in infer_score.c. On failure the answer is still to be given up. */
MUST_CHECK enum err score_batch_answer(const struct score_batch *batch,
                                       const struct span *inputs,
                                       struct score_answer *answer);

#endif

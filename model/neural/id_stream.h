/* SPDX-License-Identifier: MIT */
/* A corpus as ids in memory, dealt out in mini-batches. */
#ifndef FIRTH_MODEL_NEURAL_ID_STREAM_H
#define FIRTH_MODEL_NEURAL_ID_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/progress.h"
#include "base/random.h"
#include "base/span.h"
#include "model/text/vocab.h"

struct id_stream {
    uint32_t *ids; /* [count + 1]: a </s>, then the corpus */
    size_t count;  /* tokens to predict */
    size_t rows;
    uint64_t *positions;  /* [rows] recurrent: where each sequence stands */
    uint32_t *order;      /* [count] feed-forward: this epoch's order */
    uint64_t ordered_for; /* epoch the order was drawn for, plus one */
};

MUST_CHECK enum err id_stream_init(struct id_stream *stream,
                                   const struct tokenizer *tokenizer,
                                   const struct vocab *vocab, struct span text,
                                   const struct progress *progress);
void id_stream_fini(struct id_stream *stream);

/* Spreads `rows` sequences evenly over the corpus. */
MUST_CHECK enum err id_stream_spread(struct id_stream *stream, size_t rows);

/* The next `steps` tokens of each sequence: inputs and targets [rows][steps]. Sequences
 * run round the corpus. Now and then a sequence skips to the start of a segment and
 * begins anew there (fresh[row] is set): the model meets the start of a text as use
 * begins it. */
void id_stream_next(struct id_stream *stream, size_t steps, struct random *random,
                    uint32_t *inputs, uint32_t *targets, bool *fresh);

/* Examples number first … first+rows-1 of an epoch in an order drawn from seed and epoch:
 * inputs [rows][context], the words before within the segment behind <s>. */
MUST_CHECK enum err id_stream_examples(struct id_stream *stream, uint64_t seed,
                                       uint64_t epoch, uint64_t first, unsigned context,
                                       uint32_t *inputs, uint32_t *targets);

#endif

/* SPDX-License-Identifier: MIT */
/* Output layers: from hidden vectors to the loss of the next token. All kinds sit behind
 * one function table; loss and gradients are of the mean over the rows. */
#ifndef FIRTH_MODEL_NN_SOFTMAX_H
#define FIRTH_MODEL_NN_SOFTMAX_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* A batch at the output. hidden and dhidden are [rows][size]; dhidden is set. */
struct softmax_batch {
    size_t rows, size;
    const float *hidden;
    const uint32_t *targets; /* [rows] token ids */
    float *dhidden;          /* NULL: no gradients wanted */
    float *logprobs;         /* [rows] out: log p(target) */
};

/* The full softmax: p = exp(W h + b) / Z over the whole vocabulary. */
struct softmax_full;

/* Workspace for batches of at most `rows_max` rows on `threads` threads. */
MUST_CHECK enum err softmax_full_new(size_t vocab_size, size_t size, size_t rows_max,
                                     unsigned threads, struct softmax_full **out);
void softmax_full_free(struct softmax_full *softmax);

/* weights[vocab_size][size], bias[vocab_size]; the gradients dweights and dbias are set,
 * not added to (NULL when batch->dhidden is). With the same number of threads the same
 * bits. */
MUST_CHECK enum err softmax_full_run(struct softmax_full *softmax, const float *weights,
                                     const float *bias, struct softmax_batch *batch,
                                     float *dweights, float *dbias);

#endif

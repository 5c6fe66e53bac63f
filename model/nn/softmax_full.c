/* SPDX-License-Identifier: MIT */
/* The full softmax, p = exp(W h + b) / Z over the whole vocabulary: one part of one
 * segment. */
#include "model/nn/softmax_int.h"

static enum err run(struct softmax *softmax, const float *values,
                    struct softmax_batch *batch, float *gradient)
{
    const struct softmax_layout *layout = softmax->layout;
    struct tiles_part part = {
        .rows = batch->rows,
        .size = batch->size,
        .segment_count = 1,
        .segments = {{.count = layout->vocab,
                      .weights = values + layout->weights_at,
                      .bias = values + layout->bias_at}},
        .hidden = batch->hidden,
        .targets = batch->targets,
        .logprobs = batch->logprobs,
        .dhidden = batch->dhidden,
        .scale = 1.0f / (float)batch->rows,
    };
    if (gradient) {
        part.segments[0].dweights = gradient + layout->weights_at;
        part.segments[0].dbias = gradient + layout->bias_at;
    }
    return tiles_run(softmax->tiles, &part, 1);
}

const struct softmax_ops softmax_full_ops = {.size = sizeof(struct softmax), .run = run};

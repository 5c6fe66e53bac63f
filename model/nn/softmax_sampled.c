/* SPDX-License-Identifier: MIT */
#include "model/nn/softmax_int.h"

static enum err run(struct softmax *softmax, const float *values,
                    struct softmax_batch *batch, float *gradient)
{
    return softmax_full_ops.run(softmax, values, batch, gradient);
}

const struct softmax_ops softmax_sampled_ops = {.size = sizeof(struct softmax),
                                                .run = run};

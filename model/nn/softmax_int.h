/* SPDX-License-Identifier: MIT */
/* What the kinds of output layers share among themselves. */
#ifndef FIRTH_MODEL_NN_SOFTMAX_INT_H
#define FIRTH_MODEL_NN_SOFTMAX_INT_H

#include "model/nn/softmax.h"
#include "model/nn/softmax_tiles.h"

/* The start of every kind's workspace. */
struct softmax {
    const struct softmax_ops *ops;
    const struct softmax_layout *layout;
    size_t rows_max;
    unsigned threads;
    uint64_t seed;
    struct tiles *tiles;
};

struct softmax_ops {
    size_t size; /* of the workspace's struct */
    /* Of what the kind needs besides `head`; NULL: nothing. fini must take a workspace
     * whose init failed half-way. */
    enum err (*init)(struct softmax *softmax);
    void (*fini)(struct softmax *softmax);
    enum err (*run)(struct softmax *softmax, const float *values,
                    struct softmax_batch *batch, float *gradient);
};

extern const struct softmax_ops softmax_full_ops, softmax_adaptive_ops,
    softmax_sampled_ops;

#endif

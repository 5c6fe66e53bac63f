/* SPDX-License-Identifier: MIT */
/* Recurrent layers behind one table: Elman RNN, GRU, LSTM, multiplicative LSTM. A layer
 * runs over `steps` time steps of `rows` independent sequences; weights are stored by
 * output unit, so a product with an input is x · Wᵀ. */
#ifndef FIRTH_MODEL_NN_CELL_H
#define FIRTH_MODEL_NN_CELL_H

#include <stddef.h>

#include "base/random.h"

struct cell_size {
    size_t steps, rows, input, hidden;
};

struct cell_tensor {
    const char *name;
    size_t rows, columns;
};

#define CELL_TENSORS_MAX 8
#define CELL_STATE_PARTS_MAX 2

struct cell_kind {
    const char *name;
    size_t state_parts; /* arrays [rows][hidden] carried from step to step; part 0 is h */

    /* The weights in the order they lie in one block; returns how many. */
    size_t (*tensors)(size_t input, size_t hidden,
                      struct cell_tensor tensors[CELL_TENSORS_MAX]);

    /* Uniform in ±1/√hidden; biases zero, an LSTM's forget bias 1 so that it starts by
     * remembering. */
    void (*init)(struct random *random, size_t input, size_t hidden, float *weights);

    /* Floats of `cache` that forward leaves for backward. */
    size_t (*cache_size)(const struct cell_size *size);

    /* x[steps][rows][input], state[parts][rows][hidden] (in: before the first step, out:
     * after the last), h[steps][rows][hidden]. */
    void (*forward)(const struct cell_size *size, const float *weights, const float *x,
                    float *state, float *h, float *cache);

    /* dh[steps][rows][hidden] is overwritten; dstate[parts][rows][hidden] holds the
     * gradient from beyond the last step and leaves with that before the first;
     * dx[steps][rows][input] is set; dweights is added to. */
    void (*backward)(const struct cell_size *size, const float *weights, const float *x,
                     const float *h, float *cache, float *dh, float *dstate, float *dx,
                     float *dweights);
};

extern const struct cell_kind cell_rnn, cell_gru, cell_lstm, cell_mlstm;

/* By name; NULL when unknown. */
const struct cell_kind *cell_find(const char *name);

/* Floats of all weights of a layer. */
size_t cell_weights_size(const struct cell_kind *kind, size_t input, size_t hidden);

/* Floats of room for a layer's weights [outputs][hidden] on its state, which meet every
 * step; the first part of a cache. 0 when it is not worth having. */
size_t cell_room(const struct cell_size *size, size_t outputs);

/* Fills `count` weights uniformly in ±1/√hidden. */
void cell_init_uniform(struct random *random, size_t count, size_t hidden,
                       float *weights);

#endif

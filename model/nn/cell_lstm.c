/* SPDX-License-Identifier: MIT */
/* The long short-term memory (Hochreiter and Schmidhuber 1997, with the forget gate of
 * Gers et al. 2000):
 *
 *   i = σ(Wi x + Ui h + bi)   f = σ(Wf x + Uf h + bf)   g = tanh(Wg x + Ug h + bg)
 *   o = σ(Wo x + Uo h + bo)   c' = f ∘ c + i ∘ g        h' = o ∘ tanh(c')
 *
 * The four gates lie one after the other in that order, so the input part of all steps is
 * one matrix product, the recurrent part one a step. With f = 1, i = 0 the gradient of c
 * passes from step to step unchanged. */
#include "model/nn/cell.h"

#include <string.h>

#include "model/nn/gemm.h"
#include "model/nn/pointwise.h"

enum { GATES = 4 };

/* Views into the one block of weights, or of their gradients. */
struct weights {
    float *input;     /* [4H][I] */
    float *recurrent; /* [4H][H] */
    float *bias;      /* [4H] */
};

/* Views into the cache. */
struct cache {
    float *room;     /* for the recurrent weights; NULL when there is none */
    float *gates;    /* [T][B][4H] activations; backward leaves their gradients */
    float *cells;    /* [T+1][B][H], the first is the state before */
    float *squashed; /* [T][B][H] tanh of the cells */
    float *before;   /* [B][H] h before the first step */
};

static struct weights weights_of(const float *block, size_t input, size_t hidden)
{
    float *start = (float *)(size_t)block;
    return (struct weights){start, start + GATES * hidden * input,
                            start + GATES * hidden * (input + hidden)};
}

static struct cache cache_of(const struct cell_size *size, float *block)
{
    size_t step = size->rows * size->hidden;
    size_t room = cell_room(size, GATES * size->hidden);
    float *gates = block + room;
    float *cells = gates + size->steps * GATES * step;
    float *squashed = cells + (size->steps + 1) * step;
    return (struct cache){room ? block : NULL, gates, cells, squashed,
                          squashed + size->steps * step};
}

static size_t lstm_tensors(size_t input, size_t hidden,
                           struct cell_tensor tensors[CELL_TENSORS_MAX])
{
    tensors[0] = (struct cell_tensor){"input_weights", GATES * hidden, input};
    tensors[1] = (struct cell_tensor){"recurrent_weights", GATES * hidden, hidden};
    tensors[2] = (struct cell_tensor){"bias", GATES * hidden, 1};
    return 3;
}

static void lstm_init(struct random *random, size_t input, size_t hidden, float *weights)
{
    struct weights view = weights_of(weights, input, hidden);
    cell_init_uniform(random, GATES * hidden * (input + hidden), hidden, weights);
    for (size_t j = 0; j < GATES * hidden; j++)
        view.bias[j] = j / hidden == 1 ? 1.0f : 0.0f;
}

static size_t lstm_cache_size(const struct cell_size *size)
{
    size_t step = size->rows * size->hidden;
    return cell_room(size, GATES * size->hidden) + step * (size->steps * (GATES + 2) + 2);
}

static void lstm_forward(const struct cell_size *size, const float *weights,
                         const float *x, float *state, float *h, float *cache)
{
    size_t hidden = size->hidden, wide = GATES * hidden, step = size->rows * hidden;
    struct weights view = weights_of(weights, size->input, hidden);
    struct cache kept = cache_of(size, cache);
    struct gemm_kept recurrent = gemm_keep(hidden, wide, view.recurrent, true, kept.room);
    for (size_t i = 0; i < size->steps * size->rows; i++)
        memcpy(kept.gates + i * wide, view.bias, wide * sizeof *cache);
    gemm_nt(GEMM_ADD, size->steps * size->rows, wide, size->input, x, size->input,
            view.input, size->input, kept.gates, wide);
    memcpy(kept.before, state, step * sizeof *cache);
    memcpy(kept.cells, state + step, step * sizeof *cache);
    for (size_t t = 0; t < size->steps; t++) {
        const float *last = t == 0 ? kept.before : h + (t - 1) * step;
        float *gates = kept.gates + t * size->rows * wide;
        gemm_by_kept(GEMM_ADD, size->rows, &recurrent, last, hidden, gates, wide);
        for (size_t row = 0; row < size->rows; row++) {
            size_t at = t * step + row * hidden;
            pointwise_lstm_forward(hidden, gates + row * wide, kept.cells + at,
                                   kept.cells + step + at, kept.squashed + at, h + at);
        }
    }
    if (size->steps > 0) {
        memcpy(state, h + (size->steps - 1) * step, step * sizeof *cache);
        memcpy(state + step, kept.cells + size->steps * step, step * sizeof *cache);
    }
}

static void lstm_backward(const struct cell_size *size, const float *weights,
                          const float *x, const float *h, float *cache, float *dh,
                          float *dstate, float *dx, float *dweights)
{
    size_t hidden = size->hidden, wide = GATES * hidden, step = size->rows * hidden;
    size_t all = size->steps * size->rows;
    struct weights view = weights_of(weights, size->input, hidden);
    struct weights gradient = weights_of(dweights, size->input, hidden);
    struct cache kept = cache_of(size, cache);
    struct gemm_kept recurrent =
        gemm_keep(wide, hidden, view.recurrent, false, kept.room);
    for (size_t t = size->steps; t-- > 0;) {
        float *gates = kept.gates + t * size->rows * wide;
        pointwise_add_scaled(step, 1, dstate, dh + t * step);
        for (size_t row = 0; row < size->rows; row++) {
            size_t at = t * step + row * hidden;
            pointwise_lstm_backward(hidden, gates + row * wide, kept.cells + at,
                                    kept.squashed + at, dh + at,
                                    dstate + step + row * hidden, gates + row * wide);
        }
        gemm_by_kept(GEMM_SET, size->rows, &recurrent, gates, wide, dstate, hidden);
    }
    gemm_tn(GEMM_ADD, wide, size->input, all, kept.gates, wide, x, size->input,
            gradient.input, size->input);
    gemm_tn(GEMM_ADD, wide, hidden, size->rows, kept.gates, wide, kept.before, hidden,
            gradient.recurrent, hidden);
    if (size->steps > 1)
        gemm_tn(GEMM_ADD, wide, hidden, all - size->rows, kept.gates + size->rows * wide,
                wide, h, hidden, gradient.recurrent, hidden);
    pointwise_add_rows(all, wide, kept.gates, gradient.bias);
    gemm_nn(GEMM_SET, all, size->input, wide, kept.gates, wide, view.input, size->input,
            dx, size->input);
}

const struct cell_kind cell_lstm = {
    "lstm", 2, lstm_tensors, lstm_init, lstm_cache_size, lstm_forward, lstm_backward,
};

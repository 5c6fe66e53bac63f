/* SPDX-License-Identifier: MIT */
/* The simple recurrent network of Elman (1990): h' = tanh(W x + U h + b). The first step
 * of a sequence has no h before it and a bias of its own, b₁, in place of U h + b: the
 * state says by its second part, 0 in each element, that a sequence is only starting. */
#include "model/nn/cell.h"

#include <string.h>

#include "base/simd.h"
#include "model/nn/gemm.h"
#include "model/nn/pointwise.h"

#if !defined(__clang__)
#pragma GCC optimize("O3")
#endif

struct weights {
    float *input;      /* [H][I] */
    float *recurrent;  /* [H][H] */
    float *bias;       /* [H] */
    float *first_bias; /* [H] */
};

/* Views into the cache. */
struct cache {
    float *room;    /* for the recurrent weights; NULL when there is none */
    float *before;  /* [B][H] h before the first step */
    float *started; /* [B][H] 1 where that h is real, 0 where the sequence starts */
};

static struct weights weights_of(const float *block, size_t input, size_t hidden)
{
    float *start = (float *)(size_t)block, *bias = start + hidden * (input + hidden);
    return (struct weights){start, start + hidden * input, bias, bias + hidden};
}

static struct cache cache_of(const struct cell_size *size, float *block)
{
    size_t room = cell_room(size, size->hidden);
    float *before = block + room;
    return (struct cache){room ? block : NULL, before,
                          before + size->rows * size->hidden};
}

static size_t rnn_tensors(size_t input, size_t hidden,
                          struct cell_tensor tensors[CELL_TENSORS_MAX])
{
    tensors[0] = (struct cell_tensor){"input_weights", hidden, input};
    tensors[1] = (struct cell_tensor){"recurrent_weights", hidden, hidden};
    tensors[2] = (struct cell_tensor){"bias", hidden, 1};
    tensors[3] = (struct cell_tensor){"first_bias", hidden, 1};
    return 4;
}

static void rnn_init(struct random *random, size_t input, size_t hidden, float *weights)
{
    struct weights view = weights_of(weights, input, hidden);
    cell_init_uniform(random, hidden * (input + hidden), hidden, weights);
    memset(view.bias, 0, 2 * hidden * sizeof *weights);
}

static size_t rnn_cache_size(const struct cell_size *size)
{
    return cell_room(size, size->hidden) + 2 * size->rows * size->hidden;
}

/* The bias of one row: b, or b₁ when its sequence starts. */
static const float *bias_of(const struct weights *view, const float *started, size_t t)
{
    return t > 0 || started[0] > 0 ? view->bias : view->first_bias;
}

static void rnn_forward(const struct cell_size *size, const float *weights,
                        const float *x, float *state, float *h, float *cache)
{
    size_t hidden = size->hidden, step = size->rows * hidden;
    struct weights view = weights_of(weights, size->input, hidden);
    struct cache kept = cache_of(size, cache);
    struct gemm_kept recurrent =
        gemm_keep(hidden, hidden, view.recurrent, true, kept.room);
    memcpy(kept.before, state, 2 * step * sizeof *cache);
    for (size_t t = 0; t < size->steps; t++)
        for (size_t row = 0; row < size->rows; row++)
            memcpy(h + t * step + row * hidden,
                   bias_of(&view, kept.started + row * hidden, t), hidden * sizeof *h);
    gemm_nt(GEMM_ADD, size->steps * size->rows, hidden, size->input, x, size->input,
            view.input, size->input, h, hidden);
    for (size_t t = 0; t < size->steps; t++) {
        const float *last = t == 0 ? kept.before : h + (t - 1) * step;
        gemm_by_kept(GEMM_ADD, size->rows, &recurrent, last, hidden, h + t * step,
                     hidden);
        pointwise_tanh(step, h + t * step, h + t * step);
    }
    if (size->steps == 0)
        return;
    memcpy(state, h + (size->steps - 1) * step, step * sizeof *state);
    for (size_t i = 0; i < step; i++)
        state[step + i] = 1;
}

/* dh ← gradient with respect to the pre-activation: (1 - h²) dh. */
SIMD_CLONES static void through_tanh(size_t count, const float *h, float *dh)
{
    for (size_t i = 0; i < count; i++)
        dh[i] *= 1 - h[i] * h[i];
}

static void rnn_backward(const struct cell_size *size, const float *weights,
                         const float *x, const float *h, float *cache, float *dh,
                         float *dstate, float *dx, float *dweights)
{
    size_t hidden = size->hidden, step = size->rows * hidden;
    size_t all = size->steps * size->rows;
    struct weights view = weights_of(weights, size->input, hidden);
    struct weights gradient = weights_of(dweights, size->input, hidden);
    struct cache kept = cache_of(size, cache);
    struct gemm_kept recurrent =
        gemm_keep(hidden, hidden, view.recurrent, false, kept.room);
    for (size_t t = size->steps; t-- > 0;) {
        pointwise_add_scaled(step, 1, dstate, dh + t * step);
        through_tanh(step, h + t * step, dh + t * step);
        gemm_by_kept(GEMM_SET, size->rows, &recurrent, dh + t * step, hidden, dstate,
                     hidden);
    }
    gemm_tn(GEMM_ADD, hidden, size->input, all, dh, hidden, x, size->input,
            gradient.input, size->input);
    gemm_tn(GEMM_ADD, hidden, hidden, size->rows, dh, hidden, kept.before, hidden,
            gradient.recurrent, hidden);
    if (size->steps > 1)
        gemm_tn(GEMM_ADD, hidden, hidden, all - size->rows, dh + step, hidden, h, hidden,
                gradient.recurrent, hidden);
    for (size_t i = 0; i < all; i++) {
        const float *bias =
            bias_of(&view, kept.started + i % size->rows * hidden, i / size->rows);
        pointwise_add_scaled(hidden, 1, dh + i * hidden,
                             bias == view.bias ? gradient.bias : gradient.first_bias);
    }
    pointwise_multiply(step, dstate, kept.started, dstate);
    gemm_nn(GEMM_SET, all, size->input, hidden, dh, hidden, view.input, size->input, dx,
            size->input);
}

const struct cell_kind cell_rnn = {
    "rnn", 2, rnn_tensors, rnn_init, rnn_cache_size, rnn_forward, rnn_backward,
};

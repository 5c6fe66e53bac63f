/* SPDX-License-Identifier: MIT */
/* The gated recurrent unit (Cho et al. 2014), with the reset gate applied to the product,
 * as cuDNN and PyTorch do:
 *
 *   r = σ(Wr x + br + Ur h)   z = σ(Wz x + bz + Uz h)
 *   n = tanh(Wn x + bn + r ∘ (Un h + cn))             h' = (1 - z) ∘ n + z ∘ h
 */
#include "model/nn/cell.h"

#include <string.h>

#include "base/simd.h"
#include "model/nn/gemm.h"
#include "model/nn/pointwise.h"

#if !defined(__clang__)
#pragma GCC optimize("O3")
#endif

enum { GATES = 3 };

struct weights {
    float *input;          /* [3H][I] r, z, n */
    float *recurrent;      /* [3H][H] */
    float *bias;           /* [3H] */
    float *candidate_bias; /* [H] cn */
};

struct cache {
    float *room;    /* for the recurrent weights; NULL when there is none */
    float *gates;   /* [T][B][3H] r, z, n; backward leaves the input gradients */
    float *product; /* [T][B][3H] U h (+ cn for n); backward leaves its gradients */
    float *before;  /* [B][H] */
};

static struct weights weights_of(const float *block, size_t input, size_t hidden)
{
    float *start = (float *)(size_t)block;
    float *bias = start + GATES * hidden * (input + hidden);
    return (struct weights){start, start + GATES * hidden * input, bias,
                            bias + GATES * hidden};
}

static struct cache cache_of(const struct cell_size *size, float *block)
{
    size_t wide = size->steps * size->rows * GATES * size->hidden;
    size_t room = cell_room(size, GATES * size->hidden);
    float *gates = block + room;
    return (struct cache){room ? block : NULL, gates, gates + wide, gates + 2 * wide};
}

static size_t gru_tensors(size_t input, size_t hidden,
                          struct cell_tensor tensors[CELL_TENSORS_MAX])
{
    tensors[0] = (struct cell_tensor){"input_weights", GATES * hidden, input};
    tensors[1] = (struct cell_tensor){"recurrent_weights", GATES * hidden, hidden};
    tensors[2] = (struct cell_tensor){"bias", GATES * hidden, 1};
    tensors[3] = (struct cell_tensor){"candidate_bias", hidden, 1};
    return 4;
}

static void gru_init(struct random *random, size_t input, size_t hidden, float *weights)
{
    struct weights view = weights_of(weights, input, hidden);
    cell_init_uniform(random, GATES * hidden * (input + hidden), hidden, weights);
    memset(view.bias, 0, (GATES + 1) * hidden * sizeof *weights);
}

static size_t gru_cache_size(const struct cell_size *size)
{
    return cell_room(size, GATES * size->hidden) +
           size->rows * size->hidden * (2 * GATES * size->steps + 1);
}

SIMD_CLONES static void mix(size_t hidden, const float *candidate, const float *update,
                            const float *before, float *h)
{
    for (size_t j = 0; j < hidden; j++)
        h[j] = candidate[j] + update[j] * (before[j] - candidate[j]);
}

/* One row: gates[3H] pre-activations of the input part, product[3H] of the recurrent. */
static void forward_row(size_t hidden, float *gates, float *product, const float *cn,
                        const float *before, float *h)
{
    float *reset = gates, *update = gates + hidden, *candidate = gates + 2 * hidden;
    float *inner = product + 2 * hidden;
    pointwise_add_scaled(2 * hidden, 1, product, gates);
    pointwise_logistic(2 * hidden, gates, gates);
    pointwise_add_scaled(hidden, 1, cn, inner);
    pointwise_multiply_add(hidden, reset, inner, candidate);
    pointwise_tanh(hidden, candidate, candidate);
    mix(hidden, candidate, update, before, h);
}

static void gru_forward(const struct cell_size *size, const float *weights,
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
    for (size_t t = 0; t < size->steps; t++) {
        const float *last = t == 0 ? kept.before : h + (t - 1) * step;
        float *gates = kept.gates + t * GATES * step;
        float *product = kept.product + t * GATES * step;
        gemm_by_kept(GEMM_SET, size->rows, &recurrent, last, hidden, product, wide);
        for (size_t row = 0; row < size->rows; row++)
            forward_row(hidden, gates + row * wide, product + row * wide,
                        view.candidate_bias, last + row * hidden,
                        h + t * step + row * hidden);
    }
    if (size->steps > 0)
        memcpy(state, h + (size->steps - 1) * step, step * sizeof *cache);
}

/* One row: gates and product become the gradients of their pre-activations; dh leaves
 * with the part of the gradient that goes straight to h before. */
SIMD_CLONES static void backward_row(size_t hidden, float *gates, float *product,
                                     const float *before, float *dh)
{
    SIMD_INDEPENDENT
    for (size_t j = 0; j < hidden; j++) {
        float r = gates[j], z = gates[hidden + j], n = gates[2 * hidden + j];
        float inner = product[2 * hidden + j];
        float dn = dh[j] * (1 - z) * (1 - n * n);
        float dz = dh[j] * (before[j] - n) * z * (1 - z);
        float dr = dn * inner * r * (1 - r);
        gates[j] = dr;
        gates[hidden + j] = dz;
        gates[2 * hidden + j] = dn;
        product[j] = dr;
        product[hidden + j] = dz;
        product[2 * hidden + j] = dn * r;
        dh[j] *= z;
    }
}

static void weight_gradients(const struct cell_size *size, const struct cache *kept,
                             const float *x, const float *h,
                             const struct weights *gradient)
{
    size_t hidden = size->hidden, wide = GATES * hidden, all = size->steps * size->rows;
    gemm_tn(GEMM_ADD, wide, size->input, all, kept->gates, wide, x, size->input,
            gradient->input, size->input);
    gemm_tn(GEMM_ADD, wide, hidden, size->rows, kept->product, wide, kept->before, hidden,
            gradient->recurrent, hidden);
    if (size->steps > 1)
        gemm_tn(GEMM_ADD, wide, hidden, all - size->rows,
                kept->product + size->rows * wide, wide, h, hidden, gradient->recurrent,
                hidden);
    pointwise_add_rows(all, wide, kept->gates, gradient->bias);
    for (size_t i = 0; i < all; i++)
        pointwise_add_scaled(hidden, 1, kept->product + i * wide + 2 * hidden,
                             gradient->candidate_bias);
}

static void gru_backward(const struct cell_size *size, const float *weights,
                         const float *x, const float *h, float *cache, float *dh,
                         float *dstate, float *dx, float *dweights)
{
    size_t hidden = size->hidden, wide = GATES * hidden, step = size->rows * hidden;
    struct weights view = weights_of(weights, size->input, hidden);
    struct weights gradient = weights_of(dweights, size->input, hidden);
    struct cache kept = cache_of(size, cache);
    struct gemm_kept recurrent =
        gemm_keep(wide, hidden, view.recurrent, false, kept.room);
    for (size_t t = size->steps; t-- > 0;) {
        const float *last = t == 0 ? kept.before : h + (t - 1) * step;
        float *gates = kept.gates + t * GATES * step;
        float *product = kept.product + t * GATES * step;
        pointwise_add_scaled(step, 1, dh + t * step, dstate);
        for (size_t row = 0; row < size->rows; row++)
            backward_row(hidden, gates + row * wide, product + row * wide,
                         last + row * hidden, dstate + row * hidden);
        gemm_by_kept(GEMM_ADD, size->rows, &recurrent, product, wide, dstate, hidden);
    }
    weight_gradients(size, &kept, x, h, &gradient);
    gemm_nn(GEMM_SET, size->steps * size->rows, size->input, wide, kept.gates, wide,
            view.input, size->input, dx, size->input);
}

const struct cell_kind cell_gru = {
    "gru", 1, gru_tensors, gru_init, gru_cache_size, gru_forward, gru_backward,
};

/* SPDX-License-Identifier: MIT */
/* The multiplicative LSTM (Krause, Lu, Murray and Renals 2016): the recurrent input of an
 * LSTM is not h but an intermediate state that each input word transforms in its own way:
 *
 *   m = (Wm x) ∘ (Um h)    gates = W x + V m + b    then as in the LSTM.
 */
#include "model/nn/cell.h"

#include <string.h>

#include "model/nn/gemm.h"
#include "model/nn/pointwise.h"

enum { GATES = 4 };

struct weights {
    float *input;        /* [4H][I] W */
    float *recurrent;    /* [4H][H] V */
    float *bias;         /* [4H] */
    float *mixing_input; /* [H][I] Wm */
    float *mixing_state; /* [H][H] Um */
};

struct cache {
    float *room;        /* for the recurrent weights; NULL when there is none */
    float *mixing_room; /* for Um */
    float *gates;       /* [T][B][4H] */
    float *cells;       /* [T+1][B][H] */
    float *squashed;    /* [T][B][H] */
    float *from_x;      /* [T][B][H] Wm x; backward leaves its gradient */
    float *from_h;      /* [T][B][H] Um h; backward leaves its gradient */
    float *mixed;       /* [T][B][H] m */
    float *before;      /* [B][H] */
};

static struct weights weights_of(const float *block, size_t input, size_t hidden)
{
    float *start = (float *)(size_t)block;
    float *bias = start + GATES * hidden * (input + hidden);
    float *mixing = bias + GATES * hidden;
    return (struct weights){start, start + GATES * hidden * input, bias, mixing,
                            mixing + hidden * input};
}

static struct cache cache_of(const struct cell_size *size, float *block)
{
    size_t step = size->rows * size->hidden, all = size->steps * step;
    size_t room = cell_room(size, GATES * size->hidden);
    float *gates = block + room + cell_room(size, size->hidden);
    float *cells = gates + GATES * all, *rest = cells + all + step;
    return (struct cache){room ? block : NULL,
                          room ? block + room : NULL,
                          gates,
                          cells,
                          rest,
                          rest + all,
                          rest + 2 * all,
                          rest + 3 * all,
                          rest + 4 * all};
}

static size_t mlstm_tensors(size_t input, size_t hidden,
                            struct cell_tensor tensors[CELL_TENSORS_MAX])
{
    tensors[0] = (struct cell_tensor){"input_weights", GATES * hidden, input};
    tensors[1] = (struct cell_tensor){"recurrent_weights", GATES * hidden, hidden};
    tensors[2] = (struct cell_tensor){"bias", GATES * hidden, 1};
    tensors[3] = (struct cell_tensor){"mixing_input_weights", hidden, input};
    tensors[4] = (struct cell_tensor){"mixing_state_weights", hidden, hidden};
    return 5;
}

static void mlstm_init(struct random *random, size_t input, size_t hidden, float *weights)
{
    struct weights view = weights_of(weights, input, hidden);
    cell_init_uniform(random, cell_weights_size(&cell_mlstm, input, hidden), hidden,
                      weights);
    for (size_t j = 0; j < GATES * hidden; j++)
        view.bias[j] = j / hidden == 1 ? 1.0f : 0.0f;
}

static size_t mlstm_cache_size(const struct cell_size *size)
{
    return cell_room(size, GATES * size->hidden) + cell_room(size, size->hidden) +
           size->rows * size->hidden * (size->steps * (GATES + 5) + 2);
}

/* The weights that each step multiplies with. */
struct recurrent {
    struct gemm_kept gates, mixing;
};

static struct recurrent recurrent_of(const struct cell_size *size,
                                     const struct weights *view, const struct cache *kept,
                                     bool forward)
{
    size_t hidden = size->hidden, wide = GATES * hidden;
    return (struct recurrent){
        gemm_keep(forward ? hidden : wide, forward ? wide : hidden, view->recurrent,
                  forward, kept->room),
        gemm_keep(hidden, hidden, view->mixing_state, forward, kept->mixing_room)};
}

/* The products of all steps with the input. */
static void project_input(const struct cell_size *size, const struct weights *view,
                          const float *x, const struct cache *kept)
{
    size_t hidden = size->hidden, wide = GATES * hidden, all = size->steps * size->rows;
    for (size_t i = 0; i < all; i++)
        memcpy(kept->gates + i * wide, view->bias, wide * sizeof *x);
    gemm_nt(GEMM_ADD, all, wide, size->input, x, size->input, view->input, size->input,
            kept->gates, wide);
    gemm_nt(GEMM_SET, all, hidden, size->input, x, size->input, view->mixing_input,
            size->input, kept->from_x, hidden);
}

static void mlstm_forward(const struct cell_size *size, const float *weights,
                          const float *x, float *state, float *h, float *cache)
{
    size_t hidden = size->hidden, wide = GATES * hidden, step = size->rows * hidden;
    struct weights view = weights_of(weights, size->input, hidden);
    struct cache kept = cache_of(size, cache);
    struct recurrent recurrent = recurrent_of(size, &view, &kept, true);
    project_input(size, &view, x, &kept);
    memcpy(kept.before, state, step * sizeof *cache);
    memcpy(kept.cells, state + step, step * sizeof *cache);
    for (size_t t = 0; t < size->steps; t++) {
        const float *last = t == 0 ? kept.before : h + (t - 1) * step;
        float *gates = kept.gates + t * size->rows * wide, *mixed = kept.mixed + t * step;
        gemm_by_kept(GEMM_SET, size->rows, &recurrent.mixing, last, hidden,
                     kept.from_h + t * step, hidden);
        pointwise_multiply(step, kept.from_x + t * step, kept.from_h + t * step, mixed);
        gemm_by_kept(GEMM_ADD, size->rows, &recurrent.gates, mixed, hidden, gates, wide);
        for (size_t row = 0; row < size->rows; row++) {
            size_t at = t * step + row * hidden;
            pointwise_lstm_forward(hidden, gates + row * wide, kept.cells + at,
                                   kept.cells + step + at, kept.squashed + at, h + at);
        }
    }
    if (size->steps == 0)
        return;
    memcpy(state, h + (size->steps - 1) * step, step * sizeof *cache);
    memcpy(state + step, kept.cells + size->steps * step, step * sizeof *cache);
}

/* One step back: dstate holds dh and dc of this step and leaves with those before it. */
static void backward_step(const struct cell_size *size, const struct recurrent *recurrent,
                          const struct cache *kept, size_t t, float *dh, float *dstate)
{
    size_t hidden = size->hidden, wide = GATES * hidden, step = size->rows * hidden;
    float *gates = kept->gates + t * size->rows * wide;
    float *from_x = kept->from_x + t * step, *from_h = kept->from_h + t * step;
    pointwise_add_scaled(step, 1, dstate, dh);
    for (size_t row = 0; row < size->rows; row++) {
        size_t at = t * step + row * hidden;
        pointwise_lstm_backward(hidden, gates + row * wide, kept->cells + at,
                                kept->squashed + at, dh + row * hidden,
                                dstate + step + row * hidden, gates + row * wide);
    }
    /* dstate's first part serves as room for the gradient of m. */
    gemm_by_kept(GEMM_SET, size->rows, &recurrent->gates, gates, wide, dstate, hidden);
    for (size_t i = 0; i < step; i++) {
        float dm = dstate[i], x_part = from_x[i];
        from_x[i] = dm * from_h[i];
        from_h[i] = dm * x_part;
    }
    gemm_by_kept(GEMM_SET, size->rows, &recurrent->mixing, from_h, hidden, dstate,
                 hidden);
}

static void mlstm_backward(const struct cell_size *size, const float *weights,
                           const float *x, const float *h, float *cache, float *dh,
                           float *dstate, float *dx, float *dweights)
{
    size_t hidden = size->hidden, wide = GATES * hidden, step = size->rows * hidden;
    size_t all = size->steps * size->rows, input = size->input;
    struct weights view = weights_of(weights, input, hidden);
    struct weights gradient = weights_of(dweights, input, hidden);
    struct cache kept = cache_of(size, cache);
    struct recurrent recurrent = recurrent_of(size, &view, &kept, false);
    for (size_t t = size->steps; t-- > 0;)
        backward_step(size, &recurrent, &kept, t, dh + t * step, dstate);
    gemm_tn(GEMM_ADD, wide, input, all, kept.gates, wide, x, input, gradient.input,
            input);
    gemm_tn(GEMM_ADD, wide, hidden, all, kept.gates, wide, kept.mixed, hidden,
            gradient.recurrent, hidden);
    gemm_tn(GEMM_ADD, hidden, input, all, kept.from_x, hidden, x, input,
            gradient.mixing_input, input);
    gemm_tn(GEMM_ADD, hidden, hidden, size->rows, kept.from_h, hidden, kept.before,
            hidden, gradient.mixing_state, hidden);
    if (size->steps > 1)
        gemm_tn(GEMM_ADD, hidden, hidden, all - size->rows, kept.from_h + step, hidden, h,
                hidden, gradient.mixing_state, hidden);
    pointwise_add_rows(all, wide, kept.gates, gradient.bias);
    gemm_nn(GEMM_SET, all, input, wide, kept.gates, wide, view.input, input, dx, input);
    gemm_nn(GEMM_ADD, all, input, hidden, kept.from_x, hidden, view.mixing_input, input,
            dx, input);
}

const struct cell_kind cell_mlstm = {
    "mlstm",        2, mlstm_tensors, mlstm_init, mlstm_cache_size, mlstm_forward,
    mlstm_backward,
};

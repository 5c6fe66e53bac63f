/* SPDX-License-Identifier: MIT */
/* Recurrent layers: every gradient against finite differences, the LSTM against a naive
 * step, its cell as a memory that passes gradients unchanged, and carried state. */
#include "tests/support/unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/nn/cell.h"
#include "tests/unit/nn/gradient.h"

enum { STEPS = 4, ROWS = 3, INPUT = 5, HIDDEN = 6 };

/* A layer and a random linear loss over its outputs and its last state. */
struct trial {
    const struct cell_kind *kind;
    struct cell_size size;
    float *weights, *x, *start, *state, *h, *cache;
    float *loss_h, *loss_state; /* the loss is their dot product with h and state */
    size_t weight_count, x_count, h_count, state_count;
};

static float *numbers(size_t count)
{
    float *block = memory_new_aligned(count, sizeof *block);
    ck_assert_ptr_nonnull(block);
    return block;
}

static void trial_init(struct trial *trial, const struct cell_kind *kind)
{
    struct cell_size size = {STEPS, ROWS, INPUT, HIDDEN};
    struct random random;
    random_seed(&random, 5, 0);
    *trial = (struct trial){.kind = kind, .size = size};
    trial->weight_count = cell_weights_size(kind, INPUT, HIDDEN);
    trial->x_count = STEPS * ROWS * INPUT;
    trial->h_count = STEPS * ROWS * HIDDEN;
    trial->state_count = kind->state_parts * ROWS * HIDDEN;
    trial->weights = numbers(trial->weight_count);
    trial->x = numbers(trial->x_count);
    trial->start = numbers(trial->state_count);
    trial->state = numbers(trial->state_count);
    trial->h = numbers(trial->h_count);
    trial->cache = numbers(kind->cache_size(&size));
    trial->loss_h = numbers(trial->h_count);
    trial->loss_state = numbers(trial->state_count);
    kind->init(&random, INPUT, HIDDEN, trial->weights);
    gradient_fill(&random, trial->x_count, 1, trial->x);
    gradient_fill(&random, trial->h_count, 1, trial->loss_h);
    gradient_fill(&random, ROWS * HIDDEN, 0.5f, trial->start);
    gradient_fill(&random, ROWS * HIDDEN, 1, trial->loss_state);
    if (kind == &cell_rnn) /* the first row's sequence only starts */
        for (size_t i = 0; i < ROWS * HIDDEN; i++) {
            trial->start[ROWS * HIDDEN + i] = i >= HIDDEN;
            trial->start[i] *= i >= HIDDEN;
        }
    else if (kind->state_parts == 2)
        gradient_fill(&random, ROWS * HIDDEN, 0.5f, trial->start + ROWS * HIDDEN);
}

static void trial_fini(struct trial *trial)
{
    free(trial->weights);
    free(trial->x);
    free(trial->start);
    free(trial->state);
    free(trial->h);
    free(trial->cache);
    free(trial->loss_h);
    free(trial->loss_state);
}

static double loss(void *context)
{
    struct trial *trial = context;
    double sum = 0;
    memcpy(trial->state, trial->start, trial->state_count * sizeof(float));
    trial->kind->forward(&trial->size, trial->weights, trial->x, trial->state, trial->h,
                         trial->cache);
    for (size_t i = 0; i < trial->h_count; i++)
        sum += (double)trial->h[i] * (double)trial->loss_h[i];
    for (size_t i = 0; i < ROWS * HIDDEN; i++)
        sum += (double)trial->state[i] * (double)trial->loss_state[i];
    return sum;
}

static void check_gradients(const struct cell_kind *kind)
{
    struct trial trial;
    trial_init(&trial, kind);
    float *dh = numbers(trial.h_count), *dx = numbers(trial.x_count);
    float *dstate = numbers(trial.state_count), *dweights = numbers(trial.weight_count);
    loss(&trial);
    memcpy(dh, trial.loss_h, trial.h_count * sizeof *dh);
    memcpy(dstate, trial.loss_state, ROWS * HIDDEN * sizeof *dh);
    kind->backward(&trial.size, trial.weights, trial.x, trial.h, trial.cache, dh, dstate,
                   dx, dweights);
    struct cell_tensor tensors[CELL_TENSORS_MAX];
    size_t count = kind->tensors(INPUT, HIDDEN, tensors), at = 0;
    for (size_t i = 0; i < count; i++) {
        size_t elements = tensors[i].rows * tensors[i].columns;
        double error = gradient_error(loss, &trial, trial.weights + at, dweights + at,
                                      elements, 1e-2f);
        ck_assert_msg(error < 1e-2, "%s %s: %g", kind->name, tensors[i].name, error);
        at += elements;
    }
    ck_assert_double_lt(gradient_error(loss, &trial, trial.x, dx, trial.x_count, 1e-2f),
                        1e-2);
    size_t free_part = kind == &cell_rnn ? HIDDEN : 0; /* a starting row has no state */
    ck_assert_double_lt(gradient_error(loss, &trial, trial.start + free_part,
                                       dstate + free_part, ROWS * HIDDEN - free_part,
                                       1e-2f),
                        1e-2);
    free(dh);
    free(dx);
    free(dstate);
    free(dweights);
    trial_fini(&trial);
}

START_TEST(gradients_match_finite_differences)
{
    const struct cell_kind *const kinds[] = {&cell_rnn, &cell_gru, &cell_lstm,
                                             &cell_mlstm};
    check_gradients(kinds[_i]);
}
END_TEST

/* One step of the LSTM by its formulas alone, in double. */
static void naive_lstm(const float *weights, const float *x, double *h, double *c)
{
    const float *recurrent = weights + 4 * HIDDEN * INPUT;
    const float *bias = recurrent + 4 * HIDDEN * HIDDEN;
    double gates[4 * HIDDEN];
    for (size_t g = 0; g < 4 * HIDDEN; g++) {
        double sum = (double)bias[g];
        for (size_t i = 0; i < INPUT; i++)
            sum += (double)weights[g * INPUT + i] * (double)x[i];
        for (size_t j = 0; j < HIDDEN; j++)
            sum += (double)recurrent[g * HIDDEN + j] * h[j];
        gates[g] = g / HIDDEN == 2 ? tanh(sum) : 1 / (1 + exp(-sum));
    }
    for (size_t j = 0; j < HIDDEN; j++) {
        c[j] = gates[HIDDEN + j] * c[j] + gates[j] * gates[2 * HIDDEN + j];
        h[j] = gates[3 * HIDDEN + j] * tanh(c[j]);
    }
}

START_TEST(lstm_equals_its_formulas)
{
    struct trial trial;
    trial_init(&trial, &cell_lstm);
    loss(&trial);
    for (size_t row = 0; row < ROWS; row++) {
        double h[HIDDEN], c[HIDDEN];
        for (size_t j = 0; j < HIDDEN; j++) {
            h[j] = (double)trial.start[row * HIDDEN + j];
            c[j] = (double)trial.start[(ROWS + row) * HIDDEN + j];
        }
        for (size_t t = 0; t < STEPS; t++) {
            naive_lstm(trial.weights, trial.x + (t * ROWS + row) * INPUT, h, c);
            for (size_t j = 0; j < HIDDEN; j++)
                ck_assert_double_eq_tol((double)trial.h[(t * ROWS + row) * HIDDEN + j],
                                        h[j], 2e-6);
        }
    }
    trial_fini(&trial);
}
END_TEST

START_TEST(lstm_cell_with_an_open_forget_gate_passes_gradients_unchanged)
{
    struct trial trial;
    trial_init(&trial, &cell_lstm);
    memset(trial.weights, 0, trial.weight_count * sizeof(float));
    float *bias = trial.weights + 4 * HIDDEN * (INPUT + HIDDEN);
    for (size_t j = 0; j < HIDDEN; j++) {
        bias[j] = -60;              /* i = 0 */
        bias[HIDDEN + j] = 60;      /* f = 1 */
        bias[3 * HIDDEN + j] = -60; /* o = 0 */
    }
    loss(&trial);
    for (size_t i = 0; i < ROWS * HIDDEN; i++)
        ck_assert_float_eq(trial.state[ROWS * HIDDEN + i],
                           trial.start[ROWS * HIDDEN + i]);
    float *dh = numbers(trial.h_count), *dx = numbers(trial.x_count);
    float *dstate = numbers(trial.state_count), *dweights = numbers(trial.weight_count);
    for (size_t i = 0; i < ROWS * HIDDEN; i++)
        dstate[ROWS * HIDDEN + i] = (float)i + 0.5f;
    cell_lstm.backward(&trial.size, trial.weights, trial.x, trial.h, trial.cache, dh,
                       dstate, dx, dweights);
    for (size_t i = 0; i < ROWS * HIDDEN; i++)
        ck_assert_float_eq(dstate[ROWS * HIDDEN + i], (float)i + 0.5f);
    free(dh);
    free(dx);
    free(dstate);
    free(dweights);
    trial_fini(&trial);
}
END_TEST

START_TEST(state_carried_over_equals_one_long_run)
{
    const struct cell_kind *const kinds[] = {&cell_rnn, &cell_gru, &cell_lstm,
                                             &cell_mlstm};
    struct trial trial;
    trial_init(&trial, kinds[_i]);
    loss(&trial);
    float *h = numbers(trial.h_count), *state = numbers(trial.state_count);
    struct cell_size one = trial.size;
    one.steps = 1;
    memcpy(state, trial.start, trial.state_count * sizeof *state);
    for (size_t t = 0; t < STEPS; t++)
        trial.kind->forward(&one, trial.weights, trial.x + t * ROWS * INPUT, state,
                            h + t * ROWS * HIDDEN, trial.cache);
    for (size_t i = 0; i < trial.h_count; i++)
        ck_assert_float_eq_tol(h[i], trial.h[i], 1e-6f);
    free(h);
    free(state);
    trial_fini(&trial);
}
END_TEST

UNIT_SUITE(cell)
{
    tcase_add_loop_test(unit, gradients_match_finite_differences, 0, 4);
    tcase_add_test(unit, lstm_equals_its_formulas);
    tcase_add_test(unit, lstm_cell_with_an_open_forget_gate_passes_gradients_unchanged);
    tcase_add_loop_test(unit, state_carried_over_equals_one_long_run, 0, 4);
}

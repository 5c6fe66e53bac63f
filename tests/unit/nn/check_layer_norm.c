/* SPDX-License-Identifier: MIT */
/* Layer normalisation: what comes out against the definition, gradients against finite
 * differences, at widths that do and do not fill the vectors. */
#include "model/nn/layer_norm.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/unit.h"
#include "tests/unit/nn/gradient.h"

enum { ROWS = 3, WIDTH_MAX = 40 };

static const size_t widths[] = {2, 7, 16, 40};

struct trial {
    struct layer_norm_size size;
    float gain[WIDTH_MAX], bias[WIDTH_MAX], x[ROWS * WIDTH_MAX], y[ROWS * WIDTH_MAX];
    float weights[ROWS * WIDTH_MAX]; /* the loss is their dot product with y */
    float cache[ROWS * (WIDTH_MAX + 1)];
};

static void trial_init(struct trial *trial, size_t width)
{
    struct random random;
    random_seed(&random, 3, width);
    *trial = (struct trial){.size = {ROWS, width}};
    ck_assert_uint_le(layer_norm_cache_size(&trial->size),
                      sizeof trial->cache / sizeof(float));
    gradient_fill(&random, width, 1, trial->gain);
    gradient_fill(&random, width, 1, trial->bias);
    gradient_fill(&random, ROWS * width, 2, trial->x);
    gradient_fill(&random, ROWS * width, 1, trial->weights);
}

static double loss(void *context)
{
    struct trial *trial = context;
    double sum = 0;
    layer_norm_forward(&trial->size, trial->gain, trial->bias, trial->x, trial->cache,
                       trial->y);
    for (size_t i = 0; i < ROWS * trial->size.width; i++)
        sum += (double)trial->y[i] * (double)trial->weights[i];
    return sum;
}

START_TEST(equals_its_definition)
{
    struct trial trial;
    size_t width = widths[_i];
    trial_init(&trial, width);
    loss(&trial);
    for (size_t row = 0; row < ROWS; row++) {
        const float *x = trial.x + row * width;
        double mean = 0, variance = 0;
        for (size_t i = 0; i < width; i++)
            mean += (double)x[i] / (double)width;
        for (size_t i = 0; i < width; i++)
            variance += ((double)x[i] - mean) * ((double)x[i] - mean) / (double)width;
        for (size_t i = 0; i < width; i++) {
            double normal = ((double)x[i] - mean) / sqrt(variance + 1e-5);
            double expected = (double)trial.gain[i] * normal + (double)trial.bias[i];
            ck_assert_double_eq_tol((double)trial.y[row * width + i], expected, 1e-4);
        }
    }
}
END_TEST

START_TEST(gradients_match_finite_differences)
{
    struct trial trial;
    float dx[ROWS * WIDTH_MAX], dgain[WIDTH_MAX] = {0}, dbias[WIDTH_MAX] = {0};
    size_t width = widths[_i + 1];
    trial_init(&trial, width);
    loss(&trial);
    memcpy(dx, trial.weights, sizeof dx); /* dx may be dy */
    layer_norm_backward(&trial.size, trial.gain, trial.cache, dx, dx, dgain, dbias);
    ck_assert_double_lt(gradient_error(loss, &trial, trial.x, dx, ROWS * width, 1e-2f),
                        1e-2);
    ck_assert_double_lt(gradient_error(loss, &trial, trial.gain, dgain, width, 1e-2f),
                        1e-2);
    ck_assert_double_lt(gradient_error(loss, &trial, trial.bias, dbias, width, 1e-2f),
                        1e-2);
}
END_TEST

/* A row of one number, or of equal ones, has no variance: the bias comes out. */
START_TEST(rows_without_variance)
{
    const float gain[2] = {3, 3}, bias[2] = {0.5f, -0.5f}, x[2] = {9, 9}, dy[2] = {1, 2};
    struct layer_norm_size size = {1, 2};
    float y[2], cache[3], dx[2], dgain[2] = {0}, dbias[2] = {0};
    layer_norm_forward(&size, gain, bias, x, cache, y);
    ck_assert_float_eq(y[0], 0.5f);
    ck_assert_float_eq(y[1], -0.5f);
    layer_norm_backward(&size, gain, cache, dy, dx, dgain, dbias);
    ck_assert(isfinite(dx[0]) && isfinite(dx[1]));
    ck_assert_float_eq(dgain[0], 0);
    ck_assert_float_eq(dbias[1], 2);
}
END_TEST

UNIT_SUITE(layer_norm)
{
    tcase_add_loop_test(unit, equals_its_definition, 0, 4);
    tcase_add_loop_test(unit, gradients_match_finite_differences, 0, 3);
    tcase_add_test(unit, rows_without_variance);
}

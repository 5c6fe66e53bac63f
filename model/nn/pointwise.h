/* SPDX-License-Identifier: MIT */
/* Element-wise functions over arrays, vectorised. exp is within 2 units in the last
 * place; tanh and the logistic function within 3e-7 absolute. */
#ifndef FIRTH_MODEL_NN_POINTWISE_H
#define FIRTH_MODEL_NN_POINTWISE_H

#include <stddef.h>

/* y[i] = f(x[i]); y may be x. */
void pointwise_exp(size_t count, const float *x, float *y);
void pointwise_tanh(size_t count, const float *x, float *y);
void pointwise_logistic(size_t count, const float *x, float *y);
void pointwise_relu(size_t count, const float *x, float *y);

/* y[i] = exp(x[i] - shift); returns the sum of y. */
float pointwise_exp_sum(size_t count, const float *x, float shift, float *y);

/* y += a x, y *= a, y = x * z, y += x * z */
void pointwise_add_scaled(size_t count, float a, const float *x, float *y);
void pointwise_scale(size_t count, float a, float *y);
void pointwise_multiply(size_t count, const float *x, const float *z, float *y);
void pointwise_multiply_add(size_t count, const float *x, const float *z, float *y);

/* Largest element; -INFINITY of nothing. */
float pointwise_max(size_t count, const float *x);

/* Sum of x[i] * y[i], and of squares, accumulated in sixteen partial sums of doubles so
 * that long arrays lose nothing. */
double pointwise_dot(size_t count, const float *x, const float *y);
double pointwise_squares(size_t count, const float *x);

/* Adds each row of x[rows][columns] to sum[columns]. */
void pointwise_add_rows(size_t rows, size_t columns, const float *x, float *sum);

/* y[i] = the larger of x[i] and y[i]. */
void pointwise_raise(size_t count, const float *x, float *y);

/* Down the columns of x[rows][POINTWISE_COLUMNS]: their largest elements; x ← exp(x -
 * most) with the sums; the columns times factors; lanes[rows][POINTWISE_LANES] += the
 * rows, two columns a lane; and the lanes' sums. */
#define POINTWISE_COLUMNS 32u
#define POINTWISE_LANES 16u
void pointwise_columns_max(size_t rows, const float *x, float *most);
void pointwise_columns_exp(size_t rows, float *x, const float *most, float *sums);
void pointwise_columns_scale(size_t rows, const float *factors, float *x);
void pointwise_columns_add(size_t rows, const float *x, float *lanes);
void pointwise_sum_lanes(size_t rows, const float *lanes, float *sums);

/* The LSTM's inner step for one row. gates[4H] holds the pre-activations of i, f, g, o
 * and is left with their activations; c_before[H] → c[H], c_tanh[H] = tanh(c), h[H]. */
void pointwise_lstm_forward(size_t hidden, float *gates, const float *c_before, float *c,
                            float *c_tanh, float *h);
/* Its derivative: dh[H] and dc[H] (in: from later steps, out: for the step before) →
 * dgates[4H] with respect to the pre-activations. */
void pointwise_lstm_backward(size_t hidden, const float *gates, const float *c_before,
                             const float *c_tanh, const float *dh, float *dc,
                             float *dgates);

#endif

/* SPDX-License-Identifier: MIT */
/* The loops between the matrix products. Each is written so that a compiler turns it into
 * vector code: no branch, no call, no order of summation that depends on the vector's
 * width (sums run in sixteen lanes that are added up in one fixed order, so every
 * instruction set gives sums in the same order).
 *
 * exp follows Cody and Waite: x = n ln 2 + r with |r| ≤ ln 2 / 2, a polynomial of degree
 * six for exp(r) (Taylor coefficients up to r⁶, error 1.2e-7), and 2ⁿ by the exponent's
 * bits. The logistic function and tanh come from exp of a negative number, which cannot
 * overflow. */
#include "model/nn/pointwise.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/simd.h"

#if !defined(__clang__)
#pragma GCC optimize("O3")
#endif

/* CHUNK: numbers summed in float before the sum is put aside. */
enum { LANES = 16, CHUNK = 64 };

static inline float exp_of(float x)
{
    const float log2e = 1.44269504f, ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
    const float rounder = 12582912.0f; /* 1.5 · 2²³ */
    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    float n = (x * log2e + rounder) - rounder;
    float r = x - n * ln2_high - n * ln2_low;
    float p = 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    uint32_t bits = ((uint32_t)(int32_t)n + 127) << 23; /* unsigned: n may be NaN */
    float scale;
    memcpy(&scale, &bits, sizeof scale);
    return p * scale;
}

static inline float logistic_of(float x)
{
    float e = exp_of(-fabsf(x));
    float low = e / (1.0f + e);
    return x < 0 ? low : 1.0f - low;
}

static inline float tanh_of(float x)
{
    float e = exp_of(-2.0f * fabsf(x));
    float t = (1.0f - e) / (1.0f + e);
    return copysignf(t, x);
}

SIMD_CLONES void pointwise_exp(size_t count, const float *x, float *y)
{
    for (size_t i = 0; i < count; i++)
        y[i] = exp_of(x[i]);
}

SIMD_CLONES void pointwise_tanh(size_t count, const float *x, float *y)
{
    for (size_t i = 0; i < count; i++)
        y[i] = tanh_of(x[i]);
}

SIMD_CLONES void pointwise_logistic(size_t count, const float *x, float *y)
{
    for (size_t i = 0; i < count; i++)
        y[i] = logistic_of(x[i]);
}

SIMD_CLONES void pointwise_relu(size_t count, const float *x, float *y)
{
    for (size_t i = 0; i < count; i++)
        y[i] = x[i] > 0 ? x[i] : 0;
}

SIMD_CLONES float pointwise_exp_sum(size_t count, const float *x, float shift, float *y)
{
    float lanes[LANES] = {0}, sum = 0;
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (size_t j = 0; j < LANES; j++) {
            float e = exp_of(x[i + j] - shift);
            y[i + j] = e;
            lanes[j] += e;
        }
    for (; i < count; i++) {
        y[i] = exp_of(x[i] - shift);
        lanes[i % LANES] += y[i];
    }
    for (size_t j = 0; j < LANES; j++)
        sum += lanes[j];
    return sum;
}

SIMD_CLONES void pointwise_add_scaled(size_t count, float a, const float *x, float *y)
{
    for (size_t i = 0; i < count; i++)
        y[i] += a * x[i];
}

SIMD_CLONES void pointwise_scale(size_t count, float a, float *y)
{
    for (size_t i = 0; i < count; i++)
        y[i] *= a;
}

SIMD_CLONES void pointwise_multiply(size_t count, const float *x, const float *z,
                                    float *y)
{
    for (size_t i = 0; i < count; i++)
        y[i] = x[i] * z[i];
}

SIMD_CLONES void pointwise_multiply_add(size_t count, const float *x, const float *z,
                                        float *y)
{
    for (size_t i = 0; i < count; i++)
        y[i] += x[i] * z[i];
}

SIMD_CLONES float pointwise_max(size_t count, const float *x)
{
    float lanes[LANES], most = -INFINITY;
    size_t i = 0;
    for (size_t j = 0; j < LANES; j++)
        lanes[j] = -INFINITY;
    for (; i + LANES <= count; i += LANES)
        for (size_t j = 0; j < LANES; j++)
            lanes[j] = x[i + j] > lanes[j] ? x[i + j] : lanes[j];
    for (; i < count; i++)
        most = x[i] > most ? x[i] : most;
    for (size_t j = 0; j < LANES; j++)
        most = lanes[j] > most ? lanes[j] : most;
    return most;
}

SIMD_CLONES double pointwise_dot(size_t count, const float *x, const float *y)
{
    double lanes[LANES] = {0}, sum = 0;
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (size_t j = 0; j < LANES; j++)
            lanes[j] += (double)x[i + j] * (double)y[i + j];
    for (; i < count; i++)
        lanes[i % LANES] += (double)x[i] * (double)y[i];
    for (size_t j = 0; j < LANES; j++)
        sum += lanes[j];
    return sum;
}

double pointwise_squares(size_t count, const float *x)
{
    return pointwise_dot(count, x, x);
}

SIMD_CLONES void pointwise_add_rows(size_t rows, size_t columns, const float *x,
                                    float *sum)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++)
            sum[j] += x[i * columns + j];
}

SIMD_CLONES void pointwise_raise(size_t count, const float *x, float *y)
{
    for (size_t i = 0; i < count; i++)
        y[i] = x[i] > y[i] ? x[i] : y[i];
}

SIMD_CLONES void pointwise_columns_max(size_t rows, const float *x, float *most)
{
    float top[POINTWISE_COLUMNS];
    for (size_t j = 0; j < POINTWISE_COLUMNS; j++)
        top[j] = -INFINITY;
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < POINTWISE_COLUMNS; j++) {
            float value = x[i * POINTWISE_COLUMNS + j];
            top[j] = value > top[j] ? value : top[j];
        }
    memcpy(most, top, sizeof top);
}

SIMD_CLONES void pointwise_columns_exp(size_t rows, float *x, const float *most,
                                       float *sums)
{
    float shift[POINTWISE_COLUMNS], total[POINTWISE_COLUMNS] = {0};
    memcpy(shift, most, sizeof shift);
    for (size_t first = 0; first < rows; first += CHUNK) {
        size_t end = rows - first < CHUNK ? rows : first + CHUNK;
        float sum[POINTWISE_COLUMNS] = {0};
        for (size_t i = first; i < end; i++)
            for (size_t j = 0; j < POINTWISE_COLUMNS; j++) {
                float e = exp_of(x[i * POINTWISE_COLUMNS + j] - shift[j]);
                x[i * POINTWISE_COLUMNS + j] = e;
                sum[j] += e;
            }
        for (size_t j = 0; j < POINTWISE_COLUMNS; j++)
            total[j] += sum[j];
    }
    memcpy(sums, total, sizeof total);
}

SIMD_CLONES void pointwise_columns_scale(size_t rows, const float *factors, float *x)
{
    float factor[POINTWISE_COLUMNS];
    memcpy(factor, factors, sizeof factor);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < POINTWISE_COLUMNS; j++)
            x[i * POINTWISE_COLUMNS + j] *= factor[j];
}

SIMD_CLONES void pointwise_columns_add(size_t rows, const float *x, float *lanes)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < POINTWISE_LANES; j++)
            lanes[i * POINTWISE_LANES + j] +=
                x[i * POINTWISE_COLUMNS + j] +
                x[i * POINTWISE_COLUMNS + POINTWISE_LANES + j];
}

SIMD_CLONES void pointwise_sum_lanes(size_t rows, const float *lanes, float *sums)
{
    for (size_t i = 0; i < rows; i++) {
        float sum = 0;
        for (size_t j = 0; j < POINTWISE_LANES; j++)
            sum += lanes[i * POINTWISE_LANES + j];
        sums[i] = sum;
    }
}

SIMD_CLONES void pointwise_lstm_forward(size_t hidden, float *gates,
                                        const float *c_before, float *c, float *c_tanh,
                                        float *h)
{
    float *input = gates, *forget = gates + hidden, *candidate = gates + 2 * hidden,
          *output = gates + 3 * hidden;
    SIMD_INDEPENDENT
    for (size_t j = 0; j < hidden; j++) {
        float i = logistic_of(input[j]), f = logistic_of(forget[j]);
        float g = tanh_of(candidate[j]), o = logistic_of(output[j]);
        float cell = f * c_before[j] + i * g, squashed = tanh_of(cell);
        input[j] = i;
        forget[j] = f;
        candidate[j] = g;
        output[j] = o;
        c[j] = cell;
        c_tanh[j] = squashed;
        h[j] = o * squashed;
    }
}

SIMD_CLONES void pointwise_lstm_backward(size_t hidden, const float *gates,
                                         const float *c_before, const float *c_tanh,
                                         const float *dh, float *dc, float *dgates)
{
    const float *input = gates, *forget = gates + hidden, *candidate = gates + 2 * hidden,
                *output = gates + 3 * hidden;
    SIMD_INDEPENDENT
    for (size_t j = 0; j < hidden; j++) {
        float i = input[j], f = forget[j], g = candidate[j], o = output[j];
        float squashed = c_tanh[j];
        float d = dc[j] + dh[j] * o * (1 - squashed * squashed);
        dgates[j] = d * g * i * (1 - i);
        dgates[hidden + j] = d * c_before[j] * f * (1 - f);
        dgates[2 * hidden + j] = d * i * (1 - g * g);
        dgates[3 * hidden + j] = dh[j] * squashed * o * (1 - o);
        dc[j] = d * f;
    }
}

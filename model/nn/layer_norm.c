/* SPDX-License-Identifier: MIT */
/* Layer normalisation, a row at a time. With n = (x - mean) · s, s = 1/√(variance + ε)
 * and g = dy ∘ gain the gradient is
 *
 *     dx = s · (g - mean(g) - n · mean(g ∘ n)),
 *
 * so that forward keeps n and s. Sums run in sixteen lanes that are added in one order:
 * every instruction set gives the same sums. */
#include "model/nn/layer_norm.h"

#include <math.h>

#include "base/simd.h"

#if !defined(__clang__)
#pragma GCC optimize("O3")
#endif

enum { LANES = 16 };

static const float EPSILON = 1e-5f;

/* Where forward's results lie in the cache: n[rows][width], then s[rows]. */
static size_t scales_at(const struct layer_norm_size *size)
{
    return size->rows * size->width;
}

size_t layer_norm_cache_size(const struct layer_norm_size *size)
{
    return scales_at(size) + size->rows;
}

static inline float sum_lanes(const float *lanes)
{
    float sum = 0;
    for (size_t j = 0; j < LANES; j++)
        sum += lanes[j];
    return sum;
}

static inline float mean_of(size_t width, const float *x)
{
    float lanes[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= width; i += LANES)
        for (size_t j = 0; j < LANES; j++)
            lanes[j] += x[i + j];
    for (; i < width; i++)
        lanes[i % LANES] += x[i];
    return sum_lanes(lanes) / (float)width;
}

static inline float variance_of(size_t width, const float *x, float mean)
{
    float lanes[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= width; i += LANES)
        for (size_t j = 0; j < LANES; j++)
            lanes[j] += (x[i + j] - mean) * (x[i + j] - mean);
    for (; i < width; i++)
        lanes[i % LANES] += (x[i] - mean) * (x[i] - mean);
    return sum_lanes(lanes) / (float)width;
}

/* Returns s. */
SIMD_CLONES static float forward_row(size_t width, const float *gain, const float *bias,
                                     const float *x, float *normal, float *y)
{
    float mean = mean_of(width, x);
    float scale = 1 / sqrtf(variance_of(width, x, mean) + EPSILON);
    for (size_t i = 0; i < width; i++) {
        normal[i] = (x[i] - mean) * scale;
        y[i] = gain[i] * normal[i] + bias[i];
    }
    return scale;
}

SIMD_CLONES static void backward_row(size_t width, const float *gain, const float *normal,
                                     float scale, const float *dy, float *dx,
                                     float *dgain, float *dbias)
{
    float sums[LANES] = {0}, products[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= width; i += LANES)
        for (size_t j = 0; j < LANES; j++) {
            float g = dy[i + j] * gain[i + j];
            sums[j] += g;
            products[j] += g * normal[i + j];
        }
    for (; i < width; i++) {
        sums[i % LANES] += dy[i] * gain[i];
        products[i % LANES] += dy[i] * gain[i] * normal[i];
    }
    float mean = sum_lanes(sums) / (float)width;
    float along = sum_lanes(products) / (float)width;
    for (i = 0; i < width; i++) {
        float d = dy[i];
        dgain[i] += d * normal[i];
        dbias[i] += d;
        dx[i] = scale * (d * gain[i] - mean - normal[i] * along);
    }
}

void layer_norm_forward(const struct layer_norm_size *size, const float *gain,
                        const float *bias, const float *x, float *cache, float *y)
{
    float *scales = cache + scales_at(size);
    for (size_t row = 0; row < size->rows; row++) {
        size_t at = row * size->width;
        scales[row] = forward_row(size->width, gain, bias, x + at, cache + at, y + at);
    }
}

void layer_norm_backward(const struct layer_norm_size *size, const float *gain,
                         const float *cache, const float *dy, float *dx, float *dgain,
                         float *dbias)
{
    const float *scales = cache + scales_at(size);
    for (size_t row = 0; row < size->rows; row++) {
        size_t at = row * size->width;
        backward_row(size->width, gain, cache + at, scales[row], dy + at, dx + at, dgain,
                     dbias);
    }
}

/* SPDX-License-Identifier: MIT */
/* Layer normalisation (Ba et al. 2016): each row is brought to mean 0 and variance 1,
 * then scaled and shifted by learned gains and biases. */
#ifndef FIRTH_MODEL_NN_LAYER_NORM_H
#define FIRTH_MODEL_NN_LAYER_NORM_H

#include <stddef.h>

struct layer_norm_size {
    size_t rows, width;
};

/* Floats of `cache` that forward leaves for backward. */
size_t layer_norm_cache_size(const struct layer_norm_size *size);

/* y[rows][width] = gain ∘ (x - mean) / √(variance + 1e-5) + bias; y may be x. */
void layer_norm_forward(const struct layer_norm_size *size, const float *gain,
                        const float *bias, const float *x, float *cache, float *y);

/* From dy[rows][width] to dx (may be dy); dgain[width] and dbias[width] are added to. */
void layer_norm_backward(const struct layer_norm_size *size, const float *gain,
                         const float *cache, const float *dy, float *dx, float *dgain,
                         float *dbias);

#endif

/* SPDX-License-Identifier: MIT */
/* The inner loops of this folder, each compiled for several instruction sets. Rows are
 * 64-byte aligned and `width` floats long, a multiple of KERNELS_WIDTH; what pads a row
 * is zero and stays zero. */
#ifndef FIRTH_MODEL_VECTORS_KERNELS_H
#define FIRTH_MODEL_VECTORS_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "base/simd.h"

#define KERNELS_WIDTH 16u
/* The most inputs a call of `negative` takes. */
#define KERNELS_INPUTS_MAX 128u

struct kernels {
    const char *name; /* "avx512", "avx2", "plain" */

    float (*dot)(const float *a, const float *b, size_t width);

    /* scores[i] = matrix row i · query, i < count. */
    void (*scan)(const float *matrix, size_t stride, size_t count, const float *query,
                 size_t width, float *scores);

    /* scores[q][i] = matrix row i · query q, rows of scores `room` floats apart, a
     * multiple of KERNELS_WIDTH and ≥ count rounded up to one; what follows count is
     * garbage. */
    void (*scan_many)(const float *matrix, size_t stride, size_t count,
                      const float *queries, size_t query_count, float *scores,
                      size_t room);

    /* scores[i] = matrix row rows[i] · query, i < count. */
    void (*pick)(const float *matrix, size_t stride, const uint32_t *rows, size_t count,
                 const float *query, float *scores);

    /* scores[i] = scores[i] · scale[i] + offset[i] (as it is when scale is NULL);
     * positions of those ≥ threshold, in order; returns how many. */
    size_t (*above)(float *scores, const float *scale, const float *offset, size_t count,
                    float threshold, uint32_t *positions);

    /* For 3CosMul: products[i] *= s, or /= s + 0.001 where `divide`, with the shifted
     * cosine s = (1 + scores[i] · scale[i]) / 2 cut to 0 … 1; whole registers, so that
     * what follows count is garbage again. */
    void (*shift)(float *products, const float *scores, const float *scale, size_t count,
                  int divide);

    /* y[stride] = Σ values[i] · row columns[i] of matrix, i < count. */
    void (*combine)(const float *matrix, size_t stride, const uint32_t *columns,
                    const float *values, size_t count, float *y);

    /* y += a x */
    void (*add)(float *y, float a, const float *x, size_t width);

    /* ‖a − b‖² */
    float (*distance)(const float *a, const float *b, size_t width);

    /* One step of negative sampling for every pair of an input row i and an output row
     * o: with p = σ(i·o) and label 1 for output 0, else 0, both rows move along
     * rate · (label − p) times the other. */
    void (*negative)(float *const *inputs, size_t input_count, float *const *outputs,
                     size_t output_count, size_t width, float rate);

    /* One step of GloVe with AdaGrad on a pair of rows, each [width] numbers followed by
     * the [width] sums of their squared steps: with e = a·b − target every number moves
     * by −rate e (the other row's number) / √sum. Returns e. */
    float (*glove)(float *a, float *b, size_t width, float target, float rate);
};

/* The kernels for this processor. */
const struct kernels *kernels_best(void);

/* Those of one level, NULL when they are not in this build or the processor lacks it. */
const struct kernels *kernels_of_level(enum simd_level level);

#endif

/* SPDX-License-Identifier: MIT */
/* Matrix products whose right factor lies in panels: the products that OpenBLAS leaves
 * slow (few rows against the same weights step after step) or that can be done without
 * copying the left factor (the softmax's three). One thread each.
 *
 * Panels of a matrix B[k][n]: its columns in groups of PANEL_WIDTH, group after group,
 * each [k][PANEL_WIDTH]; the last group is filled up with zeros. */
#ifndef FIRTH_MODEL_NN_PANEL_H
#define FIRTH_MODEL_NN_PANEL_H

#include <stddef.h>

#include "model/nn/gemm.h"

#define PANEL_WIDTH 32u

/* Where the left factor's element (i, p) lies, in floats:
 * at[i * row + (p / run) * jump + (p % run) * step]. `run` divides the product's k. */
struct panel_left {
    const float *at;
    size_t row, step, run, jump;
};

struct panel_product {
    size_t m, n, k;
    struct panel_left left; /* A[m][k] */
    const float *panels;    /* B[k][n] */
    float *c;               /* [m][n], rows `stride` apart */
    size_t stride;
    enum gemm_store store;
    const float *row_start;    /* [m] added to each row's elements, or NULL */
    const float *column_scale; /* [n] factors of A · B, or NULL */
};

/* Floats of the panels of a [k][n] matrix. */
size_t panel_size(size_t k, size_t n);

/* Puts B, given as [k][n] or transposed as [n][k], into panels; `stride` is between the
 * given matrix's rows. */
void panel_pack(size_t k, size_t n, const float *b, size_t stride, float *panels);
void panel_pack_transposed(size_t k, size_t n, const float *b, size_t stride,
                           float *panels);

/* C = or += start + A · B · scale. With row_start or column_scale absent they are 0 and
 * 1. Sums run over p in order. */
void panel_multiply(const struct panel_product *product);

/* A row-major left factor A[m][k], rows `stride` apart. */
struct panel_left panel_rows(const float *a, size_t stride, size_t k);

#endif

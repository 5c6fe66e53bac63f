/* SPDX-License-Identifier: MIT */
/* The three products a layer needs. Where the left factor has a few rows they run through
 * our own kernels, one panel of the right factor after the other packed on the stack;
 * below that packing costs more than it saves: gemm_few_nt or cblas_sgemm does it.
 * Dimensions in here are sizes of layers and batches, checked against NN_DIMENSION_MAX
 * where they enter, so they fit the library's int. */
#include "model/nn/gemm.h"

#include <cblas.h>
#include <stdbool.h>

#include "model/nn/panel.h"

/* RUN: the longest piece of k packed at a time. KEPT_MIN: rows, of all products together,
 * from which on a shared factor is packed. */
enum { FEW_MIN = 2, ROWS_MIN = 6, RUN = 512, KEPT_MIN = 12 };

static void by_library(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, enum gemm_store store,
                       size_t m, size_t n, size_t k, const float *a, size_t lda,
                       const float *b, size_t ldb, float *c, size_t ldc)
{
    if (m == 0 || n == 0)
        return;
    cblas_sgemm(CblasRowMajor, ta, tb, (int)m, (int)n, (int)k, 1.0f, a, (int)lda, b,
                (int)ldb, store == GEMM_ADD ? 1.0f : 0.0f, c, (int)ldc);
}

/* The right factor: [k][n], or [n][k] when transposed. */
struct right {
    const float *at;
    size_t stride;
    bool transposed;
};

static bool by_panels(enum gemm_store store, size_t m, size_t n, size_t k,
                      struct panel_left left, struct right right, float *c, size_t ldc)
{
    float panel[RUN * PANEL_WIDTH] __attribute__((aligned(64)));
    if (m < ROWS_MIN || k == 0)
        return false;
    size_t runs = (k + RUN - 1) / RUN;
    for (size_t j = 0; j < n; j += PANEL_WIDTH)
        for (size_t i = 0; i < runs; i++) {
            size_t p = k * i / runs, width = n - j < PANEL_WIDTH ? n - j : PANEL_WIDTH;
            left.run = k * (i + 1) / runs - p;
            if (right.transposed)
                panel_pack_transposed(left.run, width, right.at + j * right.stride + p,
                                      right.stride, panel);
            else
                panel_pack(left.run, width, right.at + p * right.stride + j, right.stride,
                           panel);
            struct panel_product product = {.m = m,
                                            .n = width,
                                            .k = left.run,
                                            .left = left,
                                            .panels = panel,
                                            .c = c + j,
                                            .stride = ldc,
                                            .store = i == 0 ? store : GEMM_ADD};
            product.left.at += p * left.step;
            panel_multiply(&product);
        }
    return true;
}

void gemm_nn(enum gemm_store store, size_t m, size_t n, size_t k, const float *a,
             size_t lda, const float *b, size_t ldb, float *c, size_t ldc)
{
    struct panel_left left = panel_rows(a, lda, k);
    if (!by_panels(store, m, n, k, left, (struct right){b, ldb, false}, c, ldc))
        by_library(CblasNoTrans, CblasNoTrans, store, m, n, k, a, lda, b, ldb, c, ldc);
}

void gemm_nt(enum gemm_store store, size_t m, size_t n, size_t k, const float *a,
             size_t lda, const float *b, size_t ldb, float *c, size_t ldc)
{
    struct panel_left left = panel_rows(a, lda, k);
    if (m >= FEW_MIN && m < ROWS_MIN)
        gemm_few_nt(store, m, n, k, a, lda, b, ldb, c, ldc);
    else if (!by_panels(store, m, n, k, left, (struct right){b, ldb, true}, c, ldc))
        by_library(CblasNoTrans, CblasTrans, store, m, n, k, a, lda, b, ldb, c, ldc);
}

void gemm_tn(enum gemm_store store, size_t m, size_t n, size_t k, const float *a,
             size_t lda, const float *b, size_t ldb, float *c, size_t ldc)
{
    struct panel_left left = {.at = a, .row = 1, .step = lda, .run = k};
    if (!by_panels(store, m, n, k, left, (struct right){b, ldb, false}, c, ldc))
        by_library(CblasTrans, CblasNoTrans, store, m, n, k, a, lda, b, ldb, c, ldc);
}

size_t gemm_room(size_t rows, size_t times, size_t k, size_t n)
{
    size_t one = panel_size(k, n), other = panel_size(n, k);
    if (rows * times < KEPT_MIN)
        return 0;
    return one > other ? one : other;
}

struct gemm_kept gemm_keep(size_t k, size_t n, const float *b, bool transposed,
                           float *room)
{
    if (room && transposed)
        panel_pack_transposed(k, n, b, k, room);
    else if (room)
        panel_pack(k, n, b, n, room);
    return (struct gemm_kept){k, n, b, transposed, room};
}

void gemm_by_kept(enum gemm_store store, size_t m, const struct gemm_kept *kept,
                  const float *a, size_t lda, float *c, size_t ldc)
{
    size_t n = kept->n, k = kept->k;
    struct panel_product product = {.m = m,
                                    .n = n,
                                    .k = k,
                                    .left = panel_rows(a, lda, k),
                                    .panels = kept->panels,
                                    .c = c,
                                    .stride = ldc,
                                    .store = store};
    if (kept->panels)
        panel_multiply(&product);
    else if (kept->transposed)
        gemm_nt(store, m, n, k, a, lda, kept->b, k, c, ldc);
    else
        gemm_nn(store, m, n, k, a, lda, kept->b, n, c, ldc);
}

void gemm_single_thread(void)
{
    openblas_set_num_threads(1);
}

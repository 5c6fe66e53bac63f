/* SPDX-License-Identifier: MIT */
/* The three products a layer needs, by cblas_sgemm. Dimensions in here are sizes of
 * layers and batches, checked against NN_DIMENSION_MAX where they enter, so they fit the
 * library's int. */
#include "model/nn/gemm.h"

#include <cblas.h>

static void gemm(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, enum gemm_store store, size_t m,
                 size_t n, size_t k, const float *a, size_t lda, const float *b,
                 size_t ldb, float *c, size_t ldc)
{
    if (m == 0 || n == 0)
        return;
    cblas_sgemm(CblasRowMajor, ta, tb, (int)m, (int)n, (int)k, 1.0f, a, (int)lda, b,
                (int)ldb, store == GEMM_ADD ? 1.0f : 0.0f, c, (int)ldc);
}

void gemm_nn(enum gemm_store store, size_t m, size_t n, size_t k, const float *a,
             size_t lda, const float *b, size_t ldb, float *c, size_t ldc)
{
    gemm(CblasNoTrans, CblasNoTrans, store, m, n, k, a, lda, b, ldb, c, ldc);
}

void gemm_nt(enum gemm_store store, size_t m, size_t n, size_t k, const float *a,
             size_t lda, const float *b, size_t ldb, float *c, size_t ldc)
{
    gemm(CblasNoTrans, CblasTrans, store, m, n, k, a, lda, b, ldb, c, ldc);
}

void gemm_tn(enum gemm_store store, size_t m, size_t n, size_t k, const float *a,
             size_t lda, const float *b, size_t ldb, float *c, size_t ldc)
{
    gemm(CblasTrans, CblasNoTrans, store, m, n, k, a, lda, b, ldb, c, ldc);
}

void gemm_single_thread(void)
{
    openblas_set_num_threads(1);
}

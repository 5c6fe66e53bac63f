/* SPDX-License-Identifier: MIT */
/* Matrix products on row-major float32 matrices, one thread each: parallelism is by our
 * own threads over independent parts, so that a result never depends on OpenBLAS's pool.
 */
#ifndef FIRTH_MODEL_NN_GEMM_H
#define FIRTH_MODEL_NN_GEMM_H

#include <stdbool.h>
#include <stddef.h>

enum gemm_store { GEMM_SET, GEMM_ADD };

/* C[m][n] = or += A[m][k] · B[k][n]. The numbers behind each matrix are row strides. */
void gemm_nn(enum gemm_store store, size_t m, size_t n, size_t k, const float *a,
             size_t lda, const float *b, size_t ldb, float *c, size_t ldc);

/* C[m][n] = or += A[m][k] · B[n][k]ᵀ: a layer's forward, weights stored by output unit.
 */
void gemm_nt(enum gemm_store store, size_t m, size_t n, size_t k, const float *a,
             size_t lda, const float *b, size_t ldb, float *c, size_t ldc);

/* The same for up to GEMM_FEW_ROWS rows of A, without copying B: the fastest way for 2 to
 * 5, which gemm_nt takes then. An element's bits depend on its two rows only. */
#define GEMM_FEW_ROWS 16u
void gemm_few_nt(enum gemm_store store, size_t m, size_t n, size_t k, const float *a,
                 size_t lda, const float *b, size_t ldb, float *c, size_t ldc);

/* C[m][n] = or += A[k][m]ᵀ · B[k][n]: a layer's weight gradient. */
void gemm_tn(enum gemm_store store, size_t m, size_t n, size_t k, const float *a,
             size_t lda, const float *b, size_t ldb, float *c, size_t ldc);

/* A right factor B[k][n] that several products share, such as weights used again at each
 * step: packed once into the caller's room. */
struct gemm_kept {
    size_t k, n;
    const float *b; /* borrowed: [k][n], or [n][k] when transposed */
    bool transposed;
    const float *panels; /* in the room, or NULL */
};

/* Floats of room worth having for `times` products of `rows` rows: 0 when packing costs
 * more than it saves. At least so much for either way of giving B. */
size_t gemm_room(size_t rows, size_t times, size_t k, size_t n);

/* `room` is borrowed, or NULL to do without. */
struct gemm_kept gemm_keep(size_t k, size_t n, const float *b, bool transposed,
                           float *room);

/* C[m][n] = or += A[m][k] · B. */
void gemm_by_kept(enum gemm_store store, size_t m, const struct gemm_kept *kept,
                  const float *a, size_t lda, float *c, size_t ldc);

/* Keeps OpenBLAS to the calling thread; call once before the first product. */
void gemm_single_thread(void);

#endif

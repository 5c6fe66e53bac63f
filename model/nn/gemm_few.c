/* SPDX-License-Identifier: MIT */
/* Products of a few rows with large weights, as a model that answers single requests
 * makes them: C[m][n] = A[m][k] · B[n][k]ᵀ with m of at most GEMM_FEW_ROWS. To
 * copy B into panels first takes several times as long as the product itself when A has
 * few rows. Here B is read once, where it lies: every
 * element of C is a dot product of two rows, BLOCK × BLOCK of them at a time in
 * registers.
 *
 * An element is summed in the same order whatever m is and wherever its row stands: what
 * is computed beside a text does not change its numbers. */
#include "model/nn/gemm.h"

#include <string.h>

#include "base/simd.h"

enum { LANES = 16, BLOCK = 4 };
typedef float lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));

/* By pointer, since a vector this wide has no agreed way to be passed on all processors.
 */
static inline __attribute__((always_inline)) void load(lanes *to, const float *from)
{
    *to = *(const lanes *)(const void *)from;
}

/* The last floats of a row, filled up with zeros. */
static inline __attribute__((always_inline)) void load_rest(lanes *to, const float *from,
                                                            size_t count)
{
    float rest[LANES] = {0};
    memcpy(rest, from, count * sizeof *rest);
    load(to, rest);
}

/* Halves the distance to the sums of a's and b's lanes: the result's lanes hold sums of
 * neighbours, those of a and of b in turn. */
#if defined(__clang__)
#define PICK(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define PICK(a, b, ...) __builtin_shuffle(a, b, (picks){__VA_ARGS__})
typedef int picks __attribute__((vector_size(LANES * sizeof(int))));
#endif
static inline __attribute__((always_inline)) void fold(lanes *to, const lanes *a,
                                                       const lanes *b)
{
    lanes even = PICK(*a, *b, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30);
    lanes odd = PICK(*a, *b, 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31);
    *to = even + odd;
}

/* The sums of the lanes of each of BLOCK vectors. */
static inline __attribute__((always_inline)) void sum_lanes(const lanes sums[BLOCK],
                                                            float dots[BLOCK])
{
    lanes low, high, all;
    fold(&low, &sums[0], &sums[1]);
    fold(&high, &sums[2], &sums[3]);
    lanes left =
        PICK(low, high, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
    lanes right =
        PICK(low, high, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
    all = left + right;
    all += PICK(all, all, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
    all += PICK(all, all, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
    memcpy(dots, &all, BLOCK * sizeof *dots);
}

struct block {
    const float *a, *b; /* the first rows */
    size_t k, lda, ldb;
};

/* One step of the dot products of `rows` rows of A with BLOCK rows of B. */
#define STEP(load_to)                                                                    \
    SIMD_UNROLL                                                                          \
    for (size_t j = 0; j < BLOCK; j++)                                                   \
        load_to(&b[j], block->b + j * block->ldb);                                       \
    SIMD_UNROLL                                                                          \
    for (size_t i = 0; i < rows; i++) {                                                  \
        load_to(&a, block->a + i * block->lda);                                          \
        SIMD_UNROLL                                                                      \
        for (size_t j = 0; j < BLOCK; j++)                                               \
            sums[i][j] += a * b[j];                                                      \
    }

/* `rows` is a constant, so that the sums stay in registers. */
static inline __attribute__((always_inline)) void
multiply(const struct block *block, size_t rows, float dots[BLOCK][BLOCK])
{
    lanes sums[BLOCK][BLOCK] = {0};
    lanes a, b[BLOCK];
    size_t p = 0;
#define LOAD_WHOLE(to, from) load(to, (from) + p)
#define LOAD_REST(to, from) load_rest(to, (from) + p, block->k - p)
    for (; p + LANES <= block->k; p += LANES) {
        STEP(LOAD_WHOLE)
    }
    if (p < block->k) {
        STEP(LOAD_REST)
    }
    SIMD_UNROLL
    for (size_t i = 0; i < rows; i++)
        sum_lanes(sums[i], dots[i]);
}

static inline __attribute__((always_inline)) void
multiply_rows(const struct block *block, size_t rows, float dots[BLOCK][BLOCK])
{
    if (rows == 4)
        multiply(block, 4, dots);
    else if (rows == 3)
        multiply(block, 3, dots);
    else if (rows == 2)
        multiply(block, 2, dots);
    else
        multiply(block, 1, dots);
}

struct product {
    enum gemm_store store;
    struct block block;
    size_t m;
    float *c;
    size_t ldc;
};

/* Columns first … first + count - 1 of C, of which there are BLOCK or, with rows of B
 * that are the same one (ldb 0), one. */
static inline __attribute__((always_inline)) void
multiply_columns(const struct product *product, size_t first, size_t count)
{
    float dots[BLOCK][BLOCK];
    for (size_t row = 0; row < product->m; row += BLOCK) {
        size_t rows = product->m - row < BLOCK ? product->m - row : BLOCK;
        struct block block = product->block;
        block.a += row * block.lda;
        block.b += first * block.ldb;
        multiply_rows(&block, rows, dots);
        for (size_t i = 0; i < rows; i++) {
            float *to = product->c + (row + i) * product->ldc + first;
            for (size_t j = 0; j < count; j++)
                to[j] = product->store == GEMM_ADD ? to[j] + dots[i][j] : dots[i][j];
        }
    }
}

SIMD_CLONES
static void multiply_all(const struct product *product, size_t n)
{
    size_t first = 0;
    for (; first + BLOCK <= n; first += BLOCK)
        multiply_columns(product, first, BLOCK);
    for (; first < n; first++) {
        struct product one = *product;
        one.block.b += first * one.block.ldb;
        one.block.ldb = 0;
        one.c += first;
        multiply_columns(&one, 0, 1);
    }
}

void gemm_few_nt(enum gemm_store store, size_t m, size_t n, size_t k, const float *a,
                 size_t lda, const float *b, size_t ldb, float *c, size_t ldc)
{
    struct product product = {store, {a, b, k, lda, ldb}, m, c, ldc};
    multiply_all(&product, n);
}

/* SPDX-License-Identifier: MIT */
/* The three products a layer needs. Where the left factor has a few rows they run through
 * our own kernels; below that packing costs more than it saves: gemm_few_nt or
 * cblas_sgemm does it. The product is cut as the caches ask for it (Goto and van de Geijn
 * 2008): a run of k and a group of the right factor's columns are packed into panels that
 * the second level holds; against them goes a block of rows after the other, which the
 * first level holds while it meets the group's panels. Buffers lie on the stack.
 * Dimensions in here are sizes of layers and batches, checked against NN_DIMENSION_MAX
 * where they enter, so they fit the library's int. */
#include "model/nn/gemm.h"

#include <cblas.h>
#include <stdbool.h>
#include <string.h>

#include "model/nn/panel.h"

/* RUN: the longest piece of k packed at a time, GROUP panels wide. BLOCK_ROWS rows of the
 * left factor at a time, LEFT_BLOCKS such blocks packed at once where they must be.
 * KEPT_MIN: rows, of all products together, from which on a shared factor is packed. */
enum { FEW_MIN = 2, ROWS_MIN = 6, KEPT_MIN = 12 };
enum { RUN = 512, GROUP = 8, BLOCK_ROWS = 14, LEFT_BLOCKS = 4 };

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

/* One run of k: what every piece of the product shares. */
struct run {
    size_t m, n;
    struct panel_left left; /* from the run's first element */
    struct right right;
    float *c;
    size_t ldc;
    enum gemm_store store;
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void pack_right(const struct run *run, size_t column, size_t width, float *panels)
{
    const float *at =
        run->right.at + column * (run->right.transposed ? run->right.stride : 1);
    if (run->right.transposed)
        panel_pack_transposed(run->left.run, width, at, run->right.stride, panels);
    else
        panel_pack(run->left.run, width, at, run->right.stride, panels);
}

/* Columns of a row-major matrix from `first` on, BLOCK_ROWS a block, each
 * [run][BLOCK_ROWS]: where they lie, every step would be a cache line of its own, a row
 * from the last. */
static void pack_left(const struct panel_left *left, size_t first, size_t rows,
                      float *blocks)
{
    const float *at = left->at + first * left->row;
    for (size_t p = 0; p < left->run; p++, at += left->step) {
        float *to = blocks + p * BLOCK_ROWS;
        size_t i = 0;
        for (; i + BLOCK_ROWS <= rows; i += BLOCK_ROWS, to += left->run * BLOCK_ROWS)
            memcpy(to, at + i, BLOCK_ROWS * sizeof *to);
        memcpy(to, at + i, (rows - i) * sizeof *to);
    }
}

/* Neighbouring columns of the right factor. */
struct group {
    size_t column, width;
    const float *panels;
};

static void multiply_block(const struct run *run, const struct group *group, size_t first,
                           size_t rows, struct panel_left left)
{
    struct panel_product product = {.m = rows,
                                    .n = group->width,
                                    .k = left.run,
                                    .left = left,
                                    .panels = group->panels,
                                    .c = run->c + first * run->ldc + group->column,
                                    .stride = run->ldc,
                                    .store = run->store};
    panel_multiply(&product);
}

/* Blocks are of nearly equal height. */
static void multiply_rows(const struct run *run, const struct group *group)
{
    size_t blocks = (run->m + BLOCK_ROWS - 1) / BLOCK_ROWS;
    for (size_t i = 0; i < blocks; i++) {
        size_t first = run->m * i / blocks;
        struct panel_left left = run->left;
        left.at += first * left.row;
        multiply_block(run, group, first, run->m * (i + 1) / blocks - first, left);
    }
}

static void multiply_packed(const struct run *run, const struct group *group)
{
    float blocks[LEFT_BLOCKS * BLOCK_ROWS * RUN] __attribute__((aligned(64)));
    for (size_t i = 0; i < run->m; i += BLOCK_ROWS) {
        size_t at = i % (LEFT_BLOCKS * BLOCK_ROWS);
        if (at == 0)
            pack_left(&run->left, i, least(run->m - i, LEFT_BLOCKS * BLOCK_ROWS), blocks);
        struct panel_left left = {.at = blocks + at * run->left.run,
                                  .row = 1,
                                  .step = BLOCK_ROWS,
                                  .run = run->left.run};
        multiply_block(run, group, i, least(run->m - i, BLOCK_ROWS), left);
    }
}

static void multiply_run(const struct run *run)
{
    float panels[GROUP * PANEL_WIDTH * RUN] __attribute__((aligned(64)));
    for (size_t j = 0; j < run->n; j += GROUP * PANEL_WIDTH) {
        struct group group = {j, least(run->n - j, GROUP * PANEL_WIDTH), panels};
        pack_right(run, j, group.width, panels);
        if (run->left.step == 1)
            multiply_rows(run, &group);
        else
            multiply_packed(run, &group);
    }
}

static bool by_panels(enum gemm_store store, size_t m, size_t n, size_t k,
                      struct panel_left left, struct right right, float *c, size_t ldc)
{
    if (m < ROWS_MIN || k == 0)
        return false;
    size_t runs = (k + RUN - 1) / RUN;
    for (size_t i = 0; i < runs; i++) {
        size_t p = k * i / runs;
        struct run run = {m, n, left, right, c, ldc, i == 0 ? store : GEMM_ADD};
        run.left.run = k * (i + 1) / runs - p;
        run.left.at += p * left.step;
        run.right.at += p * (right.transposed ? 1 : right.stride);
        multiply_run(&run);
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

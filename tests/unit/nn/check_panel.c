/* SPDX-License-Identifier: MIT */
/* Products with panels, under every instruction set this processor has, and the three
 * products of a layer built on them, against sums in double. */
#include "model/nn/panel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/nn/gemm.h"
#include "model/nn/panel_sets.h"
#include "tests/support/unit.h"
#include "tests/unit/nn/gradient.h"

static float *noise(size_t count, uint64_t seed)
{
    struct random random;
    random_seed(&random, seed, 0);
    float *block = memory_new_aligned(count + 1, sizeof *block);
    ck_assert_ptr_nonnull(block);
    gradient_fill(&random, count, 1, block);
    return block;
}

/* The product as panel.h defines it, B as [k][n]. */
static double element(const struct panel_product *product, const float *b, size_t i,
                      size_t j, float before)
{
    const struct panel_left *left = &product->left;
    double sum = 0;
    for (size_t p = 0; p < product->k; p++)
        sum += (double)left->at[i * left->row + p / left->run * left->jump +
                                p % left->run * left->step] *
               (double)b[p * product->n + j];
    if (product->column_scale)
        sum *= (double)product->column_scale[j];
    if (product->row_start)
        sum += (double)product->row_start[i];
    return product->store == GEMM_ADD ? sum + (double)before : sum;
}

static void compare(const struct panel_set *set, struct panel_product product)
{
    size_t cells = product.m * product.stride;
    float *b = noise(product.k * product.n, 2), *before = noise(cells, 3);
    float *c = noise(cells, 3), *panels = noise(panel_size(product.k, product.n), 4);
    panel_pack(product.k, product.n, b, product.n, panels);
    product.panels = panels;
    product.c = c;
    set->multiply(&product);
    for (size_t i = 0; i < product.m; i++)
        for (size_t j = 0; j < product.stride; j++) {
            size_t at = i * product.stride + j;
            if (j >= product.n) /* what lies between the rows stays */
                ck_assert(memcmp(c + at, before + at, sizeof *c) == 0);
            else
                ck_assert_double_eq_tol((double)c[at],
                                        element(&product, b, i, j, before[at]), 1e-4);
        }
    free(b);
    free(before);
    free(c);
    free(panels);
}

static const struct panel_set *set_number(int number)
{
    return panel_set_of((enum simd_level)number);
}

START_TEST(sets_agree_with_the_definition)
{
    const struct panel_set *set = set_number(_i);
    float *a = noise(40 * 40, 1), *more = noise(80, 5);
    for (size_t m = 1; set && m <= 31; m++)
        for (size_t n = 1; n <= 66; n += n % 8 == 1 ? 6 : 1) {
            size_t k = 1 + (m + n) % 9;
            struct panel_product product = {.m = m,
                                            .n = n,
                                            .k = k,
                                            .left = panel_rows(a, 40, k),
                                            .stride = n + m % 3,
                                            .store = n % 2 ? GEMM_ADD : GEMM_SET};
            product.row_start = m % 2 ? more : NULL;
            product.column_scale = n % 3 ? more + 5 : NULL;
            compare(set, product);
        }
    free(a);
    free(more);
}
END_TEST

START_TEST(left_factor_may_lie_anyhow)
{
    const struct panel_set *set = set_number(_i);
    float *a = noise(4000, 1);
    struct panel_product product = {.m = 17, .n = 45, .k = 30, .stride = 45};
    product.left = (struct panel_left){.at = a, .row = 1, .step = 18, .run = 30};
    if (set)
        compare(set, product);
    product.left =
        (struct panel_left){.at = a, .row = 10, .step = 1, .run = 10, .jump = 200};
    if (set)
        compare(set, product);
    free(a);
}
END_TEST

START_TEST(transposing_and_packing_agree)
{
    enum { K = 37, N = 75 };
    const struct panel_set *set = set_number(_i);
    float *b = noise(K * N, 1), turned[32] = {0};
    for (size_t width = 1; set && width <= PANEL_WIDTH; width++) {
        float *panel = noise(K * PANEL_WIDTH, 2);
        set->transpose(K, width, b, K, panel);
        for (size_t p = 0; p < K; p++)
            for (size_t j = 0; j < width; j++)
                ck_assert(memcmp(panel + p * PANEL_WIDTH + j, b + j * K + p, sizeof *b) ==
                          0);
        free(panel);
    }
    float *other = noise(K * N, 1), *left = noise(panel_size(K, N), 7),
          *right = noise(panel_size(K, N), 8);
    for (size_t p = 0; p < K; p++)
        for (size_t j = 0; j < N; j++)
            other[p * N + j] = b[j * K + p];
    panel_pack(K, N, other, N, left);
    panel_pack_transposed(K, N, b, K, right);
    ck_assert(memcmp(left, right, panel_size(K, N) * sizeof *left) == 0);
    ck_assert(memcmp(left + panel_size(K, N) - 20, turned, 20 * sizeof *turned) == 0);
    free(b);
    free(other);
    free(left);
    free(right);
}
END_TEST

/* All three products with A [m][k] and B [k][n] given each as the product wants it. */
static void check_products(size_t m, size_t n, size_t k)
{
    float *a = noise(m * k, 1), *at = noise(m * k, 1), *b = noise(k * n, 2),
          *bt = noise(k * n, 2), *nn = noise(m * n, 3), *nt = noise(m * n, 3),
          *tn = noise(m * n, 3), *before = noise(m * n, 3);
    for (size_t p = 0; p < k; p++) {
        for (size_t i = 0; i < m; i++)
            at[p * m + i] = a[i * k + p];
        for (size_t j = 0; j < n; j++)
            bt[j * k + p] = b[p * n + j];
    }
    gemm_nn(GEMM_SET, m, n, k, a, k, b, n, nn, n);
    gemm_nt(GEMM_ADD, m, n, k, a, k, bt, k, nt, n);
    gemm_tn(GEMM_ADD, m, n, k, at, m, b, n, tn, n);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = 0, start = (double)before[i * n + j];
            for (size_t p = 0; p < k; p++)
                sum += (double)a[i * k + p] * (double)b[p * n + j];
            ck_assert_double_eq_tol((double)nn[i * n + j], sum, 1e-3);
            ck_assert_double_eq_tol((double)nt[i * n + j], sum + start, 1e-3);
            ck_assert_double_eq_tol((double)tn[i * n + j], sum + start, 1e-3);
        }
    float *all[] = {a, at, b, bt, nn, nt, tn, before};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

START_TEST(products_of_a_layer)
{
    check_products(1, 40, 9);
    check_products(5, 33, 16);
    check_products(6, 33, 16);
    check_products(29, 70, 1100);
    check_products(7, 1, 513);
    check_products(61, 290, 530);
}
END_TEST

UNIT_SUITE(nn_panel)
{
    tcase_add_loop_test(unit, sets_agree_with_the_definition, 0, SIMD_AVX512 + 1);
    tcase_add_loop_test(unit, left_factor_may_lie_anyhow, 0, SIMD_AVX512 + 1);
    tcase_add_loop_test(unit, transposing_and_packing_agree, 0, SIMD_AVX512 + 1);
    tcase_add_test(unit, products_of_a_layer);
}

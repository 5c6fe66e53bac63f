/* SPDX-License-Identifier: MIT */
/* Packing, and the choice of kernels. */
#include "model/nn/panel.h"

#include <string.h>

#include "model/nn/panel_sets.h"

size_t panel_size(size_t k, size_t n)
{
    return (n + PANEL_WIDTH - 1) / PANEL_WIDTH * PANEL_WIDTH * k;
}

/* Copies of a size that the compiler knows. */
static void pack_full(size_t k, const float *from, size_t stride, float *panel)
{
    for (size_t p = 0; p < k; p++, from += stride, panel += PANEL_WIDTH)
        memcpy(panel, from, PANEL_WIDTH * sizeof *panel);
}

static void pack_edge(size_t k, size_t width, const float *from, size_t stride,
                      float *panel)
{
    for (size_t p = 0; p < k; p++, from += stride, panel += PANEL_WIDTH) {
        memcpy(panel, from, width * sizeof *panel);
        memset(panel + width, 0, (PANEL_WIDTH - width) * sizeof *panel);
    }
}

void panel_pack(size_t k, size_t n, const float *b, size_t stride, float *panels)
{
    for (size_t first = 0; first < n; first += PANEL_WIDTH, panels += k * PANEL_WIDTH)
        if (n - first < PANEL_WIDTH)
            pack_edge(k, n - first, b + first, stride, panels);
        else
            pack_full(k, b + first, stride, panels);
}

void panel_pack_transposed(size_t k, size_t n, const float *b, size_t stride,
                           float *panels)
{
    const struct panel_set *set = panel_set_of(simd_level());
    for (size_t first = 0; first < n; first += PANEL_WIDTH, panels += k * PANEL_WIDTH) {
        size_t width = n - first < PANEL_WIDTH ? n - first : PANEL_WIDTH;
        if (width < PANEL_WIDTH)
            memset(panels, 0, k * PANEL_WIDTH * sizeof *panels);
        set->transpose(k, width, b + first * stride, stride, panels);
    }
}

const struct panel_set *panel_set_of(enum simd_level level)
{
    if (level > simd_level())
        return NULL;
#if SIMD_X86
    if (level == SIMD_AVX512)
        return &panel_avx512;
    if (level == SIMD_AVX2)
        return &panel_avx2;
#endif
    return &panel_plain;
}

void panel_multiply(const struct panel_product *product)
{
    const struct panel_set *set = panel_set_of(simd_level());
    if (product->m > 0 && product->n > 0)
        set->multiply(product);
}

struct panel_left panel_rows(const float *a, size_t stride, size_t k)
{
    return (struct panel_left){.at = a, .row = stride, .step = 1, .run = k};
}

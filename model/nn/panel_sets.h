/* SPDX-License-Identifier: MIT */
/* The instruction sets that panel_kernels.inc is compiled for. */
#ifndef FIRTH_MODEL_NN_PANEL_SETS_H
#define FIRTH_MODEL_NN_PANEL_SETS_H

#include "base/simd.h"
#include "model/nn/panel.h"

struct panel_set {
    const char *name;
    void (*multiply)(const struct panel_product *product);
    /* to[k][PANEL_WIDTH], its first `width` columns, from [width][k]. */
    void (*transpose)(size_t k, size_t width, const float *from, size_t stride,
                      float *to);
};

extern const struct panel_set panel_plain;
#if SIMD_X86
extern const struct panel_set panel_avx2, panel_avx512;
#endif

/* The set of a level; NULL where this processor lacks it. */
const struct panel_set *panel_set_of(enum simd_level level);

#endif

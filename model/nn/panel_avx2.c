/* SPDX-License-Identifier: MIT */
/* The panel kernels for AVX2. */
#include "model/nn/panel_sets.h"

#if SIMD_X86
SIMD_BEGIN_AVX2
#define LANES 8
#define BLOCK 3
#define PANEL_BLOCKS(F) F(1) F(2) F(3)
#define PANEL_SET panel_avx2
#define PANEL_SET_NAME "avx2"
#include "model/nn/panel_kernels.inc"
SIMD_END
#endif

/* SPDX-License-Identifier: MIT */
/* The panel kernels for AVX-512. */
#include "model/nn/panel_sets.h"

#if SIMD_X86
SIMD_BEGIN_AVX512
#define LANES 16
#define BLOCK 14
#define PANEL_BLOCKS(F)                                                                  \
    F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11) F(12) F(13) F(14)
#define PANEL_SET panel_avx512
#define PANEL_SET_NAME "avx512"
#include "model/nn/panel_kernels.inc"
SIMD_END
#endif

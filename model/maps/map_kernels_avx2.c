/* SPDX-License-Identifier: MIT */
/* The kernels for AVX2 with fused multiply-add. */
#include <stdint.h>

#include "model/maps/map_kernels_sets.h"

#if SIMD_X86
SIMD_BEGIN_AVX2
#define KERNELS_LANES 8
#define KERNELS_SET map_kernels_avx2
#define KERNELS_NAME "avx2"
#include "model/maps/map_kernels_body.inc"
SIMD_END
#endif

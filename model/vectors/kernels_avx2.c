/* SPDX-License-Identifier: MIT */
/* The kernels for AVX2 with fused multiply-add. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "model/vectors/kernels_sets.h"

#if SIMD_X86
SIMD_BEGIN_AVX2
#define KERNELS_LANES 8
#define KERNELS_SET kernels_avx2
#define KERNELS_NAME "avx2"
#include "model/vectors/kernels_body.inc"
SIMD_END
#endif

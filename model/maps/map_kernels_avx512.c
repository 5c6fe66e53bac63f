/* SPDX-License-Identifier: MIT */
/* The kernels for AVX-512. */
#include <stdint.h>

#include "model/maps/map_kernels_sets.h"

#if SIMD_X86
SIMD_BEGIN_AVX512
#define KERNELS_LANES 16
#define KERNELS_SET map_kernels_avx512
#define KERNELS_NAME "avx512"
#include "model/maps/map_kernels_body.inc"
SIMD_END
#endif

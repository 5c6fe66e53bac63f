/* SPDX-License-Identifier: MIT */
/* Picks the kernels for the processor at hand; see model/vectors/kernels.c, which does
 * the same for the kernels of word vectors. */
#include "model/maps/map_kernels.h"

#include "model/maps/map_kernels_sets.h"

const struct map_kernels *map_kernels_of_level(enum simd_level level)
{
    if (level > simd_level())
        return NULL;
#if SIMD_X86
    if (level == SIMD_AVX512)
        return &map_kernels_avx512;
    if (level == SIMD_AVX2)
        return &map_kernels_avx2;
#endif
    return &map_kernels_plain;
}

const struct map_kernels *map_kernels_best(void)
{
    return map_kernels_of_level(simd_level());
}

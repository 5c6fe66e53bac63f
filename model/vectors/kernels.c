/* SPDX-License-Identifier: MIT */
/* Picks the kernels for the processor at hand. The same source, kernels_body.inc, is
 * compiled for each set with its own number of lanes; results differ in the last bits
 * between sets, never between runs on one. */
#include "model/vectors/kernels.h"

#include "model/vectors/kernels_sets.h"

const struct kernels *kernels_of_level(enum simd_level level)
{
    if (level > simd_level())
        return NULL;
#if SIMD_X86
    if (level == SIMD_AVX512)
        return &kernels_avx512;
    if (level == SIMD_AVX2)
        return &kernels_avx2;
#endif
    return &kernels_plain;
}

const struct kernels *kernels_best(void)
{
    return kernels_of_level(simd_level());
}

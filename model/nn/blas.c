/* SPDX-License-Identifier: MIT */
/* OpenBLAS picks its kernels by the processor's model number. A processor newer than the
 * library falls back to the kernels of 2004 (SSE3): measured with 0.3.21 on a Xeon of
 * 2023, 30 instead of 112 GFLOP/s on one thread. What the processor can do is asked of
 * the processor itself instead. */
#include "model/nn/blas.h"

#include <cblas.h>
#include <stddef.h>
#include <string.h>

#include "base/simd.h"

const char *blas_core(void)
{
    return openblas_get_corename();
}

const char *blas_core_override(void)
{
    static const char *const wide[] = {"Haswell", "Zen", "SkylakeX", "Cooperlake",
                                       "SapphireRapids"};
    const char *chosen = blas_core();
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
        if (strcmp(chosen, wide[i]) == 0)
            return NULL;
    switch (simd_level()) {
    case SIMD_AVX512:
        return "SkylakeX";
    case SIMD_AVX2:
        return "Haswell";
    default:
        return NULL;
    }
}

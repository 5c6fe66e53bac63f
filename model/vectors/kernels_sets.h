/* SPDX-License-Identifier: MIT */
/* The compiled sets of kernels; private to kernels*.c. */
#ifndef FIRTH_MODEL_VECTORS_KERNELS_SETS_H
#define FIRTH_MODEL_VECTORS_KERNELS_SETS_H

#include "model/vectors/kernels.h"

extern const struct kernels kernels_plain;
#if SIMD_X86
extern const struct kernels kernels_avx2, kernels_avx512;
#endif

#endif

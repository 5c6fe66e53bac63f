/* SPDX-License-Identifier: MIT */
/* The compiled sets of kernels; private to map_kernels*.c. */
#ifndef FIRTH_MODEL_MAPS_MAP_KERNELS_SETS_H
#define FIRTH_MODEL_MAPS_MAP_KERNELS_SETS_H

#include "model/maps/map_kernels.h"

extern const struct map_kernels map_kernels_plain;
#if SIMD_X86
extern const struct map_kernels map_kernels_avx2, map_kernels_avx512;
#endif

#endif

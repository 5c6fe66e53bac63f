/* SPDX-License-Identifier: MIT */
/* The kernels with vectors of four floats: SSE2, NEON, or plain code. */
#include <stdint.h>

#include "model/maps/map_kernels_sets.h"

#define KERNELS_LANES 4
#define KERNELS_SET map_kernels_plain
#define KERNELS_NAME "plain"
#include "model/maps/map_kernels_body.inc"

/* SPDX-License-Identifier: MIT */
/* The kernels with vectors of four floats: SSE2, NEON, or plain code. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "model/vectors/kernels_sets.h"

#define KERNELS_LANES 4
#define KERNELS_SET kernels_plain
#define KERNELS_NAME "plain"
#include "model/vectors/kernels_body.inc"

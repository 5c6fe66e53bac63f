/* SPDX-License-Identifier: MIT */
/* The panel kernels for any processor. */
#include "model/nn/panel_sets.h"

#define LANES 4
#define BLOCK 4
#define PANEL_BLOCKS(F) F(1) F(2) F(3) F(4)
#define PANEL_SET panel_plain
#define PANEL_SET_NAME "plain"
#include "model/nn/panel_kernels.inc"

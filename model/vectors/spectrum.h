/* SPDX-License-Identifier: MIT */
/* Evening out how much the directions of a set of vectors weigh. */
#ifndef FIRTH_MODEL_VECTORS_SPECTRUM_H
#define FIRTH_MODEL_VECTORS_SPECTRUM_H

#include <stddef.h>

#include "base/err.h"

/* Solving for more directions than these would take minutes. */
#define SPECTRUM_DIM_MAX 2048u

/* Raises the singular values of rows[count][stride], of `dim` numbers each, to `power`:
 * with rows = U S Vᵀ they become c U S^power Vᵀ, where c keeps the sum of all squared
 * numbers. A power of 1 and more than SPECTRUM_DIM_MAX numbers leave all as it is. */
MUST_CHECK enum err spectrum_raise(float *rows, size_t count, size_t dim, size_t stride,
                                   double power);

#endif

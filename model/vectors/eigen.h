/* SPDX-License-Identifier: MIT */
/* Small dense linear algebra in double precision: what the factorisations need once. */
#ifndef FIRTH_MODEL_VECTORS_EIGEN_H
#define FIRTH_MODEL_VECTORS_EIGEN_H

#include <stddef.h>

#include "base/err.h"

/* Eigenvalues, falling, and eigenvectors of a symmetric matrix [size][size]: row i of
 * `matrix` becomes the unit eigenvector of values[i], its largest number positive.
 * ERR_INVALID when the iteration does not settle (numbers that are not finite). */
MUST_CHECK enum err eigen_symmetric(double *matrix, size_t size, double *values);

/* gram[columns][columns] = YᵀY of rows[count][stride], `columns` ≤ stride of them,
 * summed in double precision. */
MUST_CHECK enum err eigen_gram(const float *rows, size_t count, size_t columns,
                               size_t stride, double *gram);

/* rows ← rows · weights for weights[columns][columns] (row-major). */
MUST_CHECK enum err eigen_multiply(float *rows, size_t count, size_t columns,
                                   size_t stride, const double *weights);

/* Makes the columns orthonormal; those that depend on others become zero. */
MUST_CHECK enum err eigen_orthonormalise(float *rows, size_t count, size_t columns,
                                         size_t stride);

#endif

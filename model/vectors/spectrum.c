/* SPDX-License-Identifier: MIT */
/* A factorisation W Cᵀ ≈ M says nothing about how the strength of a direction is shared
 * between W and C: (W A)(C A⁻ᵀ)ᵀ is the same product for any invertible A. With M = U S
 * Vᵀ, W = U S^p is as good as any other, and what p serves likeness best is a matter of
 * trial (Caron 2001; Levy, Goldberg and Dagan 2015 call it eigenvalue weighting). Trained
 * factors end up near p = ½ of the product they stand for, with a few strong directions
 * that say how frequent a word is; a power below 1 applied to the vectors themselves
 * weakens those beside the many others.
 *
 * Only the Gram matrix is decomposed: rowsᵀ rows = V S² Vᵀ, and rows V S^(p−1) Vᵀ is what
 * is wanted. Directions in which there is nothing but rounding are left alone. */
#include "model/vectors/spectrum.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "model/vectors/eigen.h"

static const double nothing = 1e-10; /* of the largest eigenvalue */

/* values[k] = S_k² on the way in, what direction k is to be multiplied with on the way
 * out. */
static void turn_into_factors(double *values, size_t dim, double power)
{
    double before = 0, after = 0, largest = values[0];
    for (size_t k = 0; k < dim; k++) {
        double square = values[k] > 0 ? values[k] : 0;
        double factor =
            square > largest * nothing ? pow(square / largest, (power - 1) / 2) : 1;
        before += square;
        after += square * factor * factor;
        values[k] = factor;
    }
    for (size_t k = 0; k < dim && after > 0; k++)
        values[k] *= sqrt(before / after);
}

/* weights[dim][dim] = Σ values[k] v_k v_kᵀ for the rows v_k of directions. */
static void make_weights(const double *directions, const double *values, size_t dim,
                         double *weights)
{
    for (size_t k = 0; k < dim; k++) {
        const double *direction = directions + k * dim;
        for (size_t i = 0; i < dim; i++) {
            double scaled = values[k] * direction[i];
            for (size_t j = 0; j < dim; j++)
                weights[i * dim + j] += scaled * direction[j];
        }
    }
}

enum err spectrum_raise(float *rows, size_t count, size_t dim, size_t stride,
                        double power)
{
    size_t squared;
    if (power == 1 || dim == 0 || dim > SPECTRUM_DIM_MAX || count == 0)
        return ERR_OK;
    if (!memory_multiply(dim, dim, &squared))
        return ERR_NO_MEMORY;
    double *gram = memory_new_array(squared, sizeof *gram);
    double *weights = memory_new_array(squared, sizeof *weights);
    double *values = memory_new_array(dim, sizeof *values);
    enum err code = gram && weights && values ? ERR_OK : ERR_NO_MEMORY;
    if (!code)
        code = eigen_gram(rows, count, dim, stride, gram);
    if (!code)
        code = eigen_symmetric(gram, dim, values);
    if (!code && values[0] > 0) {
        turn_into_factors(values, dim, power);
        make_weights(gram, values, dim, weights);
        code = eigen_multiply(rows, count, dim, stride, weights);
    }
    free(gram);
    free(weights);
    free(values);
    return code;
}

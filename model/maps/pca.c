/* SPDX-License-Identifier: MIT */
/* The eigenvectors of the covariance matrix; where that would be large, its leading
 * subspace by power iteration with the rows themselves (Halko et al. 2011), which never
 * forms it. */
#include "model/maps/pca.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "model/vectors/eigen.h"
#include "model/vectors/vectors.h"

enum { COVARIANCE_MOST = 1024, EXTRA = 8, ROUNDS = 12 };

struct data {
    const float *rows;
    size_t count, stride;
    uint32_t dim;
    double *mean;    /* [dim] */
    double variance; /* of all directions together, times count */
};

static enum err measure(struct data *data)
{
    data->mean = memory_new_array(data->dim, sizeof *data->mean);
    if (!data->mean)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < data->count; i++)
        for (uint32_t d = 0; d < data->dim; d++)
            data->mean[d] +=
                (double)data->rows[i * data->stride + d] / (double)data->count;
    for (size_t i = 0; i < data->count; i++)
        for (uint32_t d = 0; d < data->dim; d++) {
            double x = (double)data->rows[i * data->stride + d] - data->mean[d];
            data->variance += x * x;
        }
    return ERR_OK;
}

/* out[count][columns] = (rows − mean) · basis[dim][columns]. */
static void project(const struct data *data, const float *basis, size_t columns,
                    size_t basis_stride, float *out, size_t out_stride)
{
    for (size_t i = 0; i < data->count; i++) {
        double sums[EXTRA + 8] = {0};
        for (uint32_t d = 0; d < data->dim; d++) {
            double x = (double)data->rows[i * data->stride + d] - data->mean[d];
            for (size_t k = 0; k < columns; k++)
                sums[k] += x * (double)basis[d * basis_stride + k];
        }
        for (size_t k = 0; k < columns; k++)
            out[i * out_stride + k] = (float)sums[k];
    }
}

/* basis[dim][columns] = (rows − mean)ᵀ · in[count][columns]. */
static enum err project_back(const struct data *data, const float *in, size_t columns,
                             size_t in_stride, float *basis, size_t basis_stride)
{
    double *sums = memory_new_array((size_t)data->dim * columns, sizeof *sums);
    if (!sums)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < data->count; i++)
        for (uint32_t d = 0; d < data->dim; d++) {
            double x = (double)data->rows[i * data->stride + d] - data->mean[d];
            for (size_t k = 0; k < columns; k++)
                sums[d * columns + k] += x * (double)in[i * in_stride + k];
        }
    for (uint32_t d = 0; d < data->dim; d++)
        for (size_t k = 0; k < columns; k++)
            basis[d * basis_stride + k] = (float)sums[d * columns + k];
    free(sums);
    return ERR_OK;
}

/* basis[dim][stride] ← the leading eigenvectors of the whole covariance matrix. */
static enum err solve_covariance(const struct data *data, unsigned dims, float *basis,
                                 size_t basis_stride)
{
    size_t n = data->dim;
    double *matrix = memory_new_array(n * n, sizeof *matrix);
    double *values = memory_new_array(n, sizeof *values);
    enum err code = matrix && values ? ERR_OK : ERR_NO_MEMORY;
    if (!code)
        code = eigen_gram(data->rows, data->count, n, data->stride, matrix);
    if (!code) {
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++)
                matrix[i * n + j] -= (double)data->count * data->mean[i] * data->mean[j];
        code = eigen_symmetric(matrix, n, values);
    }
    for (unsigned k = 0; k < dims && !code; k++)
        for (size_t d = 0; d < n; d++)
            basis[d * basis_stride + k] = (float)matrix[k * n + d];
    free(matrix);
    free(values);
    return code;
}

/* Rotates the columns of the basis so that the projections are uncorrelated. */
static enum err align(float *basis, uint32_t dim, size_t columns, size_t stride,
                      const float *projected, size_t count)
{
    double gram[(EXTRA + 8) * (EXTRA + 8)], values[EXTRA + 8];
    enum err code = eigen_gram(projected, count, columns, stride, gram);
    if (!code)
        code = eigen_symmetric(gram, columns, values);
    for (size_t i = 0; i < columns && !code; i++)
        for (size_t j = 0; j < i; j++) {
            double kept = gram[i * columns + j];
            gram[i * columns + j] = gram[j * columns + i];
            gram[j * columns + i] = kept;
        }
    return code ? code : eigen_multiply(basis, dim, columns, stride, gram);
}

static enum err solve_by_power(const struct data *data, unsigned dims, float *basis,
                               size_t basis_stride)
{
    struct random random;
    size_t columns = dims + EXTRA;
    float *projected = memory_new_aligned(data->count, basis_stride * sizeof *projected);
    if (!projected)
        return ERR_NO_MEMORY;
    random_seed(&random, 1, 0);
    for (uint32_t d = 0; d < data->dim; d++)
        for (size_t k = 0; k < columns; k++)
            basis[d * basis_stride + k] = (float)random_normal(&random);
    enum err code = eigen_orthonormalise(basis, data->dim, columns, basis_stride);
    for (int round = 0; round < ROUNDS && !code; round++) {
        project(data, basis, columns, basis_stride, projected, basis_stride);
        code = project_back(data, projected, columns, basis_stride, basis, basis_stride);
        if (!code)
            code = eigen_orthonormalise(basis, data->dim, columns, basis_stride);
    }
    if (!code) {
        project(data, basis, columns, basis_stride, projected, basis_stride);
        code = align(basis, data->dim, columns, basis_stride, projected, data->count);
    }
    free(projected);
    return code;
}

static void fix_signs(float *basis, uint32_t dim, unsigned dims, size_t stride)
{
    for (unsigned k = 0; k < dims; k++) {
        float largest = 0;
        for (uint32_t d = 0; d < dim; d++)
            if (fabsf(basis[d * stride + k]) > fabsf(largest))
                largest = basis[d * stride + k];
        for (uint32_t d = 0; d < dim && largest < 0; d++)
            basis[d * stride + k] = -basis[d * stride + k];
    }
}

enum err pca_project(const float *rows, size_t count, uint32_t dim, size_t stride,
                     unsigned dims, float *points, double *explained)
{
    struct data data = {.rows = rows, .count = count, .stride = stride, .dim = dim};
    if (dims > dim || dims > 8 || count == 0)
        return ERR_INVALID;
    size_t basis_stride = vectors_stride(dims + EXTRA);
    float *basis = memory_new_aligned(dim, basis_stride * sizeof *basis);
    enum err code = basis ? measure(&data) : ERR_NO_MEMORY;
    if (!code)
        code = dim <= COVARIANCE_MOST ? solve_covariance(&data, dims, basis, basis_stride)
                                      : solve_by_power(&data, dims, basis, basis_stride);
    if (!code) {
        fix_signs(basis, dim, dims, basis_stride);
        project(&data, basis, dims, basis_stride, points, dims);
        for (unsigned k = 0; k < dims; k++) {
            double variance = 0;
            for (size_t i = 0; i < count; i++)
                variance += (double)points[i * dims + k] * (double)points[i * dims + k];
            explained[k] = data.variance > 0 ? variance / data.variance : 0;
        }
    }
    free(basis);
    free(data.mean);
    return code;
}

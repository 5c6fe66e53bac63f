/* SPDX-License-Identifier: MIT */
/* Symmetric eigenproblem by Householder tridiagonalisation and the implicit QL iteration
 * (Wilkinson and Reinsch 1971; O(n³), stable), and orthonormal columns of a tall matrix
 * by Cholesky's factorisation of its Gram matrix, done twice (Yamamoto et al. 2015): the
 * tall part is matrix products only, and the second pass removes what rounding left. */
#include "model/vectors/eigen.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { ROWS = 256, ITERATIONS_MAX = 60 };

/* ---- tridiagonal form ---- */

/* Reflects row `i` of `a` so that only a[i][i-1] is left of its first i numbers; applies
 * the reflection to the leading i × i block. h is half the squared length of the
 * reflection vector, 0 when there was nothing to do. */
static double reflect_row(double *a, size_t n, size_t i, double *side)
{
    double scale = 0, h = 0;
    double *row = a + i * n;
    for (size_t k = 0; k < i; k++)
        scale += fabs(row[k]);
    if (i == 1 || scale == 0) {
        side[i] = row[i - 1];
        return 0;
    }
    for (size_t k = 0; k < i; k++) {
        row[k] /= scale;
        h += row[k] * row[k];
    }
    double f = row[i - 1], g = f >= 0 ? -sqrt(h) : sqrt(h), sum = 0;
    side[i] = scale * g;
    h -= f * g;
    row[i - 1] = f - g;
    for (size_t j = 0; j < i; j++) {
        a[j * n + i] = row[j] / h;
        double product = 0;
        for (size_t k = 0; k <= j; k++)
            product += a[j * n + k] * row[k];
        for (size_t k = j + 1; k < i; k++)
            product += a[k * n + j] * row[k];
        side[j] = product / h;
        sum += side[j] * row[j];
    }
    for (size_t j = 0; j < i; j++) {
        double u = row[j], v = side[j] -= sum / (h + h) * u;
        for (size_t k = 0; k <= j; k++)
            a[j * n + k] -= u * side[k] + v * row[k];
    }
    return h;
}

/* Gathers the reflections into the orthogonal matrix, in place of `a`. */
static void gather_reflections(double *a, size_t n, double *diagonal)
{
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && diagonal[i] != 0)
            for (size_t j = 0; j < i; j++) {
                double product = 0;
                for (size_t k = 0; k < i; k++)
                    product += a[i * n + k] * a[k * n + j];
                for (size_t k = 0; k < i; k++)
                    a[k * n + j] -= product * a[k * n + i];
            }
        diagonal[i] = a[i * n + i];
        a[i * n + i] = 1;
        for (size_t j = 0; j < i; j++)
            a[j * n + i] = a[i * n + j] = 0;
    }
}

static void transpose(double *a, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++) {
            double kept = a[i * n + j];
            a[i * n + j] = a[j * n + i];
            a[j * n + i] = kept;
        }
}

/* ---- implicit QL ---- */

static size_t split_from(const double *diagonal, const double *side, size_t n,
                         size_t from)
{
    size_t m = from;
    for (; m + 1 < n; m++) {
        double size = fabs(diagonal[m]) + fabs(diagonal[m + 1]);
        if (fabs(side[m]) <= 1e-16 * size)
            break;
    }
    return m;
}

/* One QL sweep with a shift over l … m; rows of z are the vectors. */
static void sweep(double *diagonal, double *side, double *z, size_t n, size_t l, size_t m)
{
    double g = (diagonal[l + 1] - diagonal[l]) / (2 * side[l]), r = hypot(g, 1);
    g = diagonal[m] - diagonal[l] + side[l] / (g + (g >= 0 ? r : -r));
    double s = 1, c = 1, p = 0;
    for (size_t i = m; i-- > l;) {
        double f = s * side[i], b = c * side[i];
        side[i + 1] = r = hypot(f, g);
        if (r == 0) {
            diagonal[i + 1] -= p;
            side[m] = 0;
            return;
        }
        s = f / r;
        c = g / r;
        g = diagonal[i + 1] - p;
        r = (diagonal[i] - g) * s + 2 * c * b;
        p = s * r;
        diagonal[i + 1] = g + p;
        g = c * r - b;
        cblas_drot((int)n, z + (i + 1) * n, 1, z + i * n, 1, c, s);
    }
    diagonal[l] -= p;
    side[l] = g;
    side[m] = 0;
}

static enum err iterate(double *diagonal, double *side, double *z, size_t n)
{
    for (size_t i = 1; i < n; i++)
        side[i - 1] = side[i];
    side[n - 1] = 0;
    for (size_t l = 0; l < n; l++) {
        for (int round = 0;; round++) {
            size_t m = split_from(diagonal, side, n, l);
            if (m == l)
                break;
            if (round == ITERATIONS_MAX || !isfinite(diagonal[l]))
                return ERR_INVALID;
            sweep(diagonal, side, z, n, l, m);
        }
    }
    return ERR_OK;
}

static void sort_falling(double *values, double *z, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t best = i;
        for (size_t j = i + 1; j < n; j++)
            if (values[j] > values[best])
                best = j;
        double kept = values[i];
        values[i] = values[best];
        values[best] = kept;
        if (best != i)
            cblas_dswap((int)n, z + i * n, 1, z + best * n, 1);
        size_t largest = cblas_idamax((int)n, z + i * n, 1);
        if (z[i * n + largest] < 0)
            cblas_dscal((int)n, -1, z + i * n, 1);
    }
}

enum err eigen_symmetric(double *matrix, size_t size, double *values)
{
    if (size == 0)
        return ERR_OK;
    double *side = memory_new_array(size, sizeof *side);
    if (!side)
        return ERR_NO_MEMORY;
    for (size_t i = size; i-- > 1;)
        values[i] = reflect_row(matrix, size, i, side);
    values[0] = side[0] = 0;
    gather_reflections(matrix, size, values);
    transpose(matrix, size);
    enum err code = iterate(values, side, matrix, size);
    if (!code)
        sort_falling(values, matrix, size);
    free(side);
    return code;
}

/* ---- tall matrices ---- */

static void widen(const float *rows, size_t count, size_t columns, size_t stride,
                  double *to)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < columns; j++)
            to[i * columns + j] = rows[i * stride + j];
}

enum err eigen_gram(const float *rows, size_t count, size_t columns, size_t stride,
                    double *gram)
{
    double *block = memory_new_array(ROWS * columns, sizeof *block);
    if (!block)
        return ERR_NO_MEMORY;
    memset(gram, 0, columns * columns * sizeof *gram);
    for (size_t first = 0; first < count; first += ROWS) {
        size_t some = count - first < ROWS ? count - first : ROWS;
        widen(rows + first * stride, some, columns, stride, block);
        cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)columns, (int)columns,
                    (int)some, 1, block, (int)columns, block, (int)columns, 1, gram,
                    (int)columns);
    }
    free(block);
    return ERR_OK;
}

enum err eigen_multiply(float *rows, size_t count, size_t columns, size_t stride,
                        const double *weights)
{
    double *block = memory_new_array(ROWS * columns, sizeof *block);
    double *product = memory_new_array(ROWS * columns, sizeof *product);
    enum err code = block && product ? ERR_OK : ERR_NO_MEMORY;
    for (size_t first = 0; first < count && !code; first += ROWS) {
        size_t some = count - first < ROWS ? count - first : ROWS;
        widen(rows + first * stride, some, columns, stride, block);
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)some, (int)columns,
                    (int)columns, 1, block, (int)columns, weights, (int)columns, 0,
                    product, (int)columns);
        for (size_t i = 0; i < some; i++)
            for (size_t j = 0; j < columns; j++)
                rows[(first + i) * stride + j] = (float)product[i * columns + j];
    }
    free(block);
    free(product);
    return code;
}

/* gram = R ᵀR with R upper triangular; gram becomes R⁻¹. A column whose rest is nothing
 * beside what it was is left out: its column of R⁻¹ is zero. */
static void inverse_root(double *gram, size_t n, double *r)
{
    memset(r, 0, n * n * sizeof *r);
    for (size_t j = 0; j < n; j++) {
        double rest = gram[j * n + j];
        for (size_t k = 0; k < j; k++)
            rest -= r[k * n + j] * r[k * n + j];
        if (!(rest > 1e-12 * gram[j * n + j]))
            continue;
        r[j * n + j] = sqrt(rest);
        for (size_t i = j + 1; i < n; i++) {
            double sum = gram[j * n + i];
            for (size_t k = 0; k < j; k++)
                sum -= r[k * n + j] * r[k * n + i];
            r[j * n + i] = sum / r[j * n + j];
        }
    }
    memset(gram, 0, n * n * sizeof *gram);
    for (size_t j = 0; j < n; j++) {
        if (r[j * n + j] == 0)
            continue;
        gram[j * n + j] = 1 / r[j * n + j];
        for (size_t i = j; i-- > 0;) {
            double sum = 0;
            for (size_t k = i + 1; k <= j; k++)
                sum += r[i * n + k] * gram[k * n + j];
            gram[i * n + j] = r[i * n + i] == 0 ? 0 : -sum / r[i * n + i];
        }
    }
}

enum err eigen_orthonormalise(float *rows, size_t count, size_t columns, size_t stride)
{
    double *gram = memory_new_array(columns * columns, sizeof *gram);
    double *root = memory_new_array(columns * columns, sizeof *root);
    enum err code = gram && root ? ERR_OK : ERR_NO_MEMORY;
    for (int pass = 0; pass < 2 && !code; pass++) {
        code = eigen_gram(rows, count, columns, stride, gram);
        if (code)
            break;
        inverse_root(gram, columns, root);
        code = eigen_multiply(rows, count, columns, stride, gram);
    }
    free(gram);
    free(root);
    return code;
}

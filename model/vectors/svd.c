/* SPDX-License-Identifier: MIT */
/* With M symmetric and Ω random with a few columns more than wanted:
 *     Q = orth(M Ω), then `iterations` times twice Q = orth(M Q),
 * after which the columns of Q span M's leading singular directions the better the faster
 * its spectrum falls. In that space M ≈ Q (QᵀM), and with Z = M Q the eigenvectors of ZᵀZ
 * rotate Q into the left singular vectors; its eigenvalues are the squared values.
 * The columns are made orthonormal after each product: otherwise all would turn into the
 * first. */
#include "model/vectors/svd.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "model/vectors/eigen.h"
#include "model/vectors/vectors.h"

struct room {
    size_t rows, columns, stride;
    float *basis, *product; /* [rows][stride] */
    double *gram, *values;  /* [columns][columns], [columns] */
};

static enum err make_room(struct room *room, const struct sparse *sparse,
                          const struct svd_settings *settings)
{
    room->rows = sparse->rows;
    room->columns = (size_t)settings->rank + settings->extra;
    if (room->columns > room->rows)
        room->columns = room->rows;
    room->stride = vectors_stride((uint32_t)room->columns);
    size_t row = room->stride * sizeof(float);
    room->basis = memory_new_aligned(room->rows, row);
    room->product = memory_new_aligned(room->rows, row);
    room->gram = memory_new_array(room->columns * room->columns, sizeof(double));
    room->values = memory_new_array(room->columns, sizeof(double));
    return room->basis && room->product && room->gram && room->values ? ERR_OK
                                                                      : ERR_NO_MEMORY;
}

static void randomise(struct room *room, uint64_t seed)
{
    struct random random;
    random_seed(&random, seed, 0);
    for (size_t i = 0; i < room->rows; i++)
        for (size_t j = 0; j < room->columns; j++)
            room->basis[i * room->stride + j] = (float)random_normal(&random);
}

static uint32_t products(const struct svd_settings *settings)
{
    return 2 * settings->iterations + 2;
}

static struct progress_report report_at(uint32_t step,
                                        const struct svd_settings *settings)
{
    return (struct progress_report){.fraction = (double)step / products(settings),
                                    .step = step,
                                    .steps_total = products(settings),
                                    .phase = "training"};
}

static enum err multiply(struct room *room, const struct sparse *sparse,
                         const struct svd_settings *settings,
                         const struct progress *progress, uint32_t step)
{
    struct progress_report report = report_at(step, settings);
    enum err code = sparse_multiply(sparse, room->basis, room->stride, settings->threads,
                                    progress, &report, room->product);
    float *kept = room->basis;
    room->basis = room->product;
    room->product = kept;
    return code;
}

static enum err find_range(struct room *room, const struct sparse *sparse,
                           const struct svd_settings *settings,
                           const struct progress *progress)
{
    enum err code = ERR_OK;
    for (uint32_t step = 0; step <= 2 * settings->iterations && !code; step++) {
        code = multiply(room, sparse, settings, progress, step);
        if (!code)
            code = eigen_orthonormalise(room->basis, room->rows, room->columns,
                                        room->stride);
    }
    return code;
}

/* Rotates Q (now `product`, for multiply swapped them) by the eigenvectors of ZᵀZ. */
static enum err rotate(struct room *room)
{
    size_t n = room->columns;
    enum err code = eigen_gram(room->basis, room->rows, n, room->stride, room->gram);
    if (!code)
        code = eigen_symmetric(room->gram, n, room->values);
    for (size_t i = 0; i < n && !code; i++)
        for (size_t j = 0; j < i; j++) {
            double kept = room->gram[i * n + j];
            room->gram[i * n + j] = room->gram[j * n + i];
            room->gram[j * n + i] = kept;
        }
    if (!code)
        code = eigen_multiply(room->product, room->rows, n, room->stride, room->gram);
    return code;
}

enum err svd_factor(const struct sparse *sparse, const struct svd_settings *settings,
                    const struct progress *progress, float **vectors, size_t *stride,
                    double *values)
{
    *vectors = NULL;
    struct room room = {0};
    enum err code = make_room(&room, sparse, settings);
    if (!code) {
        randomise(&room, settings->seed);
        code = find_range(&room, sparse, settings, progress);
    }
    if (!code)
        code = multiply(&room, sparse, settings, progress, products(settings) - 1);
    if (!code)
        code = rotate(&room);
    struct progress_report done = report_at(products(settings), settings);
    if (!code && progress_report(progress, &done) == PROGRESS_STOP)
        code = ERR_CANCELLED;
    if (!code) {
        *stride = room.stride;
        *vectors = room.product;
        room.product = NULL;
        for (uint32_t k = 0; k < settings->rank; k++)
            values[k] = k < room.columns ? sqrt(fmax(room.values[k], 0)) : 0;
        for (size_t i = 0; i < room.rows; i++)
            for (size_t j = settings->rank; j < room.stride; j++)
                (*vectors)[i * room.stride + j] = 0;
    }
    free(room.basis);
    free(room.product);
    free(room.gram);
    free(room.values);
    return code;
}

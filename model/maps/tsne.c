/* SPDX-License-Identifier: MIT */
/* The descent. With w_ij = 1/(1 + |y_i − y_j|²) and Z = Σ w the map's affinities are
 * q_ij = w_ij / Z and
 *     ∂KL/∂y_i = 4 Σ_j (p_ij − w_ij/Z) w_ij (y_i − y_j),
 * an attraction over the few p_ij that are not zero and a repulsion from everybody. The
 * repulsion is computed exactly with vector instructions for up to EXACT_MOST points (n²
 * is small then, and no tree is faster), else through a tree (cells.h). Steps follow van
 * der Maaten: a gain for each coordinate that grows while the direction holds, momentum,
 * early exaggeration of the attraction. */
#include "model/maps/tsne.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "base/random.h"
#include "model/maps/cells.h"
#include "model/maps/pca.h"

enum { EXACT_MOST = 8192, ROWS_AT_ONCE = 32, REPORT_EVERY = 8 };
static const double exaggeration = 12, start_scale = 1e-4, gain_least = 0.01;
static const double early_rate = 1.0 / 16; /* a strong attraction overshoots otherwise */
static const uint32_t exaggerated_most = 250;

/* The forces at one set of positions. */
struct field {
    const struct affinity *affinity;
    const struct map_kernels *kernels;
    unsigned dims, threads;
    float theta;
    struct cells *cells; /* NULL: exact */
    size_t count, padded;
    size_t row_most;           /* padded length of the longest row of affinities */
    float *axes[MAP_DIMS_MAX]; /* [padded] */
    float *pull[MAP_DIMS_MAX]; /* [count] Σ p w (y_i − y_j) */
    float *push[MAP_DIMS_MAX]; /* [count] Σ w² (y_i − y_j) */
    double weights[PARALLEL_THREADS_MAX], costs[PARALLEL_THREADS_MAX];
};

/* ---- forces ---- */

static size_t pad(size_t count)
{
    return (count + MAP_KERNELS_WIDTH - 1) / MAP_KERNELS_WIDTH * MAP_KERNELS_WIDTH;
}

static void field_fini(struct field *field)
{
    for (unsigned k = 0; k < MAP_DIMS_MAX; k++) {
        free(field->axes[k]);
        free(field->pull[k]);
        free(field->push[k]);
    }
    cells_free(field->cells);
}

static enum err field_init(struct field *field, const struct affinity *affinity,
                           unsigned dims, double theta, unsigned threads)
{
    *field = (struct field){.affinity = affinity,
                            .kernels = map_kernels_best(),
                            .dims = dims,
                            .threads = threads,
                            .theta = (float)theta,
                            .count = affinity->count,
                            .padded = pad(affinity->count)};
    for (size_t i = 0; i < field->count; i++) {
        size_t length = pad(affinity->starts[i + 1] - affinity->starts[i]);
        field->row_most = length > field->row_most ? length : field->row_most;
    }
    enum err code = ERR_OK;
    if (theta > 0 && field->count > EXACT_MOST)
        code = cells_new(field->count, dims, &field->cells);
    for (unsigned k = 0; k < dims && !code; k++) {
        field->axes[k] = memory_new_aligned(field->padded, sizeof(float));
        field->pull[k] = memory_new_aligned(field->padded, sizeof(float));
        field->push[k] = memory_new_aligned(field->padded, sizeof(float));
        if (!field->axes[k] || !field->pull[k] || !field->push[k])
            code = ERR_NO_MEMORY;
        for (size_t i = field->count; i < field->padded && !code; i++)
            field->axes[k][i] = MAP_KERNELS_FAR;
    }
    if (code)
        field_fini(field);
    return code;
}

/* A thread's room: differences to the neighbours of one point, and their affinities. */
struct room {
    float *differences[MAP_DIMS_MAX], *p;
};

static double attract_point(struct field *field, size_t point, struct room *room)
{
    const struct affinity *affinity = field->affinity;
    size_t first = affinity->starts[point];
    size_t count = affinity->starts[point + 1] - first;
    const uint32_t *columns = affinity->columns + first;
    float pull[MAP_DIMS_MAX] = {0};
    memcpy(room->p, affinity->values + first, count * sizeof *room->p);
    memset(room->p + count, 0, (pad(count) - count) * sizeof *room->p);
    for (unsigned k = 0; k < field->dims; k++) {
        const float *axis = field->axes[k];
        float at = axis[point], *to = room->differences[k];
        for (size_t i = 0; i < count; i++)
            to[i] = at - axis[columns[i]];
    }
    double cost = (double)field->kernels->attract(room->differences, field->dims,
                                                  pad(count), room->p, pull);
    for (unsigned k = 0; k < field->dims; k++)
        field->pull[k][point] = pull[k];
    return cost;
}

static double repel_point(struct field *field, size_t point)
{
    struct map_force force = {0};
    float at[MAP_DIMS_MAX] = {0};
    for (unsigned k = 0; k < field->dims; k++)
        at[k] = field->axes[k][point];
    if (field->cells)
        cells_repel(field->cells, at, field->theta, &force);
    else
        field->kernels->repel((const float *const *)field->axes, field->dims,
                              field->padded, at, &force);
    for (unsigned k = 0; k < field->dims; k++)
        field->push[k][point] = force.push[k];
    return (double)force.weight - 1; /* itself */
}

static enum err part_of_forces(void *context, unsigned index, unsigned count)
{
    struct field *field = context;
    struct room room = {0};
    enum err code = ERR_OK;
    room.p = memory_new_aligned(field->row_most, sizeof *room.p);
    for (unsigned k = 0; k < field->dims; k++) {
        room.differences[k] = memory_new_aligned(field->row_most, sizeof *room.p);
        code = room.differences[k] ? code : ERR_NO_MEMORY;
    }
    code = room.p ? code : ERR_NO_MEMORY;
    double weight = 0, cost = 0;
    for (size_t first = index * ROWS_AT_ONCE; first < field->count && !code;
         first += (size_t)count * ROWS_AT_ONCE)
        for (size_t i = first; i < first + ROWS_AT_ONCE && i < field->count; i++) {
            cost += attract_point(field, i, &room);
            weight += repel_point(field, i);
        }
    field->weights[index] = weight;
    field->costs[index] = cost;
    for (unsigned k = 0; k < field->dims; k++)
        free(room.differences[k]);
    free(room.p);
    return code;
}

/* Fills pull and push; *total = Z, *kl the divergence. */
static enum err field_measure(struct field *field, double *total, double *kl)
{
    enum err code = ERR_OK;
    if (field->cells)
        code = cells_build(field->cells, (const float *const *)field->axes);
    if (!code)
        code = parallel_run(field->threads, part_of_forces, field);
    double cost = 0;
    *total = 0;
    for (unsigned t = 0; t < field->threads; t++) {
        *total += field->weights[t];
        cost += field->costs[t];
    }
    *total = fmax(*total, 1e-30);
    *kl = field->affinity->entropy + cost + log(*total);
    return code;
}

enum err tsne_gradient(const struct affinity *affinity, const float *points,
                       unsigned dims, double theta, unsigned threads, float *gradient,
                       double *kl)
{
    struct field field;
    double total;
    enum err code = field_init(&field, affinity, dims, theta, threads);
    if (code)
        return code;
    for (size_t i = 0; i < field.count; i++)
        for (unsigned k = 0; k < dims; k++)
            field.axes[k][i] = points[i * dims + k];
    code = field_measure(&field, &total, kl);
    for (size_t i = 0; i < field.count && !code; i++)
        for (unsigned k = 0; k < dims; k++)
            gradient[i * dims + k] = (float)(4 * ((double)field.pull[k][i] -
                                                  (double)field.push[k][i] / total));
    field_fini(&field);
    return code;
}

/* ---- the descent ---- */

struct descent {
    const struct tsne_settings *settings;
    struct field field;
    float *velocity[MAP_DIMS_MAX], *gains[MAP_DIMS_MAX]; /* [count] */
    double rate;
    uint32_t exaggerated; /* steps at the beginning */
};

struct tsne_settings tsne_defaults(void)
{
    return (struct tsne_settings){.dims = 2,
                                  .perplexity = 30,
                                  .iterations = 1000,
                                  .theta = 0.5,
                                  .seed = 1,
                                  .threads = parallel_cores()};
}

/* Gains and velocities learned under exaggeration are of another landscape. */
static void rest(struct descent *descent)
{
    for (unsigned k = 0; k < descent->field.dims; k++)
        for (size_t i = 0; i < descent->field.count; i++) {
            descent->gains[k][i] = 1;
            descent->velocity[k][i] = 0;
        }
}

static void step(struct descent *descent, uint32_t iteration, double total)
{
    struct field *field = &descent->field;
    bool early = iteration < descent->exaggerated;
    float attraction = early ? (float)exaggeration : 1, momentum = early ? 0.5f : 0.8f;
    float repulsion = (float)(1 / total);
    float rate = (float)(early ? descent->rate * early_rate : descent->rate);
    if (iteration == descent->exaggerated)
        rest(descent);
    for (unsigned k = 0; k < field->dims; k++) {
        float *at = field->axes[k], *velocity = descent->velocity[k];
        float *gains = descent->gains[k];
        double mean = 0;
        for (size_t i = 0; i < field->count; i++) {
            float slope =
                4 * (attraction * field->pull[k][i] - repulsion * field->push[k][i]);
            gains[i] = slope * velocity[i] < 0 ? gains[i] + 0.2f : gains[i] * 0.8f;
            gains[i] = fmaxf(gains[i], (float)gain_least);
            velocity[i] = momentum * velocity[i] - rate * gains[i] * slope;
            at[i] += velocity[i];
            mean += (double)at[i] / (double)field->count;
        }
        for (size_t i = 0; i < field->count; i++)
            at[i] -= (float)mean;
    }
}

static enum err descend(struct descent *descent, const struct progress *progress,
                        double *kl)
{
    uint32_t iterations = descent->settings->iterations;
    double total;
    enum err code = ERR_OK;
    for (uint32_t i = 0; i <= iterations && !code; i++) {
        struct progress_report report = {.fraction = (double)i / iterations,
                                         .step = i,
                                         .steps_total = iterations,
                                         .phase = "descending"};
        if ((i % REPORT_EVERY == 0 || i == iterations) &&
            progress_report(progress, &report) == PROGRESS_STOP)
            return ERR_CANCELLED;
        double divergence;
        code = field_measure(&descent->field, &total, &divergence);
        if (!code && !isfinite(divergence))
            return ERR_DIVERGED;
        if (!code && i > 0) {
            kl[i - 1] = divergence;
            if (i % 50 == 0 || i == iterations)
                progress_metric(progress, "kl", i, divergence);
        }
        if (!code && i < iterations)
            step(descent, i, total);
    }
    return code;
}

/* The principal components, the first of them as wide as start_scale. */
static enum err start(struct descent *descent, const float *rows, uint32_t dim,
                      size_t stride, float *points)
{
    struct field *field = &descent->field;
    unsigned dims = field->dims, components = dims < dim ? dims : dim;
    double explained[MAP_DIMS_MAX], square = 0;
    struct random random;
    random_seed(&random, descent->settings->seed, 0);
    enum err code =
        pca_project(rows, field->count, dim, stride, components, points, explained);
    if (code)
        return code;
    for (size_t i = 0; i < field->count; i++)
        square += (double)points[i * components] * (double)points[i * components];
    double scale = square > 0 ? start_scale / sqrt(square / (double)field->count) : 0;
    for (size_t i = 0; i < field->count; i++)
        for (unsigned k = 0; k < dims; k++) {
            double at = k < components ? scale * (double)points[i * components + k] : 0;
            field->axes[k][i] = (float)(at + start_scale / 100 * random_normal(&random));
        }
    return ERR_OK;
}

static enum err make_room(struct descent *descent)
{
    size_t count = descent->field.count;
    for (unsigned k = 0; k < descent->field.dims; k++) {
        descent->velocity[k] = memory_new_array(count, sizeof(float));
        descent->gains[k] = memory_new_array(count, sizeof(float));
        if (!descent->velocity[k] || !descent->gains[k])
            return ERR_NO_MEMORY;
    }
    rest(descent);
    return ERR_OK;
}

static enum err run(const float *rows, uint32_t dim, size_t stride,
                    const struct affinity *affinity, const struct tsne_settings *settings,
                    const struct progress *progress, float *points, double *kl)
{
    double count = affinity->count;
    struct descent descent = {.settings = settings};
    descent.rate = settings->rate > 0 ? settings->rate : fmax(count / exaggeration, 50);
    descent.exaggerated = settings->iterations / 4 < exaggerated_most
                              ? settings->iterations / 4
                              : exaggerated_most;
    enum err code = field_init(&descent.field, affinity, settings->dims, settings->theta,
                               settings->threads);
    if (code)
        return code;
    code = make_room(&descent);
    if (!code)
        code = start(&descent, rows, dim, stride, points);
    if (!code)
        code = descend(&descent, progress, kl);
    for (size_t i = 0; i < descent.field.count && !code; i++)
        for (unsigned k = 0; k < settings->dims; k++)
            points[i * settings->dims + k] = descent.field.axes[k][i];
    for (unsigned k = 0; k < MAP_DIMS_MAX; k++) {
        free(descent.velocity[k]);
        free(descent.gains[k]);
    }
    field_fini(&descent.field);
    return code;
}

enum err tsne_run(const float *rows, uint32_t count, uint32_t dim, size_t stride,
                  const struct tsne_settings *settings, const struct progress *progress,
                  float *points, double *kl, struct err_info *info)
{
    if (settings->dims < 1 || settings->dims > MAP_DIMS_MAX || settings->iterations < 1)
        return err_set(info, ERR_INVALID, "a map has 1 to 3 dimensions and an iteration");
    if (count < 2 || !(settings->perplexity >= 1) || settings->perplexity >= count)
        return err_set(info, ERR_INVALID,
                       "the perplexity must be at least 1 and less than the number of "
                       "points, which is %u",
                       count);
    struct affinity *affinity;
    enum err code = affinity_new(rows, count, dim, stride, settings->perplexity,
                                 settings->threads, progress, &affinity);
    if (!code)
        code = run(rows, dim, stride, affinity, settings, progress, points, kl);
    affinity_free(affinity);
    return code;
}

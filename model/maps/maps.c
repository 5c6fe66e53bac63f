/* SPDX-License-Identifier: MIT */
/* One call for both kinds of maps: checks, makes room, runs the method. */
#include "model/maps/maps.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "model/maps/map_kernels.h"
#include "model/maps/pca.h"
#include "model/maps/tsne.h"

/* With fewer points a step is done before a second thread has started. */
enum { POINTS_A_THREAD = 500 };

const char *const maps_method_names[] = {"pca", "tsne", NULL};

struct maps_settings maps_defaults(enum maps_method method)
{
    return (struct maps_settings){
        .method = method, .dims = 2, .perplexity = 30, .iterations = 1000, .seed = 1};
}

enum err maps_check(size_t count, uint32_t dim, const struct maps_settings *settings,
                    struct err_info *info)
{
    unsigned most = dim < MAP_DIMS_MAX ? dim : MAP_DIMS_MAX;
    if (settings->dims < 1 || settings->dims > most)
        return err_set_field(info, ERR_INVALID, "/dims",
                             "The vectors have %u dimensions; a map has no more, and at "
                             "most %u",
                             dim, MAP_DIMS_MAX);
    if (count < 2 || count > UINT32_MAX)
        return err_set_field(info, ERR_INVALID, "/words",
                             "A map needs at least two words");
    if (settings->method == MAPS_PCA)
        return ERR_OK;
    if (!(settings->perplexity >= 1) || settings->perplexity > MAPS_PERPLEXITY_MAX ||
        settings->perplexity >= (double)count)
        return err_set_field(info, ERR_INVALID, "/perplexity",
                             "The perplexity must be from 1 to %g and less than the "
                             "number of words, which is %zu",
                             MAPS_PERPLEXITY_MAX, count);
    if (settings->iterations < 1 || settings->iterations > MAPS_ITERATIONS_MAX)
        return err_set_field(info, ERR_INVALID, "/iterations",
                             "The iterations must be from 1 to %u", MAPS_ITERATIONS_MAX);
    return ERR_OK;
}

static enum err fill(struct map *map, const struct maps_rows *rows,
                     const struct maps_settings *settings,
                     const struct progress *progress, struct err_info *info)
{
    if (settings->method == MAPS_PCA)
        return pca_project(rows->rows, rows->count, rows->dim, rows->stride, map->dims,
                           map->points, map->explained);
    struct tsne_settings tsne = tsne_defaults();
    tsne.dims = settings->dims;
    tsne.perplexity = settings->perplexity;
    tsne.iterations = settings->iterations;
    tsne.seed = settings->seed;
    if (settings->threads)
        tsne.threads = settings->threads < PARALLEL_THREADS_MAX ? settings->threads
                                                                : PARALLEL_THREADS_MAX;
    if (tsne.threads > 1 + rows->count / POINTS_A_THREAD)
        tsne.threads = 1 + (unsigned)(rows->count / POINTS_A_THREAD);
    map->iterations = settings->iterations;
    map->kl = memory_new_array(map->iterations, sizeof *map->kl);
    return map->kl ? tsne_run(rows->rows, (uint32_t)rows->count, rows->dim, rows->stride,
                              &tsne, progress, map->points, map->kl, info)
                   : ERR_NO_MEMORY;
}

enum err maps_make(const struct maps_rows *rows, const struct maps_settings *settings,
                   const struct progress *progress, struct map **out,
                   struct err_info *info)
{
    *out = NULL;
    enum err code = maps_check(rows->count, rows->dim, settings, info);
    if (code)
        return code;
    struct map *map = memory_new_array(1, sizeof *map);
    float *points = memory_new_array(rows->count, settings->dims * sizeof *points);
    if (!map || !points) {
        free(map);
        free(points);
        return ERR_NO_MEMORY;
    }
    *map = (struct map){.dims = settings->dims, .count = rows->count, .points = points};
    code = fill(map, rows, settings, progress, info);
    if (code)
        maps_free(map);
    else
        *out = map;
    return code;
}

void maps_free(struct map *map)
{
    if (!map)
        return;
    free(map->points);
    free(map->kl);
    free(map);
}

/* SPDX-License-Identifier: MIT */
/* The adaptive softmax (Grave, Joulin, Cissé, Grangier and Jégou 2017): words are in
 * falling frequency, so a short head covers most of a text. The head's classes are its
 * words and one class a cluster; p(word) = p(cluster) p(word | cluster) for the words of
 * a cluster, which is computed only for those rows of the batch whose target is in it.
 *
 * Rows are sorted by cluster, their hidden vectors gathered (and projected to fewer
 * numbers, where the cluster has a projection), and head and clusters run side by side as
 * parts of one run of the tiles. A cluster that no row asks for is left alone: its
 * weights' gradient is not set, which `active` tells. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/nn/gemm.h"
#include "model/nn/pointwise.h"
#include "model/nn/softmax_int.h"

struct adaptive {
    struct softmax head;
    uint32_t *head_targets, *targets, *order; /* [rows_max], the latter two by cluster */
    float *logprobs;                          /* [rows_max] by cluster */
    float *hidden, *dhidden;                  /* [rows_max][size] gathered, by cluster */
    float *narrow, *dnarrow;                  /* the same, projected */
    size_t first[SOFTMAX_CLUSTERS_MAX + 1];   /* where a cluster's rows begin */
};

static struct adaptive *adaptive(struct softmax *softmax)
{
    return (struct adaptive *)(void *)softmax;
}

static enum err init(struct softmax *softmax)
{
    struct adaptive *self = adaptive(softmax);
    size_t rows = softmax->rows_max, cells;
    if (!memory_multiply(rows, softmax->layout->size, &cells))
        return ERR_NO_MEMORY;
    self->head_targets = memory_new_array(rows, sizeof(uint32_t));
    self->targets = memory_new_array(rows, sizeof(uint32_t));
    self->order = memory_new_array(rows, sizeof(uint32_t));
    self->logprobs = memory_new_aligned(rows, sizeof(float));
    self->hidden = memory_new_aligned(cells, sizeof(float));
    self->dhidden = memory_new_aligned(cells, sizeof(float));
    self->narrow = memory_new_aligned(cells, sizeof(float));
    self->dnarrow = memory_new_aligned(cells, sizeof(float));
    return self->head_targets && self->targets && self->order && self->logprobs &&
                   self->hidden && self->dhidden && self->narrow && self->dnarrow
               ? ERR_OK
               : ERR_NO_MEMORY;
}

static void fini(struct softmax *softmax)
{
    struct adaptive *self = adaptive(softmax);
    free(self->head_targets);
    free(self->targets);
    free(self->order);
    free(self->logprobs);
    free(self->hidden);
    free(self->dhidden);
    free(self->narrow);
    free(self->dnarrow);
}

/* Sorts the rows by their target's cluster; those of the head are in none. */
static void sort_rows(struct adaptive *self, const struct softmax_batch *batch)
{
    const struct softmax_layout *layout = self->head.layout;
    size_t sizes[SOFTMAX_CLUSTERS_MAX + 1] = {0}, at[SOFTMAX_CLUSTERS_MAX + 1];
    for (size_t row = 0; row < batch->rows; row++) {
        uint32_t target = batch->targets[row], k = softmax_cluster_of(layout, target);
        sizes[k]++;
        self->head_targets[row] =
            k == layout->cluster_count ? target : layout->shortlist + k;
    }
    self->first[0] = at[0] = 0;
    for (uint32_t k = 0; k < layout->cluster_count; k++)
        self->first[k + 1] = at[k + 1] = at[k] + sizes[k];
    for (size_t row = 0; row < batch->rows; row++) {
        uint32_t k = self->head_targets[row] - layout->shortlist;
        if (self->head_targets[row] < layout->shortlist)
            continue;
        self->targets[at[k]] = batch->targets[row] - layout->clusters[k].first;
        self->order[at[k]] = (uint32_t)row;
        memcpy(self->hidden + at[k] * batch->size, batch->hidden + row * batch->size,
               batch->size * sizeof *batch->hidden);
        at[k]++;
    }
}

static struct tiles_part head_part(const struct adaptive *self, const float *values,
                                   const struct softmax_batch *batch, float *gradient)
{
    const struct softmax_layout *layout = self->head.layout;
    struct tiles_part part = {
        .rows = batch->rows,
        .size = batch->size,
        .segment_count = layout->cluster_count ? 2 : 1,
        .segments = {{.count = layout->shortlist,
                      .weights = values + layout->weights_at,
                      .bias = values + layout->bias_at},
                     {.count = layout->cluster_count,
                      .weights = values + layout->cluster_weights_at,
                      .bias = values + layout->cluster_bias_at}},
        .hidden = batch->hidden,
        .targets = self->head_targets,
        .logprobs = batch->logprobs,
        .dhidden = batch->dhidden,
        .scale = 1.0f / (float)batch->rows,
    };
    if (gradient) {
        part.segments[0].dweights = gradient + layout->weights_at;
        part.segments[0].dbias = gradient + layout->bias_at;
        part.segments[1].dweights = gradient + layout->cluster_weights_at;
        part.segments[1].dbias = gradient + layout->cluster_bias_at;
    }
    return part;
}

/* A cluster's part; projects its rows where it has a projection. */
static struct tiles_part cluster_part(struct adaptive *self, uint32_t k,
                                      const float *values,
                                      const struct softmax_batch *batch, float *gradient)
{
    const struct softmax_layout *layout = self->head.layout;
    const struct softmax_cluster *cluster = &layout->clusters[k];
    size_t first = self->first[k], size = batch->size;
    bool projected = cluster->projection_at != SOFTMAX_NOWHERE;
    struct tiles_part part = {
        .rows = self->first[k + 1] - first,
        .size = cluster->width,
        .segment_count = 1,
        .segments = {{.count = cluster->end - cluster->first,
                      .weights = values + cluster->weights_at,
                      .bias = values + layout->bias_at + cluster->first}},
        .hidden = (projected ? self->narrow : self->hidden) + first * size,
        .targets = self->targets + first,
        .logprobs = self->logprobs + first,
        .scale = 1.0f / (float)batch->rows,
    };
    if (projected)
        gemm_nt(GEMM_SET, part.rows, cluster->width, size, self->hidden + first * size,
                size, values + cluster->projection_at, size, self->narrow + first * size,
                cluster->width);
    if (gradient) {
        part.dhidden = (projected ? self->dnarrow : self->dhidden) + first * size;
        part.segments[0].dweights = gradient + cluster->weights_at;
        part.segments[0].dbias = gradient + layout->bias_at + cluster->first;
    }
    return part;
}

static void skip_cluster(const struct softmax_layout *layout, uint32_t k, float *gradient)
{
    const struct softmax_cluster *cluster = &layout->clusters[k];
    if (!gradient)
        return;
    memset(gradient + layout->bias_at + cluster->first, 0,
           (cluster->end - cluster->first) * sizeof *gradient);
    if (cluster->projection_at != SOFTMAX_NOWHERE)
        memset(gradient + cluster->projection_at, 0,
               cluster->width * layout->size * sizeof *gradient);
}

/* Back through a cluster's projection. */
static void unproject(struct adaptive *self, uint32_t k, const float *values,
                      float *gradient)
{
    const struct softmax_cluster *cluster = &self->head.layout->clusters[k];
    size_t size = self->head.layout->size, width = cluster->width;
    size_t first = self->first[k], rows = self->first[k + 1] - first;
    const float *dnarrow = self->dnarrow + first * size;
    gemm_tn(GEMM_SET, width, size, rows, dnarrow, width, self->hidden + first * size,
            size, gradient + cluster->projection_at, size);
    gemm_nn(GEMM_SET, rows, size, width, dnarrow, width, values + cluster->projection_at,
            size, self->dhidden + first * size, size);
}

/* Brings what the clusters' rows gave back to the rows of the batch. */
static void collect(struct adaptive *self, struct softmax_batch *batch)
{
    size_t rows = self->first[self->head.layout->cluster_count], size = batch->size;
    for (size_t i = 0; i < rows; i++) {
        batch->logprobs[self->order[i]] += self->logprobs[i];
        if (batch->dhidden)
            pointwise_add_scaled(size, 1, self->dhidden + i * size,
                                 batch->dhidden + self->order[i] * size);
    }
}

static enum err run(struct softmax *softmax, const float *values,
                    struct softmax_batch *batch, float *gradient)
{
    struct adaptive *self = adaptive(softmax);
    const struct softmax_layout *layout = softmax->layout;
    struct tiles_part parts[TILES_PARTS_MAX];
    size_t count = 1;
    batch->active = 0;
    sort_rows(self, batch);
    parts[0] = head_part(self, values, batch, gradient);
    for (uint32_t k = 0; k < layout->cluster_count; k++)
        if (self->first[k + 1] > self->first[k]) {
            parts[count++] = cluster_part(self, k, values, batch, gradient);
            batch->active |= 1u << k;
        } else {
            skip_cluster(layout, k, gradient);
        }
    enum err code = tiles_run(softmax->tiles, parts, count);
    for (uint32_t k = 0; k < layout->cluster_count && gradient && !code; k++)
        if (layout->clusters[k].projection_at != SOFTMAX_NOWHERE &&
            (batch->active >> k & 1))
            unproject(self, k, values, gradient);
    if (!code)
        collect(self, batch);
    return code;
}

const struct softmax_ops softmax_adaptive_ops = {
    .size = sizeof(struct adaptive), .init = init, .fini = fini, .run = run};

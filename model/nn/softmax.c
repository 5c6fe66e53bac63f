/* SPDX-License-Identifier: MIT */
/* The table of output layers, and what is the same for all of them: the exact
 * distribution, the first biases, and what a step costs. */
#include "model/nn/softmax.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/nn/gemm.h"
#include "model/nn/pointwise.h"
#include "model/nn/softmax_int.h"

enum { TILE = 1024 };

static const struct softmax_ops *const table[SOFTMAX_KIND_COUNT] = {
    [SOFTMAX_FULL] = &softmax_full_ops,
    [SOFTMAX_ADAPTIVE] = &softmax_adaptive_ops,
    [SOFTMAX_SAMPLED] = &softmax_sampled_ops,
};

enum err softmax_new(const struct softmax_layout *layout, size_t rows_max,
                     unsigned threads, uint64_t seed, struct softmax **out)
{
    const struct softmax_ops *ops = table[layout->kind];
    *out = NULL;
    struct softmax *softmax = memory_new_array(1, ops->size);
    if (!softmax)
        return ERR_NO_MEMORY;
    *softmax = (struct softmax){.ops = ops,
                                .layout = layout,
                                .rows_max = rows_max,
                                .threads = threads,
                                .seed = seed};
    enum err code = tiles_new(threads, &softmax->tiles);
    if (!code && ops->init)
        code = ops->init(softmax);
    if (code) {
        softmax_free(softmax);
        return code;
    }
    *out = softmax;
    return ERR_OK;
}

void softmax_free(struct softmax *softmax)
{
    if (!softmax)
        return;
    if (softmax->ops->fini)
        softmax->ops->fini(softmax);
    tiles_free(softmax->tiles);
    free(softmax);
}

enum err softmax_run(struct softmax *softmax, const float *values,
                     struct softmax_batch *batch, float *gradient)
{
    if (batch->rows == 0 || batch->rows > softmax->rows_max ||
        batch->size != softmax->layout->size || !batch->dhidden != !gradient)
        return ERR_INTERNAL;
    batch->active = 0;
    batch->touched = NULL;
    batch->touched_count = 0;
    return softmax->ops->run(softmax, values, batch, gradient);
}

uint32_t softmax_cluster_of(const struct softmax_layout *layout, uint32_t word)
{
    uint32_t k = 0;
    if (word < layout->shortlist)
        return layout->cluster_count;
    while (k + 1 < layout->cluster_count && word >= layout->clusters[k].end)
        k++;
    return k;
}

/* ---- the distribution ---- */

/* Rows whose distributions are being worked out, each with its classes of the head. */
struct output {
    const struct softmax_layout *layout;
    const float *values;
    size_t count;
    const float *hidden;
    float *const *logprobs;
    float *tile;     /* [count][TILE] */
    float *clusters; /* [count][cluster_count]: log p of each cluster */
    float *narrow;   /* [count][widest cluster] */
};

/* Logits of `count` words from `first` on, into the rows. */
static void logits(const struct output *output, size_t first, size_t words, size_t size,
                   const float *hidden, const float *weights)
{
    const float *bias = output->values + output->layout->bias_at;
    for (size_t at = 0; at < words; at += TILE) {
        size_t width = words - at < TILE ? words - at : TILE;
        for (size_t i = 0; i < output->count; i++)
            memcpy(output->tile + i * TILE, bias + first + at, width * sizeof *bias);
        gemm_nt(GEMM_ADD, output->count, width, size, hidden, size, weights + at * size,
                size, output->tile, TILE);
        for (size_t i = 0; i < output->count; i++)
            memcpy(output->logprobs[i] + first + at, output->tile + i * TILE,
                   width * sizeof *bias);
    }
}

/* The largest of some logits and the sum of exp(logit - largest), in doubles over short
 * tiles. */
static double exp_sum(size_t count, const float *row, float most)
{
    float scratch[TILE];
    double sum = 0;
    for (size_t at = 0; at < count; at += TILE)
        sum += (double)pointwise_exp_sum(count - at < TILE ? count - at : TILE, row + at,
                                         most, scratch);
    return sum;
}

static void shift(size_t count, float *row, double by)
{
    for (size_t i = 0; i < count; i++)
        row[i] = (float)((double)row[i] + by);
}

static void head_distribution(const struct output *output)
{
    const struct softmax_layout *layout = output->layout;
    const float *values = output->values;
    size_t classes = layout->cluster_count;
    logits(output, 0, layout->shortlist, layout->size, output->hidden,
           values + layout->weights_at);
    for (size_t i = 0; i < output->count; i++)
        memcpy(output->clusters + i * classes, values + layout->cluster_bias_at,
               classes * sizeof *values);
    gemm_nt(GEMM_ADD, output->count, classes, layout->size, output->hidden, layout->size,
            values + layout->cluster_weights_at, layout->size, output->clusters, classes);
    for (size_t i = 0; i < output->count; i++) {
        float *row = output->logprobs[i], *tail = output->clusters + i * classes;
        if (layout->never < layout->shortlist)
            row[layout->never] = -INFINITY;
        float most =
            fmaxf(pointwise_max(layout->shortlist, row), pointwise_max(classes, tail));
        double sum = exp_sum(layout->shortlist, row, most) + exp_sum(classes, tail, most);
        shift(layout->shortlist, row, -(double)most - log(sum));
        shift(classes, tail, -(double)most - log(sum));
    }
}

static void cluster_distribution(const struct output *output, uint32_t k)
{
    const struct softmax_layout *layout = output->layout;
    const struct softmax_cluster *cluster = &layout->clusters[k];
    size_t words = cluster->end - cluster->first, width = cluster->width;
    const float *hidden = output->hidden;
    if (cluster->projection_at != SOFTMAX_NOWHERE) {
        gemm_nt(GEMM_SET, output->count, width, layout->size, hidden, layout->size,
                output->values + cluster->projection_at, layout->size, output->narrow,
                width);
        hidden = output->narrow;
    }
    logits(output, cluster->first, words, width, hidden,
           output->values + cluster->weights_at);
    for (size_t i = 0; i < output->count; i++) {
        float *row = output->logprobs[i] + cluster->first;
        float most = pointwise_max(words, row);
        double of_cluster = (double)output->clusters[i * layout->cluster_count + k];
        shift(words, row, of_cluster - (double)most - log(exp_sum(words, row, most)));
    }
}

enum err softmax_distribution(const struct softmax_layout *layout, const float *values,
                              size_t count, const float *hidden, float *const *logprobs)
{
    struct output output = {layout, values, count, hidden, logprobs, NULL, NULL, NULL};
    size_t widest = layout->cluster_count ? layout->size : 1;
    output.tile = memory_new_aligned(count, TILE * sizeof(float));
    output.clusters =
        memory_new_array(count, (layout->cluster_count + 1) * sizeof(float));
    output.narrow = memory_new_aligned(count, widest * sizeof(float));
    enum err code =
        output.tile && output.clusters && output.narrow ? ERR_OK : ERR_NO_MEMORY;
    if (!code)
        head_distribution(&output);
    for (uint32_t k = 0; k < layout->cluster_count && !code; k++)
        cluster_distribution(&output, k);
    free(output.tile);
    free(output.clusters);
    free(output.narrow);
    return code;
}

/* ---- the start, and what it costs ---- */

void softmax_start(const struct softmax_layout *layout, const double *counts,
                   float *values)
{
    double total = 0, all = 0;
    for (uint32_t word = 0; word < layout->vocab; word++)
        total += counts[word] + 0.5;
    for (uint32_t word = 0; word < layout->vocab; word++)
        if (word != layout->never)
            values[layout->bias_at + word] = (float)log((counts[word] + 0.5) / total);
    for (uint32_t k = 0; k < layout->cluster_count; k++) {
        const struct softmax_cluster *cluster = &layout->clusters[k];
        all = 0;
        for (uint32_t word = cluster->first; word < cluster->end; word++)
            all += counts[word] + 0.5;
        values[layout->cluster_bias_at + k] = (float)log(all / total);
    }
}

double softmax_work(const struct softmax_layout *layout)
{
    double work = (double)(layout->shortlist + layout->cluster_count);
    if (layout->kind == SOFTMAX_SAMPLED && layout->samples < layout->vocab)
        work = (double)layout->samples;
    work *= (double)layout->size;
    for (uint32_t k = 0; k < layout->cluster_count; k++) {
        const struct softmax_cluster *cluster = &layout->clusters[k];
        work += cluster->share * (double)(cluster->end - cluster->first) *
                (double)cluster->width;
    }
    return work;
}

double softmax_memory(const struct softmax_layout *layout, double rows)
{
    double classes = (double)layout->shortlist;
    if (layout->kind == SOFTMAX_SAMPLED && layout->samples < layout->vocab)
        classes = (double)layout->samples;
    for (uint32_t k = 0; k < layout->cluster_count; k++)
        classes += layout->clusters[k].share *
                   (double)(layout->clusters[k].end - layout->clusters[k].first);
    return rows * (classes + 4 * (double)layout->size) * sizeof(float);
}

/* SPDX-License-Identifier: MIT */
/* Laying out a model's parameters. The embedding table comes first; a tied output layer
 * is the same tensor. With tied embeddings the last recurrent layer has the embedding's
 * width (as in AWD-LSTM), so that no projection stands between them. Direct connections
 * of the feed-forward model (Bengio et al. 2003) are the word features put beside the
 * hidden units: one wider output layer serves both.
 *
 * The clusters of an adaptive softmax are rows of the embedding when tied, so that every
 * word keeps one vector; with an output layer of its own a cluster has narrower vectors,
 * down to WIDTH_MIN, and a projection onto them. */
#include "model/neural/shape.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/text/vocab.h"

enum { ALIGN_FLOATS = 16, WIDTH_MIN = 16 };

static size_t add_tensor(struct shape *shape, const char *name, size_t rows,
                         size_t columns)
{
    struct shape_tensor *tensor = &shape->tensors[shape->tensor_count++];
    snprintf(tensor->name, sizeof tensor->name, "%s", name);
    tensor->rows = rows;
    tensor->columns = columns;
    tensor->at = shape->total;
    size_t size = rows * columns;
    shape->total += (size + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
    return tensor->at;
}

size_t shape_layer_output(const struct shape *shape, unsigned layer)
{
    return shape->tied && layer + 1 == shape->layers ? shape->embedding : shape->hidden;
}

size_t shape_layer_input(const struct shape *shape, unsigned layer)
{
    return layer == 0 ? shape->embedding : shape->hidden;
}

/* A cell's tensors must lie without gaps, as cell.h says: they get one aligned block. */
static void add_layer(struct shape *shape, unsigned layer)
{
    struct cell_tensor tensors[CELL_TENSORS_MAX];
    size_t input = shape_layer_input(shape, layer);
    size_t output = shape_layer_output(shape, layer);
    size_t count = shape->cell->tensors(input, output, tensors);
    size_t start = shape->total, at = start;
    for (size_t i = 0; i < count; i++) {
        struct shape_tensor *tensor = &shape->tensors[shape->tensor_count++];
        snprintf(tensor->name, sizeof tensor->name, "layer%u.%s", layer + 1,
                 tensors[i].name);
        tensor->rows = tensors[i].rows;
        tensor->columns = tensors[i].columns;
        tensor->at = at;
        at += tensors[i].rows * tensors[i].columns;
    }
    shape->layer_at[layer] = start;
    shape->total = (at + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
}

static void add_norm(struct shape *shape, const char *where, unsigned layer, size_t width)
{
    char name[sizeof shape->tensors[0].name];
    if (!shape->layer_norm)
        return;
    snprintf(name, sizeof name, "%s.norm_gain", where);
    shape->gain_at[layer] = add_tensor(shape, name, width, 1);
    snprintf(name, sizeof name, "%s.norm_bias", where);
    shape->norm_bias_at[layer] = add_tensor(shape, name, width, 1);
}

/* A cluster's weights: rows of the embedding, or tensors of its own. */
static void add_cluster(struct shape *shape, uint32_t k, double reduction)
{
    struct softmax_cluster *cluster = &shape->softmax.clusters[k];
    size_t words = cluster->end - cluster->first, size = shape->output;
    char name[32];
    cluster->width = size;
    cluster->projection_at = SOFTMAX_NOWHERE;
    cluster->weights_at = shape->embedding_at + cluster->first * size;
    if (shape->tied)
        return;
    double width = (double)size * pow(reduction, -(double)(k + 1));
    cluster->width = width > WIDTH_MIN  ? (size_t)width
                     : size < WIDTH_MIN ? size
                                        : (size_t)WIDTH_MIN;
    snprintf(name, sizeof name, "tail%u.weights", k + 1);
    cluster->weights_at = add_tensor(shape, name, words, cluster->width);
    snprintf(name, sizeof name, "tail%u.projection", k + 1);
    if (cluster->width < size)
        cluster->projection_at = add_tensor(shape, name, cluster->width, size);
}

static void add_softmax(struct shape *shape, double reduction)
{
    struct softmax_layout *layout = &shape->softmax;
    layout->vocab = shape->vocab;
    layout->never = shape->vocab > VOCAB_BOS ? VOCAB_BOS : SOFTMAX_NO_WORD;
    layout->size = shape->output;
    shape->output_at =
        shape->tied ? shape->embedding_at
                    : add_tensor(shape, "output", layout->shortlist, shape->output);
    for (uint32_t k = 0; k < layout->cluster_count; k++)
        add_cluster(shape, k, reduction);
    if (layout->cluster_count > 0) {
        layout->cluster_weights_at =
            add_tensor(shape, "clusters", layout->cluster_count, shape->output);
        layout->cluster_bias_at =
            add_tensor(shape, "clusters_bias", layout->cluster_count, 1);
    }
    shape->bias_at = add_tensor(shape, "output_bias", shape->vocab, 1);
    layout->weights_at = shape->output_at;
    layout->bias_at = shape->bias_at;
}

static void lay_out(struct shape *shape, double reduction)
{
    shape->embedding_at = add_tensor(shape, "embedding", shape->vocab, shape->embedding);
    shape->inner_at = shape->total;
    if (shape->cell) {
        for (unsigned layer = 0; layer < shape->layers; layer++) {
            char where[sizeof "layer" + 10];
            snprintf(where, sizeof where, "layer%u", layer + 1);
            add_layer(shape, layer);
            add_norm(shape, where, layer, shape_layer_output(shape, layer));
        }
    } else {
        size_t wide = shape->context * shape->embedding;
        shape->hidden_at = add_tensor(shape, "hidden", shape->hidden, wide);
        shape->hidden_bias_at = add_tensor(shape, "hidden_bias", shape->hidden, 1);
        add_norm(shape, "hidden", 0, shape->hidden);
    }
    shape->inner_count = shape->total - shape->inner_at;
    add_softmax(shape, reduction);
}

/* An upper bound of the block's floats, checked; the layout itself cannot overflow after.
 */
static bool bounded(const struct shape *shape, size_t *floats)
{
    size_t widest = shape->embedding * (shape->cell ? 1 : shape->context) + shape->hidden;
    size_t table, inner, clusters = SOFTMAX_CLUSTERS_MAX * (shape->output + 1);
    return memory_multiply(shape->vocab, shape->embedding + shape->output + 1, &table) &&
           memory_multiply(widest + 2, shape->hidden + shape->embedding, &inner) &&
           memory_multiply(inner, 8 * (size_t)shape->layers, &inner) &&
           memory_multiply(clusters, shape->output, &clusters) &&
           memory_add(table, inner, floats) && memory_add(*floats, clusters, floats);
}

static bool has(const struct params *params, const char *name)
{
    for (const struct param *row = params->kind->params; row->name; row++)
        if (strcmp(row->name, name) == 0)
            return true;
    return false;
}

static void read_params(struct shape *shape, const struct params *params)
{
    shape->embedding = (size_t)params_number(params, "embedding_size");
    shape->hidden = (size_t)params_number(params, "hidden_size");
    shape->tied = params_boolean(params, "tied");
    shape->layer_norm = params_boolean(params, "layer_norm");
    shape->layers = has(params, "layers") ? (unsigned)params_number(params, "layers") : 1;
    if (!shape->cell) {
        shape->context = (unsigned)params_number(params, "context");
        shape->direct = params_boolean(params, "direct");
        shape->activation = (enum shape_activation)params_number(params, "activation");
        if (shape->tied)
            shape->hidden = shape->embedding;
        shape->output =
            shape->hidden + (shape->direct ? shape->context * shape->embedding : 0);
    } else {
        shape->output = shape_layer_output(shape, shape->layers - 1);
    }
}

/* ---- the adaptive softmax's clusters ---- */

static enum err set_cutoffs(struct shape *shape, const double *cuts, size_t count,
                            struct err_info *info)
{
    struct softmax_layout *layout = &shape->softmax;
    double before = VOCAB_RESERVED - 1;
    for (size_t i = 0; i < count; i++) {
        if (!(cuts[i] > before) || cuts[i] > shape->vocab)
            return err_set_field(info, ERR_INVALID, "/params/cutoffs",
                                 "cutoffs must rise, from %d at least to the size of the "
                                 "vocabulary, %u, at most",
                                 VOCAB_RESERVED, shape->vocab);
        before = cuts[i];
    }
    if (count > 0 && cuts[count - 1] >= shape->vocab)
        count--;
    if (count > SOFTMAX_CLUSTERS_MAX)
        return err_set_field(info, ERR_INVALID, "/params/cutoffs",
                             "there can be at most %u cutoffs", SOFTMAX_CLUSTERS_MAX);
    layout->cluster_count = (uint32_t)count;
    layout->shortlist = count > 0 ? (uint32_t)cuts[0] : shape->vocab;
    for (size_t i = 0; i < count; i++) {
        layout->clusters[i].first = (uint32_t)cuts[i];
        layout->clusters[i].end = i + 1 < count ? (uint32_t)cuts[i + 1] : shape->vocab;
    }
    return ERR_OK;
}

/* Each cluster's share of the running words. */
static void find_shares(struct softmax_layout *layout, const double *counts)
{
    double total = 0;
    for (uint32_t word = 0; word < layout->vocab; word++)
        total += counts[word];
    for (uint32_t k = 0; k < layout->cluster_count; k++) {
        struct softmax_cluster *cluster = &layout->clusters[k];
        double sum = 0;
        for (uint32_t word = cluster->first; word < cluster->end; word++)
            sum += counts[word];
        cluster->share = total > 0 ? sum / total : 0;
    }
}

static enum err init_softmax(struct shape *shape, const struct params *params,
                             const double *counts, struct err_info *info)
{
    const struct param_value *given = params_value(params, "cutoffs");
    double chosen[SOFTMAX_CLUSTERS_MAX];
    uint32_t cuts[SOFTMAX_CLUSTERS_MAX];
    struct softmax_layout *layout = &shape->softmax;
    layout->kind = (enum softmax_kind)params_number(params, "softmax");
    layout->samples = (size_t)params_number(params, "samples");
    layout->shortlist = shape->vocab;
    layout->vocab = shape->vocab;
    if (layout->kind != SOFTMAX_ADAPTIVE)
        return ERR_OK;
    enum err code = ERR_OK;
    double reduction = shape->tied ? 1 : params_number(params, "tail_reduction");
    if (given->list_count > 0) {
        code = set_cutoffs(shape, given->list, given->list_count, info);
    } else if (counts) {
        size_t count = softmax_cutoffs(counts, shape->vocab, reduction, cuts);
        for (size_t i = 0; i < count; i++)
            chosen[i] = cuts[i];
        code = set_cutoffs(shape, chosen, count, info);
    }
    if (!code && counts)
        find_shares(layout, counts);
    return code;
}

enum err shape_write_cutoffs(const struct shape *shape, struct params *params,
                             struct err_info *info)
{
    const struct softmax_layout *layout = &shape->softmax;
    double cuts[SOFTMAX_CLUSTERS_MAX + 1] = {shape->vocab};
    if (layout->kind != SOFTMAX_ADAPTIVE)
        return ERR_OK;
    for (uint32_t k = 0; k < layout->cluster_count; k++)
        cuts[k] = layout->clusters[k].first;
    return params_set_list(params, "cutoffs", cuts,
                           layout->cluster_count ? layout->cluster_count : 1, info);
}

/* ---- making a shape ---- */

static enum err init(struct shape *shape, const struct params *params, uint32_t vocab,
                     const double *counts, uint64_t memory_bytes, struct err_info *info)
{
    size_t floats;
    *shape = (struct shape){.cell = cell_find(params->kind->name), .vocab = vocab};
    read_params(shape, params);
    enum err code = init_softmax(shape, params, counts, info);
    if (code)
        return code;
    if (shape->tied && shape->direct)
        return err_set_field(info, ERR_INVALID, "/params/direct",
                             "direct connections need an output layer of their own: set "
                             "tied to false");
    if (!bounded(shape, &floats) || floats > SIZE_MAX / 64 ||
        (memory_bytes && floats > memory_bytes / sizeof(float)))
        return err_set_field(
            info, ERR_LIMIT, "/params/hidden_size",
            "a model of embedding_size %zu and hidden_size %zu over %u "
            "words needs more memory than there is: choose smaller sizes",
            shape->embedding, shape->hidden, vocab);
    lay_out(shape, params_number(params, "tail_reduction"));
    return ERR_OK;
}

enum err shape_init(struct shape *shape, const struct params *params, uint32_t vocab,
                    uint64_t memory_bytes, struct err_info *info)
{
    return init(shape, params, vocab, NULL, memory_bytes, info);
}

enum err shape_init_counted(struct shape *shape, const struct params *params,
                            const struct vocab *vocab, uint64_t memory_bytes,
                            struct err_info *info)
{
    uint32_t size = vocab_size(vocab);
    double *counts = memory_new_array(size, sizeof *counts);
    if (!counts)
        return ERR_NO_MEMORY;
    for (uint32_t word = 0; word < size; word++)
        counts[word] = (double)vocab_count(vocab, word);
    enum err code = init(shape, params, size, counts, memory_bytes, info);
    free(counts);
    return code;
}

static void draw_uniform(struct random *random, size_t count, double bound, float *values)
{
    for (size_t i = 0; i < count; i++)
        values[i] = (float)((2 * random_uniform(random) - 1) * bound);
}

static void draw_cluster(const struct softmax_layout *layout, uint32_t k,
                         struct random *random, float *values)
{
    const struct softmax_cluster *cluster = &layout->clusters[k];
    draw_uniform(random, (cluster->end - cluster->first) * cluster->width, 0.1,
                 values + cluster->weights_at);
    if (cluster->projection_at != SOFTMAX_NOWHERE)
        draw_uniform(random, cluster->width * layout->size,
                     sqrt(3 / (double)layout->size), values + cluster->projection_at);
}

void shape_draw(const struct shape *shape, struct random *random, float *values)
{
    memset(values, 0, shape->total * sizeof *values);
    double bound = shape->tied ? 1 / sqrt((double)shape->embedding) : 0.1;
    draw_uniform(random, shape->vocab * shape->embedding, bound,
                 values + shape->embedding_at);
    for (unsigned layer = 0; shape->cell && layer < shape->layers; layer++)
        shape->cell->init(random, shape_layer_input(shape, layer),
                          shape_layer_output(shape, layer),
                          values + shape->layer_at[layer]);
    if (!shape->cell) {
        size_t wide = shape->context * shape->embedding;
        draw_uniform(random, shape->hidden * wide, sqrt(3 / (double)wide),
                     values + shape->hidden_at);
    }
    for (unsigned layer = 0; shape->layer_norm && layer < shape->layers; layer++) {
        size_t width = shape->cell ? shape_layer_output(shape, layer) : shape->hidden;
        for (size_t i = 0; i < width; i++)
            values[shape->gain_at[layer] + i] = 1;
    }
    if (!shape->tied)
        draw_uniform(random, shape->softmax.shortlist * shape->output, 0.1,
                     values + shape->output_at);
    for (uint32_t k = 0; k < shape->softmax.cluster_count && !shape->tied; k++)
        draw_cluster(&shape->softmax, k, random, values);
    if (shape->vocab > VOCAB_BOS)
        values[shape->bias_at + VOCAB_BOS] = SHAPE_NEVER;
}

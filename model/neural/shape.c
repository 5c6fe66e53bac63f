/* SPDX-License-Identifier: MIT */
/* Laying out a model's parameters. The embedding table comes first; a tied output layer
 * is the same tensor. With tied embeddings the last recurrent layer has the embedding's
 * width (as in AWD-LSTM), so that no projection stands between them. Direct connections
 * of the feed-forward model (Bengio et al. 2003) are the word features put beside the
 * hidden units: one wider output layer serves both. */
#include "model/neural/shape.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "model/text/vocab.h"

enum { ALIGN_FLOATS = 16 };

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

static void lay_out(struct shape *shape)
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
    shape->output_at = shape->tied
                           ? shape->embedding_at
                           : add_tensor(shape, "output", shape->vocab, shape->output);
    shape->bias_at = add_tensor(shape, "output_bias", shape->vocab, 1);
}

/* An upper bound of the block's floats, checked; the layout itself cannot overflow after.
 */
static bool bounded(const struct shape *shape, size_t *floats)
{
    size_t widest = shape->embedding * (shape->cell ? 1 : shape->context) + shape->hidden;
    size_t table, inner;
    return memory_multiply(shape->vocab, shape->embedding + shape->output + 1, &table) &&
           memory_multiply(widest + 2, shape->hidden + shape->embedding, &inner) &&
           memory_multiply(inner, 8 * (size_t)shape->layers, &inner) &&
           memory_add(table, inner, floats);
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

enum err shape_init(struct shape *shape, const struct params *params, uint32_t vocab,
                    uint64_t memory_bytes, struct err_info *info)
{
    size_t floats;
    *shape = (struct shape){.cell = cell_find(params->kind->name), .vocab = vocab};
    read_params(shape, params);
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
    lay_out(shape);
    return ERR_OK;
}

static void draw_uniform(struct random *random, size_t count, double bound, float *values)
{
    for (size_t i = 0; i < count; i++)
        values[i] = (float)((2 * random_uniform(random) - 1) * bound);
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
        draw_uniform(random, shape->vocab * shape->output, 0.1,
                     values + shape->output_at);
    if (shape->vocab > VOCAB_BOS)
        values[shape->bias_at + VOCAB_BOS] = SHAPE_NEVER;
}

/* SPDX-License-Identifier: MIT */
/* Both bodies. The recurrent one embeds a token a step and runs a stack of cells over all
 * steps, layer by layer; the feed-forward one embeds the K words before, side by side,
 * and puts them through one hidden layer (Bengio et al. 2003).
 *
 * Truncated back-propagation through time: backward starts with a zero gradient beyond
 * the last step, and the state is carried on as a constant. */
#include "model/neural/body.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/nn/dropout.h"
#include "model/nn/gemm.h"
#include "model/nn/layer_norm.h"
#include "model/nn/pointwise.h"

struct layer {
    struct cell_size size;
    const float *weights; /* those of the last forward, perhaps thinned */
    float *thinned;       /* [weights] copy under weight-drop; NULL without */
    float *thin_mask;     /* [recurrent weights] */
    size_t recurrent_at, recurrent_size; /* within the layer's weights */
    size_t weight_count;
    float *state, *dstate; /* [parts][rows][width] */
    float *h;              /* [steps][rows][width] */
    float *normal;         /* [steps][rows][width] h normalised; h itself without */
    float *norm_cache;     /* NULL without */
    float *out;            /* [steps][rows][width] after dropout, input of what follows */
    float *mask;           /* [rows][width] */
    float *cache;
};

struct body {
    const struct shape *shape;
    size_t rows, steps_max, steps, words; /* words: embedded tokens of the last forward */
    bool training, dropped, thinned, words_dropped;
    struct body_penalties penalties; /* of the backward under way */
    float *embedded;                 /* [words][embedding] after dropout */
    float *input_mask; /* [rows][embedding]; feed-forward: [words][embedding] */
    float *word_scale; /* [words] dropout of whole words */
    float *dembedded;  /* [words][embedding] */
    float *dflow;      /* the gradient between two layers */
    float *hidden;     /* feed-forward: [rows][hidden] activations */
    float *norm_cache; /* feed-forward: [rows] caches of one row; NULL without */
    struct layer layers[SHAPE_LAYERS_MAX];
};

static float *floats(size_t count)
{
    return memory_new_aligned(count, sizeof(float));
}

static void find_recurrent(const struct shape *shape, struct layer *layer)
{
    struct cell_tensor tensors[CELL_TENSORS_MAX];
    size_t count = shape->cell->tensors(layer->size.input, layer->size.hidden, tensors);
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        size_t size = tensors[i].rows * tensors[i].columns;
        if (strcmp(tensors[i].name, "recurrent_weights") == 0) {
            layer->recurrent_at = at;
            layer->recurrent_size = size;
        }
        at += size;
    }
    layer->weight_count = at;
}

static bool layer_init(struct body *body, unsigned index)
{
    const struct shape *shape = body->shape;
    struct layer *layer = &body->layers[index];
    size_t width = shape_layer_output(shape, index), step = body->rows * width;
    layer->size = (struct cell_size){body->steps_max, body->rows,
                                     shape_layer_input(shape, index), width};
    find_recurrent(shape, layer);
    layer->state = floats(shape->cell->state_parts * step);
    layer->h = floats(body->steps_max * step);
    layer->cache = floats(shape->cell->cache_size(&layer->size));
    if (!layer->state || !layer->h || !layer->cache)
        return false;
    layer->normal = layer->h;
    if (shape->layer_norm) {
        struct layer_norm_size norm = {body->steps_max * body->rows, width};
        layer->normal = floats(body->steps_max * step);
        layer->norm_cache = floats(layer_norm_cache_size(&norm));
        if (!layer->normal || !layer->norm_cache)
            return false;
    }
    layer->out = layer->normal;
    if (!body->training)
        return true;
    layer->out = floats(body->steps_max * step);
    layer->mask = floats(step);
    layer->dstate = floats(shape->cell->state_parts * step);
    layer->thinned = floats(layer->weight_count);
    layer->thin_mask = floats(layer->recurrent_size);
    return layer->out && layer->mask && layer->dstate && layer->thinned &&
           layer->thin_mask;
}

static size_t widest(const struct shape *shape)
{
    size_t most = shape->output > shape->embedding ? shape->output : shape->embedding;
    return shape->hidden > most ? shape->hidden : most;
}

static bool allocate(struct body *body)
{
    const struct shape *shape = body->shape;
    size_t positions = body->rows * body->steps_max;
    size_t words = positions * (shape->cell ? 1 : shape->context);
    body->embedded = floats(words * shape->embedding);
    bool done = body->embedded != NULL;
    for (unsigned i = 0; done && shape->cell && i < shape->layers; i++)
        done = layer_init(body, i);
    if (done && !shape->cell)
        done = (body->hidden = floats(positions * shape->hidden)) != NULL;
    if (done && !shape->cell && shape->layer_norm)
        done = (body->norm_cache = floats(positions * (shape->hidden + 1))) != NULL;
    if (!done || !body->training)
        return done;
    body->input_mask = floats((shape->cell ? body->rows : words) * shape->embedding);
    body->word_scale = floats(words);
    body->dembedded = floats(words * shape->embedding);
    body->dflow = floats(positions * widest(shape));
    return body->input_mask && body->word_scale && body->dembedded && body->dflow;
}

enum err body_new(const struct shape *shape, size_t rows, size_t steps, bool training,
                  struct body **out)
{
    *out = NULL;
    struct body *body = memory_new_array(1, sizeof *body);
    if (!body)
        return ERR_NO_MEMORY;
    body->shape = shape;
    body->rows = rows;
    body->steps_max = shape->cell ? steps : 1;
    body->training = training;
    if (!allocate(body)) {
        body_free(body);
        return ERR_NO_MEMORY;
    }
    *out = body;
    return ERR_OK;
}

void body_free(struct body *body)
{
    if (!body)
        return;
    for (size_t i = 0; i < SHAPE_LAYERS_MAX; i++) {
        struct layer *layer = &body->layers[i];
        if (layer->out != layer->normal)
            free(layer->out);
        if (layer->normal != layer->h)
            free(layer->normal);
        free(layer->norm_cache);
        free(layer->h);
        free(layer->state);
        free(layer->dstate);
        free(layer->mask);
        free(layer->cache);
        free(layer->thinned);
        free(layer->thin_mask);
    }
    free(body->embedded);
    free(body->input_mask);
    free(body->word_scale);
    free(body->dembedded);
    free(body->dflow);
    free(body->hidden);
    free(body->norm_cache);
    free(body);
}

size_t body_layer_state(const struct body *body, unsigned layer)
{
    const struct cell_size *size = &body->layers[layer].size;
    return body->shape->cell->state_parts * size->rows * size->hidden;
}

float *body_state(struct body *body, unsigned layer)
{
    return body->layers[layer].state;
}

void body_reset(struct body *body)
{
    for (unsigned i = 0; body->shape->cell && i < body->shape->layers; i++)
        memset(body->layers[i].state, 0, body_layer_state(body, i) * sizeof(float));
}

const float *body_activations(const struct body *body, unsigned layer)
{
    return body->shape->cell ? body->layers[layer].h : body->hidden;
}

/* ---- embedding ---- */

/* Whole-word dropout must treat a word alike wherever it stands in the batch: the word's
 * fate is drawn from a generator seeded by the batch and the word. */
static void draw_words(struct body *body, double p, uint64_t batch_seed,
                       const uint32_t *ids)
{
    for (size_t i = 0; i < body->words; i++) {
        struct random word;
        random_seed(&word, batch_seed, ids[i]);
        body->word_scale[i] = random_uniform(&word) < p ? 0 : (float)(1 / (1 - p));
    }
}

static void embed(struct body *body, const float *values, const uint32_t *ids)
{
    const struct shape *shape = body->shape;
    const float *table = values + shape->embedding_at;
    for (size_t i = 0; i < body->words; i++)
        memcpy(body->embedded + i * shape->embedding,
               table + (size_t)ids[i] * shape->embedding,
               shape->embedding * sizeof *table);
}

/* The same masks serve forward (on the words) and backward (on their gradients). */
static void mask_embedded(const struct body *body, float *rows)
{
    size_t width = body->shape->embedding;
    for (size_t i = 0; body->words_dropped && i < body->words; i++)
        pointwise_scale(width, body->word_scale[i], rows + i * width);
    dropout_apply(body->steps, body->words / body->steps * width, body->input_mask, rows,
                  rows);
}

static void draw_input(struct body *body, const struct body_dropout *dropout,
                       const uint32_t *ids, struct random *random)
{
    body->words_dropped = dropout->words > 0;
    if (body->words_dropped)
        draw_words(body, dropout->words, random_next(random), ids);
    dropout_draw(random, dropout->input,
                 body->words / body->steps * body->shape->embedding, body->input_mask);
    mask_embedded(body, body->embedded);
}

/* ---- the recurrent body ---- */

static void thin(struct layer *layer, const float *weights, double p,
                 struct random *random)
{
    dropout_draw(random, p, layer->recurrent_size, layer->thin_mask);
    memcpy(layer->thinned, weights, layer->weight_count * sizeof *weights);
    pointwise_multiply(layer->recurrent_size, weights + layer->recurrent_at,
                       layer->thin_mask, layer->thinned + layer->recurrent_at);
    layer->weights = layer->thinned;
}

static void normalise(const struct body *body, const float *values, unsigned index)
{
    const struct shape *shape = body->shape;
    const struct layer *layer = &body->layers[index];
    const struct layer_norm_size size = {body->steps * body->rows, layer->size.hidden};
    if (shape->layer_norm)
        layer_norm_forward(&size, values + shape->gain_at[index],
                           values + shape->norm_bias_at[index], layer->h,
                           layer->norm_cache, layer->normal);
}

static void recurrent_forward(struct body *body, const float *values,
                              const struct body_dropout *dropout, struct random *random,
                              float *hidden)
{
    const struct shape *shape = body->shape;
    const float *x = body->embedded;
    for (unsigned i = 0; i < shape->layers; i++) {
        struct layer *layer = &body->layers[i];
        size_t step = body->rows * layer->size.hidden;
        layer->size.steps = body->steps;
        layer->weights = values + shape->layer_at[i];
        if (body->thinned)
            thin(layer, layer->weights, dropout->recurrent, random);
        shape->cell->forward(&layer->size, layer->weights, x, layer->state, layer->h,
                             layer->cache);
        normalise(body, values, i);
        if (body->dropped) {
            double p = i + 1 < shape->layers ? dropout->layers : dropout->output;
            dropout_draw(random, p, step, layer->mask);
            dropout_apply(body->steps, step, layer->mask, layer->normal, layer->out);
        } else if (layer->out != layer->normal) {
            memcpy(layer->out, layer->normal, body->steps * step * sizeof *x);
        }
        x = layer->out;
    }
    memcpy(hidden, x, body->steps * body->rows * shape->output * sizeof *x);
}

/* The gradient of the mean square of h's change: 2 (h[t] - h[t-1]), and its negative for
 * the step before. */
static void penalise_change(size_t steps, size_t step, double weight, const float *h,
                            float *dh)
{
    float to = (float)(2 * weight);
    for (size_t t = 1; t < steps; t++) {
        const float *now = h + t * step, *before = now - step;
        float *dnow = dh + t * step, *dbefore = dnow - step;
        pointwise_add_scaled(step, to, now, dnow);
        pointwise_add_scaled(step, -to, before, dnow);
        pointwise_add_scaled(step, -to, now, dbefore);
        pointwise_add_scaled(step, to, before, dbefore);
    }
}

static void normalise_backward(const struct body *body, const float *values,
                               unsigned index, float *dh, float *inner)
{
    const struct shape *shape = body->shape;
    const struct layer *layer = &body->layers[index];
    const struct layer_norm_size size = {body->steps * body->rows, layer->size.hidden};
    if (shape->layer_norm)
        layer_norm_backward(&size, values + shape->gain_at[index], layer->norm_cache, dh,
                            dh, inner + shape->gain_at[index] - shape->inner_at,
                            inner + shape->norm_bias_at[index] - shape->inner_at);
}

/* Through the last layer's penalties, dropout and normalisation: dh becomes that of the
 * cell's h. */
static void output_backward(const struct body *body, const float *values, unsigned index,
                            float *dh, float *inner)
{
    const struct layer *layer = &body->layers[index];
    const struct body_penalties *penalties = &body->penalties;
    double elements = (double)penalties->elements;
    size_t step = body->rows * layer->size.hidden;
    bool last = index + 1 == body->shape->layers;
    if (last && penalties->activation > 0)
        pointwise_add_scaled(body->steps * step,
                             (float)(2 * penalties->activation / elements), layer->out,
                             dh);
    if (body->dropped)
        dropout_apply(body->steps, step, layer->mask, dh, dh);
    normalise_backward(body, values, index, dh, inner);
    if (last && penalties->slowness > 0)
        penalise_change(body->steps, step, penalties->slowness / elements, layer->h, dh);
}

static void layer_backward(struct body *body, const float *values, unsigned index,
                           float *dh, float *dx, float *inner)
{
    struct layer *layer = &body->layers[index];
    const float *x = index == 0 ? body->embedded : body->layers[index - 1].out;
    float *part = inner + body->shape->layer_at[index] - body->shape->inner_at;
    output_backward(body, values, index, dh, inner);
    memset(layer->dstate, 0, body_layer_state(body, index) * sizeof(float));
    body->shape->cell->backward(&layer->size, layer->weights, x, layer->h, layer->cache,
                                dh, layer->dstate, dx, part);
    if (body->thinned)
        pointwise_multiply(layer->recurrent_size, part + layer->recurrent_at,
                           layer->thin_mask, part + layer->recurrent_at);
}

static void recurrent_backward(struct body *body, const float *values, float *dhidden,
                               float *inner)
{
    float *dh = dhidden, *other = body->dflow;
    for (unsigned i = body->shape->layers; i-- > 0;) {
        float *dx = i == 0 ? body->dembedded : other;
        layer_backward(body, values, i, dh, dx, inner);
        other = dh;
        dh = dx;
    }
}

/* ---- the feed-forward body ---- */

static void activate(enum shape_activation activation, size_t count, float *h)
{
    if (activation == ACTIVATION_TANH)
        pointwise_tanh(count, h, h);
    else if (activation == ACTIVATION_RELU)
        pointwise_relu(count, h, h);
    else
        pointwise_logistic(count, h, h);
}

/* dh ← dh times the activation's derivative, told from its value. */
static void through_activation(enum shape_activation activation, size_t count,
                               const float *h, float *dh)
{
    for (size_t i = 0; i < count; i++)
        dh[i] *= activation == ACTIVATION_TANH   ? 1 - h[i] * h[i]
                 : activation == ACTIVATION_RELU ? (float)(h[i] > 0)
                                                 : h[i] * (1 - h[i]);
}

static void feedforward_forward(struct body *body, const float *values,
                                const struct body_dropout *dropout, struct random *random,
                                float *hidden)
{
    const struct shape *shape = body->shape;
    size_t wide = shape->context * shape->embedding, h = shape->hidden;
    for (size_t i = 0; i < body->rows; i++)
        memcpy(body->hidden + i * h, values + shape->hidden_bias_at, h * sizeof *values);
    gemm_nt(GEMM_ADD, body->rows, h, wide, body->embedded, wide,
            values + shape->hidden_at, wide, body->hidden, h);
    for (size_t i = 0; shape->layer_norm && i < body->rows; i++)
        layer_norm_forward(&(struct layer_norm_size){1, h}, values + shape->gain_at[0],
                           values + shape->norm_bias_at[0], body->hidden + i * h,
                           body->norm_cache + i * (h + 1), body->hidden + i * h);
    activate(shape->activation, body->rows * h, body->hidden);
    if (body->dropped)
        dropout_draw(random, dropout->output, body->rows * h, body->dflow);
    for (size_t i = 0; i < body->rows; i++) {
        float *row = hidden + i * shape->output;
        memcpy(row, body->hidden + i * h, h * sizeof *row);
        if (body->dropped)
            pointwise_multiply(h, row, body->dflow + i * h, row);
        if (shape->direct)
            memcpy(row + h, body->embedded + i * wide, wide * sizeof *row);
    }
}

static void feedforward_backward(struct body *body, const float *values, float *dhidden,
                                 float *inner)
{
    const struct shape *shape = body->shape;
    size_t wide = shape->context * shape->embedding, h = shape->hidden;
    size_t output = shape->output;
    for (size_t i = 0; i < body->rows; i++) {
        float *row = dhidden + i * output;
        if (body->dropped)
            pointwise_multiply(h, row, body->dflow + i * h, row);
        through_activation(shape->activation, h, body->hidden + i * h, row);
        if (shape->layer_norm)
            layer_norm_backward(&(struct layer_norm_size){1, h},
                                values + shape->gain_at[0],
                                body->norm_cache + i * (h + 1), row, row,
                                inner + shape->gain_at[0] - shape->inner_at,
                                inner + shape->norm_bias_at[0] - shape->inner_at);
        pointwise_add_scaled(h, 1, row, inner + shape->hidden_bias_at - shape->inner_at);
    }
    gemm_tn(GEMM_ADD, h, wide, body->rows, dhidden, output, body->embedded, wide,
            inner + shape->hidden_at - shape->inner_at, wide);
    gemm_nn(GEMM_SET, body->rows, wide, h, dhidden, output, values + shape->hidden_at,
            wide, body->dembedded, wide);
    for (size_t i = 0; shape->direct && i < body->rows; i++)
        pointwise_add_scaled(wide, 1, dhidden + i * output + h,
                             body->dembedded + i * wide);
}

/* ---- both ---- */

void body_forward(struct body *body, const float *values, const uint32_t *ids,
                  size_t steps, const struct body_dropout *dropout, struct random *random,
                  float *hidden)
{
    const struct shape *shape = body->shape;
    body->steps = shape->cell ? steps : 1;
    body->words = body->rows * (shape->cell ? steps : shape->context);
    body->dropped = dropout != NULL;
    body->thinned = dropout && dropout->recurrent > 0;
    embed(body, values, ids);
    if (dropout)
        draw_input(body, dropout, ids, random);
    if (shape->cell)
        recurrent_forward(body, values, dropout, random, hidden);
    else
        feedforward_forward(body, values, dropout, random, hidden);
}

const float *body_backward(struct body *body, const float *values,
                           const struct body_penalties *penalties, float *dhidden,
                           float *inner)
{
    body->penalties = *penalties;
    if (body->shape->cell)
        recurrent_backward(body, values, dhidden, inner);
    else
        feedforward_backward(body, values, dhidden, inner);
    if (body->dropped)
        mask_embedded(body, body->dembedded);
    return body->dembedded;
}

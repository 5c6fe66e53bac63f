/* SPDX-License-Identifier: MIT */
/* Using a neural language model. Everything is batched: states are gathered into a body
 * of as many rows, and their distributions are one product of the output layer. A body is
 * made for each call, so the model itself stays immutable and may be used by any number
 * of threads. */
#include "model/neural/neural_lm.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/neural/body.h"
#include "model/neural/network.h"
#include "model/neural/neural_score.h"
#include "model/neural/neural_stream.h"
#include "model/nn/layer_norm.h"
#include "model/nn/softmax.h"
#include "model/text/vocab.h"

enum { BATCH = 16 }; /* states a step takes at once */

struct neural_lm {
    struct lm head;
    struct shape shape;
    const float *values;
    float *own_values;
    void *start; /* the state at the start of a text */
};

static const struct neural_lm *neural(const struct lm *lm)
{
    return (const struct neural_lm *)(const void *)lm;
}

/* ---- states ---- */

static void start(const struct lm *lm, bool bos, void *state)
{
    const struct neural_lm *self = neural(lm);
    if (bos || !self->shape.cell)
        memcpy(state, self->start, lm->state_size);
    else
        memset(state, 0, lm->state_size);
}

/* Copies the states of all sequences into the body's layers, or back out of them. */
static void move_states(const struct shape *shape, struct body *body, size_t count,
                        void *const *states, bool in)
{
    size_t at = 0;
    for (unsigned i = 0; i < shape->layers; i++) {
        size_t width = shape_layer_output(shape, i);
        float *layer = body_state(body, i);
        for (size_t part = 0; part < shape->cell->state_parts; part++, at += width)
            for (size_t row = 0; row < count; row++) {
                float *outside = (float *)states[row] + at;
                float *inside = layer + (part * count + row) * width;
                memcpy(in ? inside : outside, in ? outside : inside,
                       width * sizeof *inside);
            }
    }
}

static void shift_context(const struct shape *shape, uint32_t *state, uint32_t token)
{
    memmove(state, state + 1, (shape->context - 1) * sizeof *state);
    state[shape->context - 1] = token;
}

static enum err advance(const struct lm *lm, size_t count, void *const *states,
                        const uint32_t *tokens)
{
    const struct neural_lm *self = neural(lm);
    const struct shape *shape = &self->shape;
    struct body *body;
    for (size_t i = 0; !shape->cell && i < count; i++)
        shift_context(shape, states[i], tokens[i]);
    if (!shape->cell || count == 0)
        return ERR_OK;
    float *hidden = memory_new_aligned(count * shape->output, sizeof *hidden);
    enum err code = hidden ? body_new(shape, count, 1, false, &body) : ERR_NO_MEMORY;
    if (!code) {
        move_states(shape, body, count, states, true);
        body_forward(body, self->values, tokens, 1, NULL, NULL, hidden);
        move_states(shape, body, count, states, false);
        body_free(body);
    }
    free(hidden);
    return code;
}

/* ---- the distribution ---- */

static enum err normalise_hidden(const struct neural_lm *self, size_t count,
                                 float *hidden)
{
    const struct shape *shape = &self->shape;
    const struct layer_norm_size size = {count, shape->output};
    const unsigned last = shape->layers - 1;
    if (!shape->layer_norm)
        return ERR_OK;
    float *cache = memory_new_aligned(layer_norm_cache_size(&size), sizeof *cache);
    if (!cache)
        return ERR_NO_MEMORY;
    layer_norm_forward(&size, self->values + shape->gain_at[last],
                       self->values + shape->norm_bias_at[last], hidden, cache, hidden);
    free(cache);
    return ERR_OK;
}

/* The hidden vectors of states: a recurrent state holds it as the last layer's h. */
static enum err hidden_of_states(const struct neural_lm *self, size_t count,
                                 const void *const *states, float *hidden)
{
    const struct shape *shape = &self->shape;
    size_t size = shape->output, context = shape->context;
    if (shape->cell) {
        size_t at = network_state_size(shape) - shape->cell->state_parts * size;
        for (size_t i = 0; i < count; i++)
            memcpy(hidden + i * size, (const float *)states[i] + at,
                   size * sizeof *hidden);
        return normalise_hidden(self, count, hidden);
    }
    struct body *body = NULL;
    uint32_t *ids = memory_new_array(count, context * sizeof *ids);
    enum err code = ids ? body_new(shape, count, 1, false, &body) : ERR_NO_MEMORY;
    if (!code) {
        for (size_t i = 0; i < count; i++)
            memcpy(ids + i * context, states[i], context * sizeof *ids);
        body_forward(body, self->values, ids, 1, NULL, NULL, hidden);
    }
    body_free(body);
    free(ids);
    return code;
}

static enum err distribution(const struct lm *lm, size_t count, const void *const *states,
                             float *const *logprobs)
{
    const struct neural_lm *self = neural(lm);
    if (count == 0)
        return ERR_OK;
    float *hidden = memory_new_aligned(count * self->shape.output, sizeof *hidden);
    enum err code =
        hidden ? hidden_of_states(self, count, states, hidden) : ERR_NO_MEMORY;
    if (!code)
        code = softmax_distribution(&self->shape.softmax, self->values, count, hidden,
                                    logprobs);
    free(hidden);
    return code;
}

/* ---- scoring segments ---- */

static enum err score(const struct lm *lm, struct lm_segment *segments, size_t count)
{
    const struct neural_lm *self = neural(lm);
    enum err code =
        neural_score(&self->shape, self->values, lm->threads, segments, count);
    for (size_t i = 0; i < count && !code; i++) {
        if (segments[i].orders)
            memset(segments[i].orders, 0, segments[i].count);
        if (!segments[i].bos && self->shape.cell)
            code = lm_score_by_steps(lm, &segments[i], 1);
    }
    return code;
}

/* ---- streams and making ---- */

static enum err open_stream(const struct lm *lm, const struct lm_stream_options *options,
                            struct lm_stream **stream)
{
    const struct neural_lm *self = neural(lm);
    return neural_stream_open(lm, &self->shape, self->values, options, stream);
}

static void free_lm(struct lm *lm)
{
    struct neural_lm *self = (struct neural_lm *)(void *)lm;
    if (!self)
        return;
    free(self->own_values);
    free(self->start);
    free(self);
}

static const struct lm_ops neural_ops = {.start = start,
                                         .advance = advance,
                                         .distribution = distribution,
                                         .score = score,
                                         .open_stream = open_stream,
                                         .free = free_lm};

static enum err make_start(struct neural_lm *self)
{
    const struct shape *shape = &self->shape;
    self->start = memory_new_aligned(self->head.state_size, 1);
    if (!self->start)
        return ERR_NO_MEMORY;
    if (shape->cell)
        return advance(&self->head, 1, &self->start, &(uint32_t){VOCAB_EOS});
    for (unsigned k = 0; k < shape->context; k++)
        ((uint32_t *)self->start)[k] = VOCAB_BOS;
    return ERR_OK;
}

enum err neural_lm_new(const struct shape *shape, const float *values, struct lm **out)
{
    *out = NULL;
    struct neural_lm *self = memory_new_array(1, sizeof *self);
    if (!self)
        return ERR_NO_MEMORY;
    size_t words = shape->cell ? network_state_size(shape) : shape->context;
    self->head = (struct lm){.ops = &neural_ops,
                             .vocab_size = shape->vocab,
                             .state_size = (words * sizeof(float) + 7) / 8 * 8,
                             .batch = BATCH,
                             .adapts = true,
                             .context_max = shape->cell ? 0 : shape->context};
    self->shape = *shape;
    self->values = values;
    enum err code = make_start(self);
    if (code) {
        free_lm(&self->head);
        return code;
    }
    *out = &self->head;
    return ERR_OK;
}

enum err neural_lm_new_take(const struct shape *shape, float *values, struct lm **out)
{
    enum err code = neural_lm_new(shape, values, out);
    if (code)
        free(values);
    else
        ((struct neural_lm *)(void *)*out)->own_values = values;
    return code;
}

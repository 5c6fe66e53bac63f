/* SPDX-License-Identifier: MIT */
/* One text in order through a neural model. Positions (an input token and the token to
 * predict behind it) are gathered over the borders of segments into pieces of CHUNK; a
 * piece is one run of the body, one product of the output layer, one of the cache. The
 * body keeps the state from piece to piece, so nothing grows with the text.
 *
 * A recurrent model reads one token behind: `pending` is the last token of the text,
 * which is fed when the next is to be predicted. Without `carry` every segment begins
 * with the zero state. The feed-forward model's context never reaches beyond the segment.
 */
#include "model/neural/neural_stream.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/neural/adapter.h"
#include "model/neural/body.h"
#include "model/neural/hidden_cache.h"
#include "model/nn/softmax.h"
#include "model/text/vocab.h"

enum { CHUNK = 64 };

struct neural_stream {
    struct lm_stream head;
    const struct lm *lm;
    const struct shape *shape;
    const float *values;
    struct lm_stream_options options;
    struct body *body;
    struct softmax *softmax;
    struct hidden_cache *cache;          /* or NULL */
    struct adapter *adapter;             /* or NULL: owns `values` */
    bool begun;                          /* something stands before */
    uint32_t pending;                    /* recurrent: not fed yet */
    uint32_t context[SHAPE_CONTEXT_MAX]; /* feed-forward: the last words */
    /* The piece being gathered. */
    size_t count;
    uint32_t *inputs;  /* [CHUNK][context or 1] */
    uint32_t *targets; /* [CHUNK] */
    float **places;    /* [CHUNK] where log-probabilities go; NULL: not asked for */
    float *hidden;     /* [CHUNK][output] */
    float *logprobs;   /* [CHUNK] */
};

static void free_stream(struct lm_stream *stream)
{
    struct neural_stream *self = (struct neural_stream *)(void *)stream;
    if (!self)
        return;
    body_free(self->body);
    softmax_free(self->softmax);
    hidden_cache_free(self->cache);
    adapter_free(self->adapter);
    free(self->inputs);
    free(self->targets);
    free(self->places);
    free(self->hidden);
    free(self->logprobs);
    free(self);
}

/* ---- pieces ---- */

static enum err output(struct neural_stream *self)
{
    const struct shape *shape = self->shape;
    struct softmax_batch batch = {.rows = self->count,
                                  .size = shape->output,
                                  .hidden = self->hidden,
                                  .targets = self->targets,
                                  .logprobs = self->logprobs};
    enum err code = softmax_run(self->softmax, self->values, &batch, NULL);
    for (size_t i = 0; i < self->count && !code; i++)
        if (self->targets[i] == VOCAB_BOS)
            self->logprobs[i] = -INFINITY;
    return code;
}

/* Scores the piece gathered so far. The feed-forward body always runs over CHUNK rows;
 * those behind the piece are whatever stood there before. */
static enum err run(struct neural_stream *self)
{
    if (self->count == 0)
        return ERR_OK;
    if (self->adapter)
        adapter_begin(self->adapter, self->body);
    body_forward(self->body, self->values, self->inputs, self->count, NULL, NULL,
                 self->hidden);
    enum err code = output(self);
    if (!code && self->cache)
        hidden_cache_mix(self->cache, self->count, self->hidden, self->shape->output,
                         self->targets, self->logprobs);
    for (size_t i = 0; i < self->count && !code; i++)
        if (self->places[i])
            *self->places[i] = self->logprobs[i];
    if (!code && self->adapter)
        code = adapter_learn(self->adapter, self->inputs, self->targets, self->count);
    self->count = 0;
    return code;
}

static size_t piece_size(const struct neural_stream *self)
{
    size_t room = self->adapter ? adapter_room(self->adapter) : CHUNK;
    return room < CHUNK ? room : CHUNK;
}

/* One more position: predicts `target` behind what was read, and reads it. */
static enum err put(struct neural_stream *self, uint32_t target, float *place)
{
    size_t context = self->shape->context;
    if (self->shape->cell) {
        self->inputs[self->count] = self->pending;
        self->pending = target;
    } else {
        uint32_t *words = self->context;
        memcpy(self->inputs + self->count * context, words, context * sizeof *words);
        memmove(words, words + 1, (context - 1) * sizeof *words);
        words[context - 1] = target;
    }
    self->targets[self->count] = target;
    self->places[self->count] = place;
    return ++self->count == piece_size(self) ? run(self) : ERR_OK;
}

/* ---- segments ---- */

/* The first token of a text that begins nowhere: nothing can be fed before it. */
static enum err score_first(struct neural_stream *self, const struct lm_segment *segment)
{
    const struct lm *lm = self->lm;
    void *state = lm_new_states(lm, 1);
    if (!state)
        return ERR_NO_MEMORY;
    lm->ops->start(lm, false, state);
    enum err code = lm_logprob(lm, state, segment->tokens[0], &segment->logprobs[0]);
    self->pending = segment->tokens[0];
    free(state);
    return code;
}

/* Brings the recurrent model to the beginning of a segment; *done tokens of it are
 * scored then. */
static enum err begin_recurrent(struct neural_stream *self,
                                const struct lm_segment *segment, size_t *done)
{
    enum err code = ERR_OK;
    if (self->begun && self->options.carry)
        return segment->bos && self->pending != VOCAB_EOS ? put(self, VOCAB_EOS, NULL)
                                                          : ERR_OK;
    code = run(self);
    if (!code && self->adapter)
        code = adapter_end(self->adapter);
    body_reset(self->body);
    self->pending = VOCAB_EOS;
    if (code || segment->bos)
        return code;
    *done = 1;
    return score_first(self, segment);
}

static void begin_context(struct neural_stream *self, bool bos)
{
    if (self->begun && self->options.carry && !bos)
        return;
    for (size_t k = 0; k < self->shape->context; k++)
        self->context[k] = VOCAB_BOS;
}

static enum err score_segment(struct neural_stream *self,
                              const struct lm_segment *segment)
{
    enum err code = ERR_OK;
    size_t done = 0;
    if (segment->orders)
        memset(segment->orders, 0, segment->count);
    if (segment->count == 0)
        return ERR_OK;
    if (self->shape->cell)
        code = begin_recurrent(self, segment, &done);
    else
        begin_context(self, segment->bos);
    self->begun = true;
    for (size_t i = done; i < segment->count && !code; i++)
        code = put(self, segment->tokens[i], &segment->logprobs[i]);
    return code;
}

static enum err score(struct lm_stream *stream, struct lm_segment *segments, size_t count)
{
    struct neural_stream *self = (struct neural_stream *)(void *)stream;
    enum err code = ERR_OK;
    for (size_t i = 0; i < count && !code; i++)
        code = score_segment(self, &segments[i]);
    return code ? code : run(self);
}

/* ---- making ---- */

static const struct lm_stream_ops stream_ops = {.score = score, .free = free_stream};

/* How many numbers of a hidden vector the cache compares: not the feed-forward model's
 * direct connections, which are its input words over again. */
static size_t compared(const struct shape *shape)
{
    return shape->cell ? shape->output : shape->hidden;
}

static enum err allocate(struct neural_stream *self)
{
    const struct shape *shape = self->shape;
    size_t context = shape->cell ? 1 : shape->context;
    self->inputs = memory_new_array(CHUNK * context, sizeof *self->inputs);
    self->targets = memory_new_array(CHUNK, sizeof *self->targets);
    self->places = memory_new_array(CHUNK, sizeof *self->places);
    self->hidden = memory_new_aligned(CHUNK * shape->output, sizeof *self->hidden);
    self->logprobs = memory_new_aligned(CHUNK, sizeof *self->logprobs);
    if (!self->inputs || !self->targets || !self->places || !self->hidden ||
        !self->logprobs)
        return ERR_NO_MEMORY;
    enum err code = shape->cell ? body_new(shape, 1, CHUNK, false, &self->body)
                                : body_new(shape, CHUNK, 1, false, &self->body);
    if (!code)
        code = softmax_new(&shape->softmax, CHUNK, 1, 0, &self->softmax);
    if (!code && self->options.dynamic.rate > 0)
        code = adapter_new(shape, self->values, &self->options.dynamic, &self->adapter);
    if (self->adapter)
        self->values = adapter_values(self->adapter);
    if (!code && self->options.cache.size > 0)
        code =
            hidden_cache_new(&self->options.cache, compared(shape), CHUNK, &self->cache);
    return code;
}

enum err neural_stream_open(const struct lm *lm, const struct shape *shape,
                            const float *values, const struct lm_stream_options *options,
                            struct lm_stream **stream)
{
    *stream = NULL;
    struct neural_stream *self = memory_new_array(1, sizeof *self);
    if (!self)
        return ERR_NO_MEMORY;
    *self = (struct neural_stream){.head = {&stream_ops},
                                   .lm = lm,
                                   .shape = shape,
                                   .values = values,
                                   .options = *options};
    enum err code = allocate(self);
    if (code)
        free_stream(&self->head);
    else
        *stream = &self->head;
    return code;
}

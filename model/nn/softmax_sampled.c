/* SPDX-License-Identifier: MIT */
/* The sampled softmax: in training each row's target is set off against a sample of the
 * vocabulary that the whole batch shares, instead of against all of it; in use it is the
 * full softmax over the same weights (Bengio and Senécal 2003; Jean et al. 2015).
 *
 * Each word is drawn by itself, with a probability π that falls with its rank as
 * log-uniform frequencies do, at most 1, and such that the sample has the wanted size on
 * average. Counting a drawn word 1/π times (its logit less log π) makes the normaliser an
 * unbiased estimate, in which frequent words, whose π is 1, have no variance at all. A
 * row's own target is counted once, as itself, and left out of its sample.
 *
 * The draw is a function of seed and step alone, so a resumed training sees the words an
 * unbroken one does. The gradient exists in the rows of drawn words and targets only. */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "model/nn/pointwise.h"
#include "model/nn/softmax_int.h"

enum { BISECTIONS = 60 };
static const uint64_t SAMPLE_STREAM = (uint64_t)1 << 32; /* above those of other uses */

struct sampled {
    struct softmax head;
    bool ready;
    size_t sample_max;  /* more words than this are not drawn: once in 10¹⁰ steps */
    size_t sample_size; /* of this batch */
    float *chances;     /* [vocab] π */
    uint32_t *places;   /* [vocab] a word's place in the sample, or SOFTMAX_NO_WORD */
    uint32_t *words;    /* [sample_max + rows_max] drawn words, then other targets */
    float *weights, *bias, *dweights, *dbias; /* of the sample, gathered */
    uint32_t *left_out;                       /* [rows_max] the target's place */
    float *own;                               /* [rows_max] the targets' logits */
};

static struct sampled *sampled(struct softmax *softmax)
{
    return (struct sampled *)(void *)softmax;
}

/* ---- setting up, at the first run that learns ---- */

static double sum_of_chances(const float *weights, uint32_t vocab, double factor)
{
    double sum = 0;
    for (uint32_t word = 0; word < vocab; word++)
        sum += fmin(1, factor * (double)weights[word]);
    return sum;
}

/* π = min(1, factor · log((rank + 2) / (rank + 1))), the factor found by bisection. */
static void set_chances(struct sampled *self)
{
    const struct softmax_layout *layout = self->head.layout;
    uint32_t vocab = layout->vocab;
    float *chances = self->chances;
    double low = 0, high = 2 * (double)layout->samples * (vocab + 2.0);
    for (uint32_t word = 0; word < vocab; word++)
        chances[word] = word == layout->never ? 0 : (float)log1p(1 / (word + 1.0));
    for (int i = 0; i < BISECTIONS; i++) {
        double middle = (low + high) / 2;
        bool more = sum_of_chances(chances, vocab, middle) < (double)layout->samples;
        low = more ? middle : low;
        high = more ? high : middle;
    }
    for (uint32_t word = 0; word < vocab; word++)
        chances[word] = fminf(1, (float)(high * (double)chances[word]));
}

static void fini(struct softmax *softmax)
{
    struct sampled *self = sampled(softmax);
    free(self->chances);
    free(self->places);
    free(self->words);
    free(self->weights);
    free(self->dweights);
    free(self->bias);
    free(self->dbias);
    free(self->left_out);
    free(self->own);
}

static enum err prepare(struct sampled *self)
{
    const struct softmax_layout *layout = self->head.layout;
    size_t vocab = layout->vocab, rows = self->head.rows_max, wanted = layout->samples;
    size_t most =
        wanted < vocab ? wanted + 10 * (size_t)sqrt((double)wanted) + 64 : vocab;
    size_t cells;
    fini(&self->head); /* what an earlier try left */
    self->sample_max = most < vocab ? most : vocab;
    if (!memory_multiply(self->sample_max, layout->size, &cells))
        return ERR_NO_MEMORY;
    self->chances = memory_new_aligned(vocab, sizeof(float));
    self->places = memory_new_array(vocab, sizeof(uint32_t));
    self->words = memory_new_array(self->sample_max + rows, sizeof(uint32_t));
    self->weights = memory_new_aligned(cells, sizeof(float));
    self->dweights = memory_new_aligned(cells, sizeof(float));
    self->bias = memory_new_aligned(self->sample_max, sizeof(float));
    self->dbias = memory_new_aligned(self->sample_max, sizeof(float));
    self->left_out = memory_new_array(rows, sizeof(uint32_t));
    self->own = memory_new_aligned(rows, sizeof(float));
    if (!self->chances || !self->places || !self->words || !self->weights ||
        !self->dweights || !self->bias || !self->dbias || !self->left_out || !self->own)
        return ERR_NO_MEMORY;
    set_chances(self);
    memset(self->places, 0xff, vocab * sizeof *self->places);
    self->ready = true;
    return ERR_OK;
}

/* ---- a batch ---- */

/* Draws the batch's words and gathers what belongs to them. */
static void draw(struct sampled *self, const float *values, uint64_t number)
{
    const struct softmax_layout *layout = self->head.layout;
    size_t size = layout->size, count = 0;
    struct random random;
    random_seed(&random, self->head.seed, SAMPLE_STREAM + number);
    for (uint32_t word = 0; word < layout->vocab && count < self->sample_max; word++) {
        float chance = self->chances[word];
        if (chance < 1 && random_uniform(&random) >= (double)chance)
            continue;
        self->places[word] = (uint32_t)count;
        self->words[count] = word;
        self->bias[count] = values[layout->bias_at + word] - logf(chance);
        memcpy(self->weights + count * size, values + layout->weights_at + word * size,
               size * sizeof *values);
        count++;
    }
    self->sample_size = count;
}

/* Targets outside the sample are touched too. */
static size_t add_targets(struct sampled *self, const struct softmax_batch *batch)
{
    size_t count = self->sample_size;
    for (size_t row = 0; row < batch->rows; row++) {
        uint32_t target = batch->targets[row];
        self->left_out[row] = self->places[target] < self->sample_size
                                  ? self->places[target]
                                  : SOFTMAX_NO_WORD;
        if (self->places[target] == SOFTMAX_NO_WORD) {
            self->places[target] = (uint32_t)count;
            self->words[count++] = target;
        }
    }
    return count;
}

static void score_targets(struct sampled *self, const float *values,
                          const struct softmax_batch *batch)
{
    const struct softmax_layout *layout = self->head.layout;
    for (size_t row = 0; row < batch->rows; row++) {
        size_t target = batch->targets[row];
        const float *weights = values + layout->weights_at + target * batch->size;
        self->own[row] = (float)(pointwise_dot(batch->size, weights,
                                               batch->hidden + row * batch->size) +
                                 (double)values[layout->bias_at + target]);
    }
}

/* Brings the sample's gradient into the block, and adds the targets'. */
static void scatter(struct sampled *self, const float *values,
                    const struct softmax_batch *batch, size_t touched, float *gradient)
{
    const struct softmax_layout *layout = self->head.layout;
    size_t size = batch->size;
    float *rows = gradient + layout->weights_at, *dbias = gradient + layout->bias_at;
    memset(dbias, 0, layout->vocab * sizeof *dbias);
    for (size_t i = 0; i < touched; i++) {
        float *row = rows + self->words[i] * size;
        if (i < self->sample_size) {
            memcpy(row, self->dweights + i * size, size * sizeof *row);
            dbias[self->words[i]] = self->dbias[i];
        } else {
            memset(row, 0, size * sizeof *row);
        }
        self->places[self->words[i]] = SOFTMAX_NO_WORD;
    }
    for (size_t row = 0; row < batch->rows; row++) {
        size_t target = batch->targets[row];
        pointwise_add_scaled(size, self->own[row], batch->hidden + row * size,
                             rows + target * size);
        pointwise_add_scaled(size, self->own[row],
                             values + layout->weights_at + target * size,
                             batch->dhidden + row * size);
        dbias[target] += self->own[row];
    }
}

static enum err run(struct softmax *softmax, const float *values,
                    struct softmax_batch *batch, float *gradient)
{
    struct sampled *self = sampled(softmax);
    if (!gradient)
        return softmax_full_ops.run(softmax, values, batch, NULL);
    enum err code = self->ready ? ERR_OK : prepare(self);
    if (code)
        return code;
    draw(self, values, batch->draw);
    size_t touched = add_targets(self, batch);
    score_targets(self, values, batch);
    struct tiles_part part = {
        .rows = batch->rows,
        .size = batch->size,
        .segment_count = 1,
        .segments = {{self->sample_size, self->weights, self->bias, self->dweights,
                      self->dbias}},
        .hidden = batch->hidden,
        .targets = self->left_out,
        .logprobs = batch->logprobs,
        .dhidden = batch->dhidden,
        .scale = 1.0f / (float)batch->rows,
        .own = self->own,
    };
    code = tiles_run(softmax->tiles, &part, 1);
    if (code)
        return code;
    scatter(self, values, batch, touched, gradient);
    batch->touched = self->words;
    batch->touched_count = touched;
    return ERR_OK;
}

const struct softmax_ops softmax_sampled_ops = {
    .size = sizeof(struct sampled), .fini = fini, .run = run};

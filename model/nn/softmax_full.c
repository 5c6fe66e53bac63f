/* SPDX-License-Identifier: MIT */
/* The full softmax with cross-entropy, forward and backward in two sweeps over tiles of
 * the vocabulary.
 *
 * First sweep, per tile of TILE words: logits by one matrix product, then at once, while
 * they are in cache, exp(logit - m) with m the row's maximum in this tile, and its sum.
 * The rows' normalisers follow from the tiles' maxima and sums. Second sweep: the stored
 * exponentials are scaled to probabilities, the target's 1 is subtracted, and two
 * products give the tile's weight gradient and its part of the hidden gradient. No
 * exponential is computed twice, and only one array of rows × vocabulary is kept.
 *
 * Threads take whole tiles, a fixed share each; the hidden gradient is summed over
 * threads in a fixed order, so a thread count always gives the same bits. */
#include "model/nn/softmax.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "model/nn/gemm.h"
#include "model/nn/pointwise.h"

enum { TILE = 1024 };

struct softmax_full {
    size_t vocab_size, size, rows_max, tiles;
    unsigned threads;
    float *scores;   /* [tiles][rows][TILE]: exp(logit - maxima) of the batch */
    float *maxima;   /* [tiles][rows] */
    float *sums;     /* [tiles][rows], later the factor from score to gradient */
    float *partials; /* [threads][rows][size]: each thread's hidden gradient */
    /* The call in progress. */
    const float *weights, *bias;
    struct softmax_batch *batch;
    float *dweights, *dbias;
};

enum err softmax_full_new(size_t vocab_size, size_t size, size_t rows_max,
                          unsigned threads, struct softmax_full **out)
{
    size_t tiles = (vocab_size + TILE - 1) / TILE, cells, width;
    *out = NULL;
    struct softmax_full *softmax = memory_new_array(1, sizeof *softmax);
    if (!softmax)
        return ERR_NO_MEMORY;
    *softmax = (struct softmax_full){.vocab_size = vocab_size,
                                     .size = size,
                                     .rows_max = rows_max,
                                     .tiles = tiles,
                                     .threads = threads};
    if (memory_multiply(tiles, rows_max, &cells) &&
        memory_multiply(TILE, sizeof(float), &width)) {
        softmax->scores = memory_new_aligned(cells, width);
        softmax->maxima = memory_new_aligned(cells, sizeof(float));
        softmax->sums = memory_new_aligned(cells, sizeof(float));
    }
    if (memory_multiply(rows_max, size, &cells) &&
        memory_multiply(cells, threads, &cells))
        softmax->partials = memory_new_aligned(cells, sizeof(float));
    if (!softmax->scores || !softmax->maxima || !softmax->sums || !softmax->partials) {
        softmax_full_free(softmax);
        return ERR_NO_MEMORY;
    }
    *out = softmax;
    return ERR_OK;
}

void softmax_full_free(struct softmax_full *softmax)
{
    if (!softmax)
        return;
    free(softmax->scores);
    free(softmax->maxima);
    free(softmax->sums);
    free(softmax->partials);
    free(softmax);
}

static size_t tile_width(const struct softmax_full *softmax, size_t tile)
{
    size_t left = softmax->vocab_size - tile * TILE;
    return left < TILE ? left : TILE;
}

static float *tile_scores(const struct softmax_full *softmax, size_t tile)
{
    return softmax->scores + tile * softmax->batch->rows * TILE;
}

/* First sweep over one tile. */
static void score_tile(struct softmax_full *softmax, size_t tile)
{
    const struct softmax_batch *batch = softmax->batch;
    size_t first = tile * TILE, width = tile_width(softmax, tile), size = batch->size;
    float *scores = tile_scores(softmax, tile);
    for (size_t row = 0; row < batch->rows; row++)
        memcpy(scores + row * TILE, softmax->bias + first, width * sizeof *scores);
    gemm_nt(GEMM_ADD, batch->rows, width, size, batch->hidden, size,
            softmax->weights + first * size, size, scores, TILE);
    for (size_t row = 0; row < batch->rows; row++) {
        float *line = scores + row * TILE, most = pointwise_max(width, line);
        size_t cell = tile * batch->rows + row, target = batch->targets[row];
        if (target - first < width)
            batch->logprobs[row] = line[target - first];
        softmax->maxima[cell] = most;
        softmax->sums[cell] = pointwise_exp_sum(width, line, most, line);
    }
}

/* Between the sweeps: log p of each target, and the factor of each tile's scores. */
static void normalise(struct softmax_full *softmax)
{
    struct softmax_batch *batch = softmax->batch;
    for (size_t row = 0; row < batch->rows; row++) {
        float most = -INFINITY;
        for (size_t tile = 0; tile < softmax->tiles; tile++)
            most = fmaxf(most, softmax->maxima[tile * batch->rows + row]);
        double sum = 0;
        for (size_t tile = 0; tile < softmax->tiles; tile++) {
            size_t cell = tile * batch->rows + row;
            softmax->maxima[cell] = expf(softmax->maxima[cell] - most);
            sum += (double)softmax->sums[cell] * (double)softmax->maxima[cell];
        }
        batch->logprobs[row] -= most + (float)log(sum);
        float share = (float)(1 / (sum * (double)batch->rows));
        for (size_t tile = 0; tile < softmax->tiles; tile++) {
            size_t cell = tile * batch->rows + row;
            softmax->sums[cell] = softmax->maxima[cell] * share;
        }
    }
}

/* Second sweep over one tile, on thread `index`. */
static void differentiate_tile(struct softmax_full *softmax, size_t tile, unsigned index)
{
    const struct softmax_batch *batch = softmax->batch;
    size_t first = tile * TILE, width = tile_width(softmax, tile), size = batch->size;
    float *scores = tile_scores(softmax, tile), *dbias = softmax->dbias + first;
    memset(dbias, 0, width * sizeof *dbias);
    for (size_t row = 0; row < batch->rows; row++) {
        float *line = scores + row * TILE;
        size_t target = batch->targets[row];
        pointwise_scale(width, softmax->sums[tile * batch->rows + row], line);
        if (target - first < width)
            line[target - first] -= 1.0f / (float)batch->rows;
        pointwise_add_scaled(width, 1, line, dbias);
    }
    gemm_tn(GEMM_SET, width, size, batch->rows, scores, TILE, batch->hidden, size,
            softmax->dweights + first * size, size);
    gemm_nn(GEMM_ADD, batch->rows, size, width, scores, TILE,
            softmax->weights + first * size, size,
            softmax->partials + index * batch->rows * size, size);
}

static enum err score_share(void *context, unsigned index, unsigned count)
{
    struct softmax_full *softmax = context;
    for (size_t tile = index; tile < softmax->tiles; tile += count)
        score_tile(softmax, tile);
    return ERR_OK;
}

static enum err differentiate_share(void *context, unsigned index, unsigned count)
{
    struct softmax_full *softmax = context;
    size_t cells = softmax->batch->rows * softmax->batch->size;
    memset(softmax->partials + index * cells, 0, cells * sizeof(float));
    for (size_t tile = index; tile < softmax->tiles; tile += count)
        differentiate_tile(softmax, tile, index);
    return ERR_OK;
}

enum err softmax_full_run(struct softmax_full *softmax, const float *weights,
                          const float *bias, struct softmax_batch *batch, float *dweights,
                          float *dbias)
{
    if (batch->rows > softmax->rows_max || batch->size != softmax->size)
        return ERR_INTERNAL;
    softmax->weights = weights;
    softmax->bias = bias;
    softmax->batch = batch;
    softmax->dweights = dweights;
    softmax->dbias = dbias;
    enum err code = parallel_run(softmax->threads, score_share, softmax);
    if (code)
        return code;
    normalise(softmax);
    if (!batch->dhidden)
        return ERR_OK;
    code = parallel_run(softmax->threads, differentiate_share, softmax);
    size_t cells = batch->rows * batch->size;
    memcpy(batch->dhidden, softmax->partials, cells * sizeof(float));
    for (unsigned i = 1; i < softmax->threads; i++)
        pointwise_add_scaled(cells, 1, softmax->partials + i * cells, batch->dhidden);
    return code;
}

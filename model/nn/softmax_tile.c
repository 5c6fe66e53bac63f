/* SPDX-License-Identifier: MIT */
/* The two sweeps over one tile. Everything is laid out so that the three products need no
 * copy of anything large (see panel.h): scores lie class by class, PANEL_WIDTH rows side
 * by side, so that
 *
 *   scores = W · hiddenᵀ          reads the weights where they lie,
 *   dhiddenᵀ += Wᵀ · scores       has the scores as its panels,
 *   dW = scores · hidden          reads the scores where they lie.
 *
 * Maxima, exponentials and sums run down the classes with a row in each lane, right after
 * the product has left a panel in cache; what else is to be done with the scores is done
 * panel by panel before the second product. The next panel, which comes from memory, is
 * fetched meanwhile. */
#include "model/nn/softmax_tile.h"

#include <string.h>

#include "model/nn/pointwise.h"

/* SCORES: floats of scores that stay in a second-level cache beside the rest. */
enum { SCORES = 196608, WIDTH_MIN = 112, WIDTH_MAX = 1008, BLOCK = 14 };

/* A logit; finite, so that differences are numbers. */
static const float LEFT_OUT = -1e30f;

size_t tile_rows(const struct tiles_part *part)
{
    return (part->rows + PANEL_WIDTH - 1) / PANEL_WIDTH * PANEL_WIDTH;
}

size_t tile_room(const struct tiles_part *part)
{
    return tile_width(part) * (part->size + POINTWISE_LANES);
}

size_t tile_score_rows(const struct tiles_part *part)
{
    return part->dhidden ? tile_rows(part) : PANEL_WIDTH;
}

size_t tile_width(const struct tiles_part *part)
{
    size_t width = part->rows ? SCORES / tile_rows(part) / BLOCK * BLOCK : WIDTH_MAX;
    return width < WIDTH_MIN ? WIDTH_MIN : width > WIDTH_MAX ? WIDTH_MAX : width;
}

static const float *weights_of(const struct tile *tile)
{
    return tile->segment->weights + tile->at * tile->part->size;
}

/* Where the score of class `at` (of the tile) for `row` is. */
static float *score_of(const struct tile *tile, size_t at, size_t row)
{
    return tile->scores + row / PANEL_WIDTH * PANEL_WIDTH * tile->width +
           at * PANEL_WIDTH + row % PANEL_WIDTH;
}

/* Takes the targets' logits from the panel of row `first`, or leaves the classes out. */
static void see_targets(const struct tile *tile, size_t first, float *panel)
{
    struct tiles_part *part = tile->part;
    size_t left = part->rows - first, end = left < PANEL_WIDTH ? left : PANEL_WIDTH;
    for (size_t row = first; row < first + end; row++) {
        size_t at = part->targets[row] - tile->class;
        if (at >= tile->width)
            continue;
        float *score = panel + at * PANEL_WIDTH + row - first;
        if (part->own)
            *score = LEFT_OUT;
        else
            part->logprobs[row] = *score;
    }
}

/* The used columns of the panel that begins with `row`: all, or those of its half. */
static size_t columns_from(const struct tiles_part *part, size_t row)
{
    return part->rows - row <= PANEL_WIDTH / 2 ? PANEL_WIDTH / 2 : PANEL_WIDTH;
}

/* Fetches a share of the panel after that of `row`, to be read or written. */
static void fetch_next(const struct tile *tile, size_t row, size_t index, size_t count)
{
    enum { LINE = 16 };
    if (row + PANEL_WIDTH >= tile->part->rows)
        return;
    const float *panel = score_of(tile, 0, row + PANEL_WIDTH);
    size_t lines = tile->width * PANEL_WIDTH / LINE;
    for (size_t i = lines * index / count; i < lines * (index + 1) / count; i++)
        __builtin_prefetch(panel + i * LINE, 1, 2);
}

/* The unused half of a panel, whose products are not computed, holds zeros. */
static void clear_half(const struct tile *tile, float *scores)
{
    for (size_t at = 0; at < tile->width; at++)
        memset(scores + at * PANEL_WIDTH + PANEL_WIDTH / 2, 0,
               PANEL_WIDTH / 2 * sizeof *scores);
}

void tile_score(const struct tile *tile)
{
    const struct tiles_part *part = tile->part;
    size_t size = part->size, blocks = (tile->width + BLOCK - 1) / BLOCK;
    for (size_t row = 0; row < part->rows; row += PANEL_WIDTH) {
        float *scores = part->dhidden ? score_of(tile, 0, row) : tile->scores;
        for (size_t i = 0; i < blocks; i++) {
            size_t at = tile->width * i / blocks, end = tile->width * (i + 1) / blocks;
            struct panel_product product = {
                .m = end - at,
                .n = columns_from(part, row),
                .k = size,
                .left = panel_rows(weights_of(tile) + at * size, size, size),
                .panels = tile->hidden + row * size,
                .c = scores + at * PANEL_WIDTH,
                .stride = PANEL_WIDTH,
                .store = GEMM_SET,
                .row_start = tile->segment->bias + tile->at + at};
            if (part->dhidden)
                fetch_next(tile, row, i, blocks);
            panel_multiply(&product);
        }
        if (columns_from(part, row) < PANEL_WIDTH)
            clear_half(tile, scores);
        see_targets(tile, row, scores);
        pointwise_columns_max(tile->width, scores, tile->maxima + row);
        pointwise_columns_exp(tile->width, scores, tile->maxima + row, tile->sums + row);
    }
}

/* From a panel of exponentials to gradients of the logits; their sums by class. */
static void to_gradients(const struct tile *tile, size_t first, float *lanes)
{
    const struct tiles_part *part = tile->part;
    size_t left = part->rows - first, end = left < PANEL_WIDTH ? left : PANEL_WIDTH;
    float *scores = score_of(tile, 0, first);
    pointwise_columns_scale(tile->width, tile->sums + first, scores);
    for (size_t row = first; row < first + end && !part->own; row++) {
        size_t at = part->targets[row] - tile->class;
        if (at < tile->width)
            *score_of(tile, at, row) -= part->scale;
    }
    pointwise_columns_add(tile->width, scores, lanes);
}

/* W cut into blocks of columns, each [width][its columns]: the left factors of the second
 * product, lying in the order they are read. */
static void pack_blocks(const struct tile *tile, size_t blocks, float *packed)
{
    size_t size = tile->part->size;
    for (size_t i = 0; i < blocks; i++) {
        size_t first = size * i / blocks, columns = size * (i + 1) / blocks - first;
        const float *weights = weights_of(tile) + first;
        for (size_t at = 0; at < tile->width; at++, packed += columns)
            memcpy(packed, weights + at * size, columns * sizeof *packed);
    }
}

/* dhiddenᵀ += Wᵀ · scores, one panel. */
static void to_hidden(const struct tile *tile, size_t row, size_t blocks,
                      const float *packed)
{
    size_t size = tile->part->size;
    for (size_t i = 0; i < blocks; i++) {
        size_t first = size * i / blocks, columns = size * (i + 1) / blocks - first;
        struct panel_product product = {
            .m = columns,
            .n = columns_from(tile->part, row),
            .k = tile->width,
            .left = {.at = packed, .row = 1, .step = columns, .run = tile->width},
            .panels = score_of(tile, 0, row),
            .c = tile->partial + row * size + first * PANEL_WIDTH,
            .stride = PANEL_WIDTH,
            .store = GEMM_ADD};
        fetch_next(tile, row, i, blocks);
        panel_multiply(&product);
        packed += columns * tile->width;
    }
}

/* dW = scores · hidden. */
static void to_weights(const struct tile *tile)
{
    const struct tiles_part *part = tile->part;
    struct panel_product product = {.m = tile->width,
                                    .n = part->size,
                                    .k = tile_rows(part),
                                    .left = {.at = tile->scores,
                                             .row = PANEL_WIDTH,
                                             .step = 1,
                                             .run = PANEL_WIDTH,
                                             .jump = PANEL_WIDTH * tile->width},
                                    .panels = tile->hidden_rows,
                                    .c = tile->segment->dweights + tile->at * part->size,
                                    .stride = part->size,
                                    .store = GEMM_SET};
    panel_multiply(&product);
}

void tile_differentiate(const struct tile *tile)
{
    const struct tiles_part *part = tile->part;
    size_t blocks = (part->size + BLOCK - 1) / BLOCK;
    float *lanes = tile->room, *packed = lanes + tile->width * POINTWISE_LANES;
    memset(lanes, 0, tile->width * POINTWISE_LANES * sizeof *lanes);
    pack_blocks(tile, blocks, packed);
    for (size_t row = 0; row < part->rows; row += PANEL_WIDTH) {
        to_gradients(tile, row, lanes);
        to_hidden(tile, row, blocks, packed);
    }
    pointwise_sum_lanes(tile->width, lanes, tile->segment->dbias + tile->at);
    to_weights(tile);
}

void tile_pack_hidden(const struct tiles_part *part, float *panels, float *rows)
{
    size_t size = part->size, all = tile_rows(part), filled = part->rows * PANEL_WIDTH;
    panel_pack_transposed(size, part->rows, part->hidden, size, panels);
    if (!part->dhidden)
        return;
    for (size_t first = 0; first < size;
         first += PANEL_WIDTH, rows += all * PANEL_WIDTH) {
        size_t left = size - first;
        panel_pack(part->rows, left < PANEL_WIDTH ? left : PANEL_WIDTH,
                   part->hidden + first, size, rows);
        memset(rows + filled, 0, (all * PANEL_WIDTH - filled) * sizeof *rows);
    }
}

/* SPDX-License-Identifier: MIT */
/* Softmax with cross-entropy, forward and backward in two sweeps over tiles of classes.
 *
 * First sweep, per tile of at most TILE classes: logits by one matrix product, then at
 * once, while they are in cache, exp(logit - m) with m the row's maximum in this tile,
 * and its sum. The rows' normalisers follow from the tiles' maxima and sums. Second
 * sweep: the stored exponentials are scaled to probabilities, the target's 1 is
 * subtracted, and two products give the tile's weight gradient and its part of the hidden
 * gradient. No exponential is computed twice, and only one array of rows × classes is
 * kept; without gradients not even that, but one tile a thread.
 *
 * The tiles of all parts are dealt out to the threads together, each to the thread with
 * the least work so far. The hidden gradients are summed over threads in a fixed order,
 * so a thread count always gives the same bits. */
#include "model/nn/softmax_tiles.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "model/nn/gemm.h"
#include "model/nn/pointwise.h"

enum { TILE = 1024, LINE = 16 };

static const float LEFT_OUT =
    -1e30f; /* a logit; finite, so that differences are numbers */

struct tile {
    struct tiles_part *part;
    const struct tiles_segment *segment;
    size_t at, width, stride; /* first class within the segment; of a row of scores */
    size_t class;             /* the first one's number in the part */
    float *scores;            /* [rows][stride]: exp(logit - maxima) */
    float *maxima;            /* [rows] */
    float *sums;              /* [rows], later the factor from score to gradient */
    float *partial;           /* [rows][size]: its thread's hidden gradient */
    unsigned thread;
};

/* The tiles and arrays of one part. */
struct span_of_tiles {
    size_t first, count;
    float *partials; /* [threads][rows][size] */
};

struct tiles {
    unsigned threads;
    struct tile *list;
    size_t capacity, count;
    struct span_of_tiles spans[TILES_PARTS_MAX];
    float *arena;
    size_t arena_size; /* floats */
    size_t arena_used;
};

enum err tiles_new(unsigned threads, struct tiles **out)
{
    *out = memory_new_array(1, sizeof **out);
    if (!*out)
        return ERR_NO_MEMORY;
    (*out)->threads = threads;
    return ERR_OK;
}

void tiles_free(struct tiles *tiles)
{
    if (!tiles)
        return;
    free(tiles->list);
    free(tiles->arena);
    free(tiles);
}

/* ---- laying out a run ---- */

static size_t tiles_of(const struct tiles_part *part)
{
    size_t count = 0;
    for (size_t i = 0; i < part->segment_count; i++)
        count += (part->segments[i].count + TILE - 1) / TILE;
    return count;
}

static void list_part(struct tiles *tiles, struct tiles_part *part)
{
    size_t class = 0;
    for (size_t i = 0; i < part->segment_count; i++) {
        const struct tiles_segment *segment = &part->segments[i];
        for (size_t at = 0; at < segment->count; at += TILE) {
            size_t left = segment->count - at, width = left < TILE ? left : TILE;
            tiles->list[tiles->count++] =
                (struct tile){.part = part,
                              .segment = segment,
                              .at = at,
                              .width = width,
                              .stride = (width + LINE - 1) / LINE * LINE,
                              .class = class + at};
        }
        class += segment->count;
    }
}

static enum err list_tiles(struct tiles *tiles, struct tiles_part *parts, size_t count)
{
    size_t needed = 0;
    for (size_t i = 0; i < count; i++)
        needed += tiles_of(&parts[i]);
    enum err code =
        memory_grow(&tiles->list, &tiles->capacity, needed, sizeof *tiles->list);
    if (code)
        return code;
    tiles->count = 0;
    for (size_t i = 0; i < count; i++) {
        tiles->spans[i].first = tiles->count;
        list_part(tiles, &parts[i]);
        tiles->spans[i].count = tiles->count - tiles->spans[i].first;
    }
    return ERR_OK;
}

/* Each tile goes to the thread with the least work: a function of sizes alone. */
static void deal_out(struct tiles *tiles)
{
    double work[PARALLEL_THREADS_MAX] = {0};
    for (size_t i = 0; i < tiles->count; i++) {
        struct tile *tile = &tiles->list[i];
        unsigned least = 0;
        for (unsigned thread = 1; thread < tiles->threads; thread++)
            if (work[thread] < work[least])
                least = thread;
        tile->thread = least;
        work[least] += (double)tile->width * (double)(tile->part->rows + LINE) *
                       (double)tile->part->size;
    }
}

/* Adds rows × columns, in whole lines, to the floats wanted. */
static bool want(size_t rows, size_t columns, size_t *floats)
{
    size_t cells;
    return memory_multiply(rows, columns, &cells) && memory_add(cells, LINE, &cells) &&
           memory_add(*floats, cells / LINE * LINE, floats);
}

static bool measure(const struct tiles *tiles, const struct tiles_part *parts,
                    size_t count, size_t *floats)
{
    bool fits = true, gradients = parts[0].dhidden != NULL;
    size_t widest = 0;
    *floats = 0;
    for (size_t i = 0; fits && i < tiles->count; i++) {
        const struct tile *tile = &tiles->list[i];
        size_t rows = tile->part->rows, scores = 0;
        fits = want(rows, tile->stride, &scores) && want(rows, 1, floats) &&
               want(rows, 1, floats) && (!gradients || want(1, scores, floats));
        widest = scores > widest ? scores : widest;
    }
    for (size_t i = 0; fits && gradients && i < count; i++)
        for (unsigned thread = 0; fits && thread < tiles->threads; thread++)
            fits = want(parts[i].rows, parts[i].size, floats);
    return fits && (gradients || want(tiles->threads, widest, floats));
}

static float *take(struct tiles *tiles, size_t count)
{
    float *floats = tiles->arena + tiles->arena_used;
    tiles->arena_used += (count + LINE) / LINE * LINE;
    return floats;
}

/* Without gradients the tiles of a thread share one array of scores. */
static void share_scores(struct tiles *tiles)
{
    size_t widest = 0;
    for (size_t i = 0; i < tiles->count; i++) {
        size_t cells = tiles->list[i].part->rows * tiles->list[i].stride;
        widest = cells > widest ? cells : widest;
    }
    for (unsigned thread = 0; thread < tiles->threads; thread++) {
        float *scores = take(tiles, widest);
        for (size_t i = 0; i < tiles->count; i++)
            if (tiles->list[i].thread == thread)
                tiles->list[i].scores = scores;
    }
}

static void place(struct tiles *tiles, const struct tiles_part *parts, size_t count)
{
    bool gradients = parts[0].dhidden != NULL;
    tiles->arena_used = 0;
    for (size_t i = 0; i < tiles->count; i++) {
        struct tile *tile = &tiles->list[i];
        tile->maxima = take(tiles, tile->part->rows);
        tile->sums = take(tiles, tile->part->rows);
        if (gradients)
            tile->scores = take(tiles, tile->part->rows * tile->stride);
    }
    if (!gradients) {
        share_scores(tiles);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        struct span_of_tiles *span = &tiles->spans[i];
        size_t cells = parts[i].rows * parts[i].size;
        span->partials = take(tiles, tiles->threads * cells);
        memset(span->partials, 0, tiles->threads * cells * sizeof(float));
        for (size_t j = 0; j < span->count; j++) {
            struct tile *tile = &tiles->list[span->first + j];
            tile->partial = span->partials + tile->thread * cells;
        }
    }
}

static enum err prepare(struct tiles *tiles, struct tiles_part *parts, size_t count)
{
    size_t floats;
    enum err code = list_tiles(tiles, parts, count);
    if (code)
        return code;
    deal_out(tiles);
    if (!measure(tiles, parts, count, &floats))
        return ERR_NO_MEMORY;
    if (floats > tiles->arena_size) {
        free(tiles->arena);
        tiles->arena_size = 0;
        tiles->arena = memory_new_unset(floats, sizeof(float));
        if (!tiles->arena)
            return ERR_NO_MEMORY;
        tiles->arena_size = floats;
    }
    place(tiles, parts, count);
    return ERR_OK;
}

/* ---- the sweeps ---- */

static void leave_out(const struct tile *tile)
{
    for (size_t row = 0; row < tile->part->rows; row++) {
        size_t at = tile->part->targets[row] - tile->class;
        if (at < tile->width)
            tile->scores[row * tile->stride + at] = LEFT_OUT;
    }
}

static void score_tile(const struct tile *tile)
{
    const struct tiles_part *part = tile->part;
    for (size_t row = 0; row < part->rows; row++)
        memcpy(tile->scores + row * tile->stride, tile->segment->bias + tile->at,
               tile->width * sizeof *tile->scores);
    gemm_nt(GEMM_ADD, part->rows, tile->width, part->size, part->hidden, part->size,
            tile->segment->weights + tile->at * part->size, part->size, tile->scores,
            tile->stride);
    if (part->own)
        leave_out(tile);
    for (size_t row = 0; row < part->rows; row++) {
        float *line = tile->scores + row * tile->stride;
        float most = pointwise_max(tile->width, line);
        size_t at = part->targets[row] - tile->class;
        if (!part->own && at < tile->width)
            part->logprobs[row] = line[at];
        tile->maxima[row] = most;
        tile->sums[row] = pointwise_exp_sum(tile->width, line, most, line);
    }
}

/* log p of a row's target, and the factor of each tile's scores. */
static void normalise_row(const struct tile *list, size_t count, struct tiles_part *part,
                          size_t row)
{
    float most = part->own ? part->own[row] : -INFINITY;
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        most = fmaxf(most, list[i].maxima[row]);
    for (size_t i = 0; i < count; i++) {
        list[i].maxima[row] = expf(list[i].maxima[row] - most);
        sum += (double)list[i].sums[row] * (double)list[i].maxima[row];
    }
    if (part->own) {
        double mine = exp((double)(part->own[row] - most));
        sum += mine;
        part->logprobs[row] = part->own[row];
        part->own[row] = (float)((mine / sum - 1) * (double)part->scale);
    }
    part->logprobs[row] -= most + (float)log(sum);
    float share = (float)((double)part->scale / sum);
    for (size_t i = 0; i < count; i++)
        list[i].sums[row] = list[i].maxima[row] * share;
}

static void differentiate_tile(const struct tile *tile)
{
    const struct tiles_part *part = tile->part;
    float *dbias = tile->segment->dbias + tile->at;
    memset(dbias, 0, tile->width * sizeof *dbias);
    for (size_t row = 0; row < part->rows; row++) {
        float *line = tile->scores + row * tile->stride;
        size_t at = part->targets[row] - tile->class;
        pointwise_scale(tile->width, tile->sums[row], line);
        if (!part->own && at < tile->width)
            line[at] -= part->scale;
        pointwise_add_scaled(tile->width, 1, line, dbias);
    }
    gemm_tn(GEMM_SET, tile->width, part->size, part->rows, tile->scores, tile->stride,
            part->hidden, part->size, tile->segment->dweights + tile->at * part->size,
            part->size);
    gemm_nn(GEMM_ADD, part->rows, part->size, tile->width, tile->scores, tile->stride,
            tile->segment->weights + tile->at * part->size, part->size, tile->partial,
            part->size);
}

static enum err score_share(void *context, unsigned index, unsigned count)
{
    const struct tiles *tiles = context;
    (void)count;
    for (size_t i = 0; i < tiles->count; i++)
        if (tiles->list[i].thread == index)
            score_tile(&tiles->list[i]);
    return ERR_OK;
}

static enum err differentiate_share(void *context, unsigned index, unsigned count)
{
    const struct tiles *tiles = context;
    (void)count;
    for (size_t i = 0; i < tiles->count; i++)
        if (tiles->list[i].thread == index)
            differentiate_tile(&tiles->list[i]);
    return ERR_OK;
}

enum err tiles_run(struct tiles *tiles, struct tiles_part *parts, size_t count)
{
    enum err code = prepare(tiles, parts, count);
    if (!code)
        code = parallel_run(tiles->threads, score_share, tiles);
    if (code)
        return code;
    for (size_t i = 0; i < count; i++)
        for (size_t row = 0; row < parts[i].rows; row++)
            normalise_row(tiles->list + tiles->spans[i].first, tiles->spans[i].count,
                          &parts[i], row);
    if (!parts[0].dhidden)
        return ERR_OK;
    code = parallel_run(tiles->threads, differentiate_share, tiles);
    for (size_t i = 0; i < count; i++) {
        size_t cells = parts[i].rows * parts[i].size;
        memcpy(parts[i].dhidden, tiles->spans[i].partials, cells * sizeof(float));
        for (unsigned thread = 1; thread < tiles->threads; thread++)
            pointwise_add_scaled(cells, 1, tiles->spans[i].partials + thread * cells,
                                 parts[i].dhidden);
    }
    return code;
}

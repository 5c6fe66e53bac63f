/* SPDX-License-Identifier: MIT */
/* Softmax with cross-entropy, forward and backward in two sweeps over tiles of classes.
 *
 * First sweep, per tile (softmax_tile): logits by one product, and at once, while they
 * are in cache, exp(logit - m) with m the row's maximum in this tile, and its sum. The
 * rows' normalisers follow from the tiles' maxima and sums. Second sweep: from the stored
 * exponentials, two products give the tile's weight gradient and its part of the hidden
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
#include "model/nn/pointwise.h"
#include "model/nn/softmax_tile.h"

enum { LINE = 16 };

/* The tiles and arrays of one part. */
struct span_of_tiles {
    size_t first, count;
    float *hidden;      /* panels [size][rows] */
    float *hidden_rows; /* panels [rows][size] */
    float *most;        /* [rows] maxima of whole rows */
    float *partials;    /* [threads] panels [size][rows] */
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
    size_t count = 0, most = tile_width(part);
    for (size_t i = 0; i < part->segment_count; i++)
        count += (part->segments[i].count + most - 1) / most;
    return count;
}

static void list_part(struct tiles *tiles, struct tiles_part *part)
{
    size_t class = 0, most = tile_width(part);
    for (size_t i = 0; i < part->segment_count; i++) {
        const struct tiles_segment *segment = &part->segments[i];
        for (size_t at = 0; at < segment->count; at += most) {
            size_t left = segment->count - at, width = left < most ? left : most;
            tiles->list[tiles->count++] = (struct tile){.part = part,
                                                        .segment = segment,
                                                        .at = at,
                                                        .width = width,
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
        work[least] += (double)tile->width * (double)(tile_rows(tile->part)) *
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

/* The most any tile needs of its thread. */
static size_t widest_room(const struct tiles_part *parts, size_t count)
{
    size_t widest = 0;
    for (size_t i = 0; i < count; i++)
        if (tile_room(&parts[i]) > widest)
            widest = tile_room(&parts[i]);
    return widest;
}

static bool measure(const struct tiles *tiles, const struct tiles_part *parts,
                    size_t count, size_t *floats)
{
    bool fits = true, gradients = parts[0].dhidden != NULL;
    size_t widest = 0;
    *floats = 0;
    for (size_t i = 0; fits && i < tiles->count; i++) {
        const struct tile *tile = &tiles->list[i];
        size_t rows = tile_rows(tile->part), scores = 0;
        fits = want(tile_score_rows(tile->part), tile->width, &scores) &&
               want(rows, 1, floats) && want(rows, 1, floats) &&
               (!gradients || want(1, scores, floats));
        widest = scores > widest ? scores : widest;
    }
    for (size_t i = 0; fits && i < count; i++)
        fits = want(tile_rows(&parts[i]), parts[i].size, floats) &&
               want(tile_rows(&parts[i]), 1, floats) &&
               (!gradients ||
                (want(panel_size(tile_rows(&parts[i]), parts[i].size), 1, floats) &&
                 want(tile_rows(&parts[i]) * parts[i].size, tiles->threads, floats)));
    if (gradients)
        widest = widest_room(parts, count);
    return fits && want(tiles->threads, widest + LINE, floats);
}

static float *take(struct tiles *tiles, size_t count)
{
    float *floats = tiles->arena + tiles->arena_used;
    tiles->arena_used += (count + LINE) / LINE * LINE;
    return floats;
}

/* The tiles of a thread share its room, and without gradients their scores. */
static void share_room(struct tiles *tiles, size_t floats, bool gradients)
{
    for (unsigned thread = 0; thread < tiles->threads; thread++) {
        float *room = take(tiles, floats);
        for (size_t i = 0; i < tiles->count; i++)
            if (tiles->list[i].thread == thread) {
                tiles->list[i].room = room;
                if (!gradients)
                    tiles->list[i].scores = room;
            }
    }
}

static void place_part(struct tiles *tiles, const struct tiles_part *part,
                       struct span_of_tiles *span)
{
    size_t cells = tile_rows(part) * part->size;
    span->hidden = take(tiles, cells);
    span->most = take(tiles, tile_rows(part));
    if (part->dhidden) {
        span->hidden_rows = take(tiles, panel_size(tile_rows(part), part->size));
        span->partials = take(tiles, tiles->threads * cells);
        memset(span->partials, 0, tiles->threads * cells * sizeof(float));
    }
    for (size_t i = span->first; i < span->first + span->count; i++) {
        struct tile *tile = &tiles->list[i];
        tile->hidden = span->hidden;
        tile->hidden_rows = span->hidden_rows;
        if (part->dhidden)
            tile->partial = span->partials + tile->thread * cells;
    }
    tile_pack_hidden(part, span->hidden, span->hidden_rows);
}

static void place(struct tiles *tiles, const struct tiles_part *parts, size_t count)
{
    bool gradients = parts[0].dhidden != NULL;
    size_t widest = 0;
    tiles->arena_used = 0;
    for (size_t i = 0; i < tiles->count; i++) {
        struct tile *tile = &tiles->list[i];
        size_t rows = tile_rows(tile->part);
        size_t scores = tile_score_rows(tile->part) * tile->width;
        tile->maxima = take(tiles, rows);
        tile->sums = take(tiles, rows);
        if (gradients)
            tile->scores = take(tiles, scores);
        widest = scores > widest ? scores : widest;
    }
    for (size_t i = 0; i < count; i++)
        place_part(tiles, &parts[i], &tiles->spans[i]);
    share_room(tiles, gradients ? widest_room(parts, count) : widest, gradients);
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

/* log p of a row's target; the factor of the row, to be shared with its own logit. */
static float normalise_row(struct tiles_part *part, size_t row, float most, double sum)
{
    if (part->own) {
        double mine = exp((double)(part->own[row] - most));
        sum += mine;
        part->logprobs[row] = part->own[row];
        part->own[row] = (float)((mine / sum - 1) * (double)part->scale);
    }
    part->logprobs[row] -= most + (float)log(sum);
    return (float)((double)part->scale / sum);
}

/* Turns the tiles' sums into factors. The rows that fill up a panel get factor 0. */
static void normalise(const struct span_of_tiles *span, const struct tile *list,
                      struct tiles_part *part)
{
    size_t rows = part->rows, all = tile_rows(part);
    float *most = span->most;
    for (size_t row = 0; row < rows; row++)
        most[row] = part->own ? part->own[row] : -INFINITY;
    for (size_t i = 0; i < span->count; i++)
        pointwise_raise(rows, list[i].maxima, most);
    for (size_t i = 0; i < span->count; i++) {
        for (size_t row = 0; row < rows; row++)
            list[i].maxima[row] -= most[row];
        pointwise_exp(rows, list[i].maxima, list[i].maxima);
    }
    for (size_t row = 0; row < rows; row++) {
        double sum = 0;
        for (size_t i = 0; i < span->count; i++)
            sum += (double)list[i].sums[row] * (double)list[i].maxima[row];
        most[row] = normalise_row(part, row, most[row], sum);
    }
    for (size_t i = 0; i < span->count; i++) {
        pointwise_multiply(rows, list[i].maxima, most, list[i].sums);
        memset(list[i].sums + rows, 0, (all - rows) * sizeof(float));
    }
}

/* The hidden gradient from the threads' panels. */
static void gather(const struct span_of_tiles *span, unsigned threads,
                   struct tiles_part *part)
{
    size_t size = part->size, cells = tile_rows(part) * size;
    for (unsigned thread = 1; thread < threads; thread++)
        pointwise_add_scaled(cells, 1, span->partials + thread * cells, span->partials);
    for (size_t row = 0; row < part->rows; row++) {
        const float *from =
            span->partials + row / PANEL_WIDTH * PANEL_WIDTH * size + row % PANEL_WIDTH;
        for (size_t j = 0; j < size; j++)
            part->dhidden[row * size + j] = from[j * PANEL_WIDTH];
    }
}

static enum err score_share(void *context, unsigned index, unsigned count)
{
    const struct tiles *tiles = context;
    (void)count;
    for (size_t i = 0; i < tiles->count; i++)
        if (tiles->list[i].thread == index)
            tile_score(&tiles->list[i]);
    return ERR_OK;
}

static enum err differentiate_share(void *context, unsigned index, unsigned count)
{
    const struct tiles *tiles = context;
    (void)count;
    for (size_t i = 0; i < tiles->count; i++)
        if (tiles->list[i].thread == index)
            tile_differentiate(&tiles->list[i]);
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
        normalise(&tiles->spans[i], tiles->list + tiles->spans[i].first, &parts[i]);
    if (!parts[0].dhidden)
        return ERR_OK;
    code = parallel_run(tiles->threads, differentiate_share, tiles);
    for (size_t i = 0; i < count; i++)
        gather(&tiles->spans[i], tiles->threads, &parts[i]);
    return code;
}

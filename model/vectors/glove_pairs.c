/* SPDX-License-Identifier: MIT */
/* Sorting the counts into tiles of BLOCK × BLOCK words and shuffling them there.
 *
 * The number of pairs of each tile is counted first, so that every tile knows its place.
 * Where all pairs fit the memory allowed, they are put there in one pass over the counts.
 * Where they do not, as many tiles as fit are filled at a time, shuffled and appended to
 * temporary space, with a pass over the counts for each such region: everything is read
 * and written in order, however little memory there is. The tiles come in the same order
 * and take the same random numbers either way.
 *
 * Training then takes whole pieces (128 KiB) in random order, which is as good from a
 * disk as it is from memory. */
#include "model/vectors/glove_pairs.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"
#include "base/spill.h"

enum { BLOCK = 512, PIECE = 8192 };
static const uint64_t default_memory = (uint64_t)1 << 30;

/* The tiles first … end − 1 are in the room, which begins with pair `base` of all. */
struct tiling {
    const struct glove_settings *settings;
    const struct cooccurrence *counts;
    size_t blocks;  /* along each side */
    size_t *starts; /* [blocks² + 1]; of tiles that were filled, their ends */
    size_t first, end, base;
    struct glove_pair *room; /* [capacity] */
    size_t capacity;
    struct random random;
};

static size_t tile_of(const struct tiling *tiling, uint32_t row, uint32_t column)
{
    return row / BLOCK * tiling->blocks + column / BLOCK;
}

static void count_tiles(struct tiling *tiling)
{
    const struct cooccurrence *counts = tiling->counts;
    for (size_t i = 0; i < counts->count; i++) {
        struct cooccurrence_entry entry = counts->entries[i];
        tiling->starts[tile_of(tiling, entry.row, entry.column) + 1]++;
        if (counts->symmetric && entry.row != entry.column)
            tiling->starts[tile_of(tiling, entry.column, entry.row) + 1]++;
    }
    for (size_t t = 0; t < tiling->blocks * tiling->blocks; t++)
        tiling->starts[t + 1] += tiling->starts[t];
}

static void place(struct tiling *tiling, uint32_t row, uint32_t column, float count)
{
    const struct glove_settings *settings = tiling->settings;
    size_t tile = tile_of(tiling, row, column);
    if (tile < tiling->first || tile >= tiling->end)
        return;
    double weight = count < settings->x_max
                        ? pow((double)count / settings->x_max, settings->alpha)
                        : 1;
    tiling->room[tiling->starts[tile]++ - tiling->base] =
        (struct glove_pair){row, column, logf(count), (float)weight};
}

/* After placing, starts[t] is the end of tile t. */
static void place_region(struct tiling *tiling)
{
    const struct cooccurrence *counts = tiling->counts;
    for (size_t i = 0; i < counts->count; i++) {
        struct cooccurrence_entry entry = counts->entries[i];
        place(tiling, entry.row, entry.column, entry.value);
        if (counts->symmetric && entry.row != entry.column)
            place(tiling, entry.column, entry.row, entry.value);
    }
}

static void shuffle(struct random *random, struct glove_pair *pairs, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t j = (size_t)random_below(random, i);
        struct glove_pair kept = pairs[i - 1];
        pairs[i - 1] = pairs[j];
        pairs[j] = kept;
    }
}

/* Shuffles the region's tiles and cuts them into pieces. */
static enum err cut_pieces(struct glove_pairs *pairs, struct tiling *tiling,
                           size_t *capacity)
{
    size_t first = tiling->base;
    for (size_t t = tiling->first; t < tiling->end; t++) {
        size_t end = tiling->starts[t];
        shuffle(&tiling->random, tiling->room + (first - tiling->base), end - first);
        while (first < end) {
            size_t count = end - first < PIECE ? end - first : PIECE;
            enum err code = memory_grow(&pairs->pieces, capacity, pairs->piece_count + 1,
                                        sizeof *pairs->pieces);
            if (code)
                return code;
            pairs->pieces[pairs->piece_count++] = (struct glove_piece){first, count};
            first += count;
        }
    }
    return ERR_OK;
}

/* Region after region: the tiles that fit the room together. */
static enum err fill_regions(struct glove_pairs *pairs, struct tiling *tiling)
{
    size_t tiles = tiling->blocks * tiling->blocks, pieces = 0;
    enum err code = ERR_OK;
    random_seed(&tiling->random, tiling->settings->seed, 1);
    for (tiling->end = 0; !code && tiling->end < tiles;) {
        tiling->first = tiling->end++;
        tiling->base = tiling->starts[tiling->first];
        while (tiling->end < tiles &&
               tiling->starts[tiling->end + 1] - tiling->base <= tiling->capacity)
            tiling->end++;
        size_t count = tiling->starts[tiling->end] - tiling->base;
        if (count == 0)
            continue;
        place_region(tiling);
        code = cut_pieces(pairs, tiling, &pieces);
        if (!code && pairs->spill)
            code = spill_append(pairs->spill, tiling->room, count * sizeof *tiling->room);
    }
    return code;
}

/* The room is for all pairs, or for what the memory holds and at least for one tile. */
static enum err make_room(struct glove_pairs *pairs, struct tiling *tiling)
{
    uint64_t memory = tiling->settings->memory_bytes;
    uint64_t most = (memory ? memory : default_memory) / sizeof *tiling->room;
    tiling->capacity = pairs->count;
    if (pairs->count > most)
        tiling->capacity = most > BLOCK * BLOCK ? (size_t)most : BLOCK * BLOCK;
    pairs->owned = tiling->room =
        memory_new_array(tiling->capacity, sizeof *tiling->room);
    if (!tiling->room)
        return ERR_NO_MEMORY;
    return pairs->count > tiling->capacity
               ? spill_open(tiling->settings->scratch_directory, &pairs->spill)
               : ERR_OK;
}

/* The pairs are in the room, or in the spill. */
static enum err finish(struct glove_pairs *pairs)
{
    struct span content;
    pairs->pairs = pairs->owned;
    if (!pairs->spill)
        return ERR_OK;
    free(pairs->owned);
    pairs->owned = NULL;
    enum err code = spill_map(pairs->spill, &content);
    if (!code)
        pairs->pairs = (const void *)content.bytes;
    return code;
}

enum err glove_pairs_make(struct glove_pairs *pairs,
                          const struct glove_settings *settings,
                          const struct cooccurrence *counts)
{
    struct tiling tiling = {
        .settings = settings, .counts = counts, .blocks = counts->words / BLOCK + 1};
    size_t tiles;
    *pairs = (struct glove_pairs){.count = cooccurrence_full_count(counts)};
    if (pairs->count == 0)
        return ERR_CORPUS_TOO_SMALL;
    if (!memory_multiply(tiling.blocks, tiling.blocks, &tiles))
        return ERR_NO_MEMORY;
    tiling.starts = memory_new_array(tiles + 1, sizeof *tiling.starts);
    enum err code = tiling.starts ? make_room(pairs, &tiling) : ERR_NO_MEMORY;
    if (!code) {
        count_tiles(&tiling);
        code = fill_regions(pairs, &tiling);
    }
    if (!code)
        code = finish(pairs);
    free(tiling.starts);
    return code;
}

void glove_pairs_fini(struct glove_pairs *pairs)
{
    free(pairs->owned);
    free(pairs->pieces);
    spill_close(pairs->spill);
    *pairs = (struct glove_pairs){0};
}

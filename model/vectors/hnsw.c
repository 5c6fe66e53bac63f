/* SPDX-License-Identifier: MIT */
/* Searching the index, and its file form.
 *
 * Each node has links to nodes near it on level 0 and, with a probability falling by the
 * factor 1/links a level, on levels above. A search walks greedily from the one node of
 * the top level down, then explores level 0 with a pool of candidates: the nearest one
 * not yet expanded is expanded until there is none. The pool is one sorted array; which
 * nodes were seen is one bit each, cheaper to clear than a table of stamps is to read. */
#include "model/vectors/hnsw.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/vectors/hnsw_int.h"

enum { SEARCH_WIDTH = 96 };

struct hnsw_settings hnsw_defaults(void)
{
    return (struct hnsw_settings){.links = 16, .width = 200, .seed = 1, .threads = 1};
}

enum err hnsw_pool_init(struct hnsw_pool *pool, const struct hnsw *hnsw, size_t width)
{
    *pool = (struct hnsw_pool){.width = width,
                               .seen_words = ((size_t)hnsw->vectors->count + 63) / 64};
    pool->items = memory_new_array(width + 1, sizeof *pool->items);
    pool->seen = memory_new_array(pool->seen_words, sizeof *pool->seen);
    pool->fresh = memory_new_array(2 * HNSW_LINKS_MAX, sizeof *pool->fresh);
    pool->scores = memory_new_aligned(2 * HNSW_LINKS_MAX, sizeof *pool->scores);
    if (pool->items && pool->seen && pool->fresh && pool->scores)
        return ERR_OK;
    hnsw_pool_fini(pool);
    return ERR_NO_MEMORY;
}

void hnsw_pool_fini(struct hnsw_pool *pool)
{
    free(pool->items);
    free(pool->seen);
    free(pool->fresh);
    free(pool->scores);
    *pool = (struct hnsw_pool){0};
}

float hnsw_distance(const struct hnsw *hnsw, const float *unit, uint32_t node)
{
    const struct vectors *vectors = hnsw->vectors;
    float dot = hnsw->kernels->dot(unit, vectors->matrix + node * vectors->stride,
                                   vectors->stride);
    return 1 - dot * vectors->inverse_norm[node];
}

/* Copies a list into pool->fresh; under its lock while the index is being built. */
static size_t read_list(const struct hnsw *hnsw, uint32_t node, uint32_t level,
                        struct hnsw_pool *pool)
{
    const uint32_t *list = hnsw_list(hnsw, node, level);
    if (hnsw->locks)
        while (
            atomic_flag_test_and_set_explicit(&hnsw->locks[node], memory_order_acquire))
            ;
    size_t count = list[0];
    memcpy(pool->fresh, list + 1, count * sizeof *list);
    if (hnsw->locks)
        atomic_flag_clear_explicit(&hnsw->locks[node], memory_order_release);
    return count;
}

/* pool->scores[i] = distance of pool->fresh[i]. */
static void measure(const struct hnsw *hnsw, const float *unit, struct hnsw_pool *pool,
                    size_t count)
{
    const struct vectors *vectors = hnsw->vectors;
    hnsw->kernels->pick(vectors->matrix, vectors->stride, pool->fresh, count, unit,
                        pool->scores);
    for (size_t i = 0; i < count; i++)
        pool->scores[i] = 1 - pool->scores[i] * vectors->inverse_norm[pool->fresh[i]];
}

struct hnsw_candidate hnsw_descend(const struct hnsw *hnsw, const float *unit,
                                   uint32_t level, struct hnsw_pool *pool)
{
    struct hnsw_candidate at = {hnsw_distance(hnsw, unit, hnsw->entry), hnsw->entry};
    for (uint32_t l = hnsw->top; l > level; l--)
        for (bool moved = true; moved;) {
            size_t count = read_list(hnsw, at.node, l, pool);
            moved = false;
            measure(hnsw, unit, pool, count);
            for (size_t i = 0; i < count; i++)
                if (pool->scores[i] < at.distance) {
                    at = (struct hnsw_candidate){pool->scores[i], pool->fresh[i]};
                    moved = true;
                }
        }
    return at;
}

/* Inserts into the sorted pool; returns the place, or `width` when it is too far. */
static size_t insert(struct hnsw_pool *pool, float distance, uint32_t node)
{
    struct hnsw_candidate *items = pool->items;
    if (pool->count == pool->width && distance >= items[pool->count - 1].distance)
        return pool->width;
    size_t low = 0, high = pool->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (items[middle].distance <= distance)
            low = middle + 1;
        else
            high = middle;
    }
    if (pool->count < pool->width)
        pool->count++;
    memmove(items + low + 1, items + low, (pool->count - 1 - low) * sizeof *items);
    items[low] = (struct hnsw_candidate){distance, node};
    return low;
}

static bool see(struct hnsw_pool *pool, uint32_t node)
{
    uint64_t bit = (uint64_t)1 << (node % 64);
    bool before = pool->seen[node / 64] & bit;
    pool->seen[node / 64] |= bit;
    return !before;
}

void hnsw_explore(const struct hnsw *hnsw, const float *unit, uint32_t level,
                  struct hnsw_pool *pool, struct hnsw_candidate start)
{
    memset(pool->seen, 0, pool->seen_words * sizeof *pool->seen);
    pool->items[0] = start;
    pool->count = 1;
    see(pool, start.node);
    for (size_t next = 0; next < pool->count;) {
        struct hnsw_candidate *item = &pool->items[next];
        if (item->node & HNSW_EXPANDED) {
            next++;
            continue;
        }
        uint32_t node = item->node;
        item->node |= HNSW_EXPANDED;
        size_t count = read_list(hnsw, node, level, pool), fresh = 0;
        for (size_t i = 0; i < count; i++)
            if (see(pool, pool->fresh[i]))
                pool->fresh[fresh++] = pool->fresh[i];
        measure(hnsw, unit, pool, fresh);
        for (size_t i = 0; i < fresh; i++) {
            size_t place = insert(pool, pool->scores[i], pool->fresh[i]);
            if (place < next)
                next = place;
        }
    }
    for (size_t i = 0; i < pool->count; i++)
        pool->items[i].node &= ~HNSW_EXPANDED;
}

enum err hnsw_search(const struct hnsw *hnsw, const float *query, size_t k, size_t width,
                     struct neighbour *results, size_t *found)
{
    *found = 0;
    size_t stride = hnsw->vectors->stride, count = hnsw->vectors->count;
    k = k < count ? k : count;
    width = width ? width : SEARCH_WIDTH;
    width = width > k ? width : k;
    struct hnsw_pool pool;
    enum err code = k ? hnsw_pool_init(&pool, hnsw, width) : ERR_OK;
    if (code || k == 0)
        return code;
    float *unit = memory_new_aligned(stride, sizeof *unit);
    if (unit) {
        float length = hnsw->kernels->dot(query, query, stride);
        hnsw->kernels->add(unit, length > 0 ? 1 / sqrtf(length) : 0, query, stride);
        hnsw_explore(hnsw, unit, 0, &pool, hnsw_descend(hnsw, unit, 0, &pool));
        *found = pool.count < k ? pool.count : k;
        for (size_t i = 0; i < *found; i++)
            results[i] = (struct neighbour){
                pool.items[i].node, fmaxf(-1, fminf(1, 1 - pool.items[i].distance))};
    }
    free(unit);
    hnsw_pool_fini(&pool);
    return unit ? ERR_OK : ERR_NO_MEMORY;
}

void hnsw_free(struct hnsw *hnsw)
{
    if (!hnsw)
        return;
    for (int i = 0; i < 3; i++)
        free(hnsw->owned[i]);
    free(hnsw->file);
    free(hnsw->locks);
    free(hnsw);
}

size_t hnsw_memory(const struct hnsw *hnsw)
{
    size_t count = hnsw->vectors->count;
    if (!hnsw->owned[0])
        return sizeof *hnsw + hnsw->file_size;
    return sizeof *hnsw + (count + 1) * sizeof *hnsw->starts +
           (count * (2 * hnsw->links + 1) + hnsw->starts[count]) * sizeof *hnsw->base;
}

uint64_t hnsw_memory_needed(uint32_t count, const struct hnsw_settings *settings)
{
    uint64_t lists = 2 * (uint64_t)settings->links + 1 + 2, word = sizeof(uint32_t);
    return sizeof(struct hnsw) + count * (lists * word + sizeof(uint64_t) + 1);
}

enum err hnsw_write(const struct hnsw *hnsw, struct artefact_writer *writer)
{
    uint64_t count = hnsw->vectors->count, three = 3, starts = count + 1;
    uint64_t base = count * (2 * hnsw->links + 1), upper = hnsw->starts[count];
    uint32_t head[3] = {hnsw->links, hnsw->entry, hnsw->top};
    enum err code = artefact_put(writer, "hnsw", ARTEFACT_U32, 1, &three, head);
    if (!code)
        code =
            artefact_put(writer, "hnsw.starts", ARTEFACT_U64, 1, &starts, hnsw->starts);
    if (!code)
        code = artefact_put(writer, "hnsw.base", ARTEFACT_U32, 1, &base, hnsw->base);
    if (!code)
        code = artefact_put(writer, "hnsw.upper", ARTEFACT_U32, 1, &upper, hnsw->upper);
    return code;
}

static const char file_kind[] = "hnsw";

enum err hnsw_write_file(const struct hnsw *hnsw, const struct writer *to)
{
    struct artefact_writer *writer = NULL;
    enum err code = artefact_begin(to, file_kind, &writer);
    if (!code)
        code = hnsw_write(hnsw, writer);
    if (!code)
        code = artefact_finish(writer);
    artefact_writer_free(writer);
    return code;
}

/* Every list's count and links are within bounds, so that no search can leave them. */
static bool lists_are_sound(const struct hnsw *hnsw)
{
    uint32_t count = hnsw->vectors->count;
    for (uint32_t node = 0; node < count; node++) {
        uint32_t levels = hnsw_level(hnsw, node);
        for (uint32_t level = 0; level <= levels; level++) {
            const uint32_t *list = hnsw_list(hnsw, node, level);
            if (list[0] > (level ? hnsw->links : 2 * hnsw->links))
                return false;
            for (uint32_t i = 1; i <= list[0]; i++)
                if (list[i] >= count || hnsw_level(hnsw, list[i]) < level)
                    return false;
        }
    }
    return true;
}

static bool starts_are_sound(const struct hnsw *hnsw, uint64_t upper)
{
    uint32_t count = hnsw->vectors->count;
    if (hnsw->starts[0] != 0 || hnsw->starts[count] != upper)
        return false;
    for (uint32_t node = 0; node < count; node++) {
        if (hnsw->starts[node + 1] < hnsw->starts[node])
            return false;
        uint64_t size = hnsw->starts[node + 1] - hnsw->starts[node];
        if (size % (hnsw->links + 1) || size / (hnsw->links + 1) > HNSW_LEVELS_MAX)
            return false;
    }
    return hnsw_level(hnsw, hnsw->entry) == hnsw->top;
}

enum err hnsw_load(const struct vectors *vectors, const struct artefact *artefact,
                   struct hnsw **out, struct err_info *info)
{
    const struct artefact_section *head, *starts, *base, *upper;
    *out = NULL;
    if (!artefact_find(artefact, "hnsw"))
        return ERR_OK;
    enum err code = artefact_need(artefact, "hnsw", ARTEFACT_U32, 1, &head, info);
    if (!code)
        code = artefact_need(artefact, "hnsw.starts", ARTEFACT_U64, 1, &starts, info);
    if (!code)
        code = artefact_need(artefact, "hnsw.base", ARTEFACT_U32, 1, &base, info);
    if (!code)
        code = artefact_need(artefact, "hnsw.upper", ARTEFACT_U32, 1, &upper, info);
    if (code)
        return code;
    const uint32_t *sizes = (const void *)head->content.bytes;
    struct hnsw *hnsw = memory_new_array(1, sizeof *hnsw);
    if (!hnsw)
        return ERR_NO_MEMORY;
    bool sound = head->shape[0] == 3 && sizes[0] >= 2 && sizes[0] <= HNSW_LINKS_MAX &&
                 sizes[1] < vectors->count &&
                 starts->shape[0] == (uint64_t)vectors->count + 1 &&
                 base->shape[0] == (uint64_t)vectors->count * (2 * sizes[0] + 1);
    if (sound) {
        hnsw->vectors = vectors;
        hnsw->kernels = kernels_best();
        hnsw->links = sizes[0];
        hnsw->entry = sizes[1];
        hnsw->top = sizes[2];
        hnsw->starts = (const void *)starts->content.bytes;
        hnsw->base = (uint32_t *)(uintptr_t)base->content.bytes;   /* never written */
        hnsw->upper = (uint32_t *)(uintptr_t)upper->content.bytes; /* to again */
        sound = starts_are_sound(hnsw, upper->shape[0]) && lists_are_sound(hnsw);
    }
    if (!sound) {
        hnsw_free(hnsw);
        return err_set(info, ERR_BAD_MODEL_FILE, "The model file's index is damaged");
    }
    *out = hnsw;
    return ERR_OK;
}

enum err hnsw_load_file_take(const struct vectors *vectors, void *bytes, size_t size,
                             struct hnsw **out, struct err_info *info)
{
    struct artefact *artefact = NULL;
    *out = NULL;
    enum err code = artefact_parse(span_of(bytes, size), &artefact, info);
    if (!code && strcmp(artefact_kind(artefact), file_kind) == 0)
        code = hnsw_load(vectors, artefact, out, info);
    if (!code && !*out)
        code = err_set(info, ERR_BAD_MODEL_FILE, "The file is no index");
    artefact_free(artefact);
    if (code) {
        free(bytes);
        return code;
    }
    (*out)->file = bytes;
    (*out)->file_size = size;
    return ERR_OK;
}

/* SPDX-License-Identifier: MIT */
/* The tree of Barnes and Hut (1986) without pointers. Points are sorted along the Morton
 * curve, on which every cell is a stretch; cells are written in the order a walk visits
 * them, each with the place to go on when it is not opened, so a walk is one loop. */
#include "model/maps/cells.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { LEAF_POINTS = 8, BITS = 20 }; /* bits of the Morton key for each coordinate */

struct cell {
    float centre[MAP_DIMS_MAX]; /* of the points' mass */
    float count;
    float width_squared; /* 0 for a leaf */
    uint32_t first, end; /* points in order of the curve; none where a leaf acts as one */
    uint32_t skip;       /* the next cell that is not inside this one */
};

struct keyed {
    uint64_t key;
    uint32_t point;
};

struct cells {
    size_t count;
    unsigned dims;
    struct keyed *order; /* [count] */
    float *sorted;       /* [count][dims] */
    struct cell *cells;
    size_t used, capacity;
    float low[MAP_DIMS_MAX], side;
};

enum err cells_new(size_t count, unsigned dims, struct cells **out)
{
    struct cells *cells = *out = memory_new_array(1, sizeof *cells);
    if (!cells)
        return ERR_NO_MEMORY;
    cells->count = count;
    cells->dims = dims;
    cells->order = memory_new_array(count, sizeof *cells->order);
    cells->sorted = memory_new_array(count * dims, sizeof *cells->sorted);
    if (cells->order && cells->sorted)
        return ERR_OK;
    cells_free(cells);
    *out = NULL;
    return ERR_NO_MEMORY;
}

void cells_free(struct cells *cells)
{
    if (!cells)
        return;
    free(cells->order);
    free(cells->sorted);
    free(cells->cells);
    free(cells);
}

static void find_square(struct cells *cells, const float *const *axes)
{
    cells->side = 0;
    for (unsigned k = 0; k < cells->dims; k++) {
        float low = axes[k][0], high = low;
        for (size_t i = 1; i < cells->count; i++) {
            low = fminf(low, axes[k][i]);
            high = fmaxf(high, axes[k][i]);
        }
        cells->low[k] = low;
        cells->side = fmaxf(cells->side, high - low);
    }
}

static uint64_t key_of(const struct cells *cells, const float *const *axes, size_t point)
{
    const float most = (float)((1 << BITS) - 1);
    uint64_t key = 0;
    uint32_t grid[MAP_DIMS_MAX];
    for (unsigned k = 0; k < cells->dims; k++) {
        float share =
            cells->side > 0 ? (axes[k][point] - cells->low[k]) / cells->side : 0;
        grid[k] = (uint32_t)fminf(fmaxf(share * most, 0), most);
    }
    for (int bit = BITS; bit-- > 0;)
        for (unsigned k = 0; k < cells->dims; k++)
            key = key << 1 | (grid[k] >> bit & 1);
    return key;
}

static int by_key(const void *a, const void *b)
{
    const struct keyed *x = a, *y = b;
    return x->key != y->key ? (x->key > y->key) - (x->key < y->key)
                            : (x->point > y->point) - (x->point < y->point);
}

/* The first place in first … end whose key's group of bits at `depth` exceeds `group`. */
static uint32_t group_end(const struct cells *cells, uint32_t first, uint32_t end,
                          unsigned depth, uint64_t group)
{
    unsigned shift = cells->dims * (BITS - 1 - depth);
    uint64_t mask = ((uint64_t)1 << cells->dims) - 1;
    while (first < end) {
        uint32_t middle = first + (end - first) / 2;
        if ((cells->order[middle].key >> shift & mask) > group)
            end = middle;
        else
            first = middle + 1;
    }
    return first;
}

static void weigh_cell(struct cells *cells, struct cell *cell)
{
    double sums[MAP_DIMS_MAX] = {0};
    for (uint32_t i = cell->first; i < cell->end; i++)
        for (unsigned k = 0; k < cells->dims; k++)
            sums[k] += (double)cells->sorted[(size_t)i * cells->dims + k];
    cell->count = (float)(cell->end - cell->first);
    for (unsigned k = 0; k < cells->dims; k++)
        cell->centre[k] = (float)(sums[k] / (cell->end - cell->first));
}

/* Writes the cell of points first … end at `depth` and all inside it. */
static enum err split(struct cells *cells, uint32_t first, uint32_t end, unsigned depth)
{
    enum err code = memory_grow(&cells->cells, &cells->capacity, cells->used + 1,
                                sizeof *cells->cells);
    if (code)
        return code;
    size_t at = cells->used++;
    struct cell cell = {.first = first, .end = end};
    weigh_cell(cells, &cell);
    if (end - first > LEAF_POINTS && depth < BITS) {
        float width = ldexpf(cells->side, -(int)depth);
        cell.width_squared = width * width;
        for (uint64_t group = 0; first < end && !code; group++) {
            uint32_t part = group_end(cells, first, end, depth, group);
            if (part > first)
                code = split(cells, first, part, depth + 1);
            first = part;
        }
    }
    if (depth == BITS && end - first > LEAF_POINTS)
        cell.first = end; /* all in one place */
    cell.skip = (uint32_t)cells->used;
    cells->cells[at] = cell;
    return code;
}

enum err cells_build(struct cells *cells, const float *const *axes)
{
    find_square(cells, axes);
    for (size_t i = 0; i < cells->count; i++)
        cells->order[i] = (struct keyed){key_of(cells, axes, i), (uint32_t)i};
    qsort(cells->order, cells->count, sizeof *cells->order, by_key);
    for (size_t i = 0; i < cells->count; i++)
        for (unsigned k = 0; k < cells->dims; k++)
            cells->sorted[i * cells->dims + k] = axes[k][cells->order[i].point];
    cells->used = 0;
    return split(cells, 0, (uint32_t)cells->count, 0);
}

static void act(const float *from, float count, unsigned dims, const float *at,
                struct map_force *force)
{
    float difference[MAP_DIMS_MAX], square = 1;
    for (unsigned k = 0; k < dims; k++) {
        difference[k] = at[k] - from[k];
        square += difference[k] * difference[k];
    }
    float weight = 1 / square, push = count * weight * weight;
    force->weight += count * weight;
    for (unsigned k = 0; k < dims; k++)
        force->push[k] += push * difference[k];
}

static float distance_squared(const float *a, const float *b, unsigned dims)
{
    float sum = 0;
    for (unsigned k = 0; k < dims; k++)
        sum += (a[k] - b[k]) * (a[k] - b[k]);
    return sum;
}

void cells_repel(const struct cells *cells, const float *at, float theta,
                 struct map_force *force)
{
    unsigned dims = cells->dims;
    float open = theta * theta;
    for (uint32_t c = 0; c < cells->used;) {
        const struct cell *cell = &cells->cells[c];
        if (cell->width_squared == 0) {
            for (uint32_t i = cell->first; i < cell->end; i++)
                act(cells->sorted + (size_t)i * dims, 1, dims, at, force);
            if (cell->first == cell->end)
                act(cell->centre, cell->count, dims, at, force);
            c = cell->skip;
        } else if (cell->width_squared <
                   open * distance_squared(at, cell->centre, dims)) {
            act(cell->centre, cell->count, dims, at, force);
            c = cell->skip;
        } else {
            c++;
        }
    }
}

/* SPDX-License-Identifier: MIT */
/* A binary heap in place, worst item first. A scan of n scores in random order changes it
 * about k ln(n/k) times, so its cost vanishes beside the scan's. */
#include "model/vectors/best.h"

#include <math.h>

static bool worse(struct neighbour a, struct neighbour b)
{
    return a.score < b.score || (a.score == b.score && a.row > b.row);
}

static void sink(struct neighbour *items, size_t count, struct neighbour item)
{
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && worse(items[child + 1], items[child]))
            child++;
        if (!worse(items[child], item))
            break;
        items[at] = items[child];
    }
    items[at] = item;
}

static void rise(struct neighbour *items, size_t at, struct neighbour item)
{
    for (; at > 0 && worse(item, items[(at - 1) / 2]); at = (at - 1) / 2)
        items[at] = items[(at - 1) / 2];
    items[at] = item;
}

float best_threshold(const struct best *best)
{
    return best->count < best->limit ? -INFINITY : best->items[0].score;
}

void best_offer(struct best *best, uint32_t row, float score)
{
    struct neighbour item = {row, score};
    if (isnan(score))
        return;
    if (best->count < best->limit)
        rise(best->items, best->count++, item);
    else if (worse(best->items[0], item))
        sink(best->items, best->count, item);
}

void best_sort(struct best *best)
{
    for (size_t left = best->count; left > 1; left--) {
        struct neighbour worst = best->items[0];
        sink(best->items, left - 1, best->items[left - 1]);
        best->items[left - 1] = worst;
    }
}

/* SPDX-License-Identifier: MIT */
/* Rank correlation with ties, by sorting. */
#include "model/vectors/rank.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

struct placed {
    double value;
    size_t index;
};

static int rising(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;
    return (x->value > y->value) - (x->value < y->value);
}

double rank_pearson(const double *x, const double *y, size_t count)
{
    double mean_x = 0, mean_y = 0, xx = 0, yy = 0, xy = 0;
    for (size_t i = 0; i < count; i++) {
        mean_x += x[i] / (double)count;
        mean_y += y[i] / (double)count;
    }
    for (size_t i = 0; i < count; i++) {
        xx += (x[i] - mean_x) * (x[i] - mean_x);
        yy += (y[i] - mean_y) * (y[i] - mean_y);
        xy += (x[i] - mean_x) * (y[i] - mean_y);
    }
    return count > 1 && xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : NAN;
}

static void assign_ranks(struct placed *placed, const double *values, size_t count,
                         double *ranks)
{
    for (size_t i = 0; i < count; i++)
        placed[i] = (struct placed){values[i], i};
    qsort(placed, count, sizeof *placed, rising);
    for (size_t first = 0, end; first < count; first = end) {
        for (end = first + 1; end < count && placed[end].value == placed[first].value;)
            end++;
        for (size_t i = first; i < end; i++)
            ranks[placed[i].index] = (double)(first + end - 1) / 2;
    }
}

enum err rank_spearman(const double *x, const double *y, size_t count,
                       double *correlation)
{
    *correlation = NAN;
    struct placed *placed = memory_new_array(count, sizeof *placed);
    double *ranks = memory_new_array(2 * count, sizeof *ranks);
    enum err code = placed && ranks ? ERR_OK : ERR_NO_MEMORY;
    if (!code) {
        assign_ranks(placed, x, count, ranks);
        assign_ranks(placed, y, count, ranks + count);
        *correlation = rank_pearson(ranks, ranks + count, count);
    }
    free(placed);
    free(ranks);
    return code;
}

/* SPDX-License-Identifier: MIT */
/* Tables for drawing tokens. The alias table spreads the weights over `count` cells of
 * equal size so that each holds at most two words: a cell below the average is filled up
 * by one above it, which keeps the rest. 8 bytes a word stay in the second-level cache
 * where a list of 10⁸ drawn words would not. */
#include "model/vectors/sampling.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

static uint32_t threshold_of(double share)
{
    return share >= 1 ? UINT32_MAX : (uint32_t)(share * 4294967296.0);
}

/* Pairs the cells in `small` (a stack growing up) with those in `large` (growing down
 * from the end of the same array). scaled[i] is weight i over the average. */
static void pair_cells(struct alias_table *table, double *scaled, uint32_t *stack)
{
    size_t small = 0, large = table->count;
    for (uint32_t i = 0; i < table->count; i++)
        if (scaled[i] < 1)
            stack[small++] = i;
        else
            stack[--large] = i;
    while (small > 0 && large < table->count) {
        uint32_t low = stack[--small], high = stack[large];
        table->cells[low] = (struct alias_cell){threshold_of(scaled[low]), high};
        scaled[high] -= 1 - scaled[low];
        if (scaled[high] < 1) {
            large++;
            stack[small++] = high;
        }
    }
    while (small > 0) { /* 1 but for rounding */
        uint32_t cell = stack[--small];
        table->cells[cell] = (struct alias_cell){UINT32_MAX, cell};
    }
    for (; large < table->count; large++)
        table->cells[stack[large]] = (struct alias_cell){UINT32_MAX, stack[large]};
}

enum err sampling_alias_init(struct alias_table *table, const double *weights,
                             uint32_t count)
{
    *table = (struct alias_table){.count = count};
    double sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += weights[i];
    if (count == 0 || !(sum > 0))
        return ERR_INVALID;
    table->cells = memory_new_array(count, sizeof *table->cells);
    double *scaled = memory_new_array(count, sizeof *scaled);
    uint32_t *stack = memory_new_array(count, sizeof *stack);
    enum err code = table->cells && scaled && stack ? ERR_OK : ERR_NO_MEMORY;
    if (!code) {
        for (uint32_t i = 0; i < count; i++)
            scaled[i] = weights[i] * count / sum;
        pair_cells(table, scaled, stack);
    } else {
        sampling_alias_fini(table);
    }
    free(scaled);
    free(stack);
    return code;
}

void sampling_alias_fini(struct alias_table *table)
{
    free(table->cells);
    *table = (struct alias_table){0};
}

void sampling_keep(const uint64_t *counts, uint32_t count, uint64_t total,
                   double threshold, uint32_t *keep)
{
    double base = threshold * (double)total;
    for (uint32_t i = 0; i < count; i++) {
        double share = (double)counts[i] / base;
        keep[i] = threshold <= 0 || counts[i] == 0
                      ? UINT32_MAX
                      : threshold_of((sqrt(share) + 1) / share);
    }
}

/* SPDX-License-Identifier: MIT */
/* The hash index over the continuations of contexts that have many.
 *
 * Bisection in thousands of records waits for memory at every step. The index needs one
 * slot of four bytes: its place is the hash of context and word, its content says which
 * of the context's continuations may be the word, and twelve more bits of the hash make a
 * wrong guess rare; the record itself decides. Linear probing, at most two thirds full.
 * It is made on loading, because that costs less than reading it would. */
#include <stdlib.h>

#include "base/memory.h"
#include "model/ngram/fast_find.h"

static void insert(struct few_or_many *next, uint32_t *slots, uint32_t context,
                   uint32_t begin, uint32_t count)
{
    uint64_t mask = UINT64_MAX >> next->shift;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t hash =
            fast_hash(context, next->records[(size_t)(begin + i) * next->stride]);
        uint64_t slot = hash >> next->shift;
        while (slots[slot] != 0)
            slot = (slot + 1) & mask;
        slots[slot] = fast_tag(hash) | (i + 1);
    }
}

enum err fast_index(struct fast *fast, unsigned k)
{
    struct few_or_many *next = &fast->next[k];
    const struct gram *contexts = fast->grams[k];
    size_t indexed = 0;
    bool last = k + 1 == fast->order;
    next->records = last ? &fast->last->word : &fast->grams[k + 1]->word;
    next->stride =
        (uint32_t)((last ? sizeof *fast->last : sizeof *contexts) / sizeof(uint32_t));
    for (size_t i = 0; i < fast->counts[k]; i++) {
        uint32_t count = contexts[i + 1].begin - contexts[i].begin;
        indexed += count > FEW && count <= SLOT_PLACES ? count : 0;
    }
    if (indexed == 0)
        return ERR_OK;
    next->shift = 63;
    while ((size_t)1 << (64 - next->shift) < indexed + indexed / 2)
        next->shift--;
    fast->slots[k] =
        memory_new_array((size_t)1 << (64 - next->shift), sizeof *fast->slots[k]);
    if (!fast->slots[k])
        return ERR_NO_MEMORY;
    next->slots = fast->slots[k];
    for (size_t i = 0; i < fast->counts[k]; i++) {
        uint32_t begin = contexts[i].begin, count = contexts[i + 1].begin - begin;
        if (fast_is_indexed(next, count))
            insert(next, fast->slots[k], (uint32_t)i, begin, count);
    }
    return ERR_OK;
}

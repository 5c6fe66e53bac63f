/* SPDX-License-Identifier: MIT */
/* Finding a word among a context's continuations in the fast form: where they are few, by
 * bisection; where they are many, by a hash index whose slots say "20 bits of place, 12
 * bits of tag". Inline, because this is where scoring spends its time. */
#ifndef FIRTH_MODEL_NGRAM_FAST_FIND_H
#define FIRTH_MODEL_NGRAM_FAST_FIND_H

#include "model/ngram/fast.h"

#define FEW 8u /* a power of two */
#define SLOT_PLACE_BITS 20u
#define SLOT_PLACES ((1u << SLOT_PLACE_BITS) - 1)

static inline uint64_t fast_hash(uint32_t context, uint32_t word)
{
    uint64_t mixed = ((uint64_t)context << 32 | word) * 0x9e3779b97f4a7c15u;
    return (mixed ^ mixed >> 29) * 0xbf58476d1ce4e5b9u;
}

static inline uint32_t fast_tag(uint64_t hash)
{
    return (uint32_t)hash & ~SLOT_PLACES;
}

/* The index of `word` in begin … end - 1, at most FEW of them. */
static inline uint32_t fast_find_few(const struct few_or_many *level, uint32_t begin,
                                     uint32_t end, uint32_t word)
{
    uint32_t at = begin;
    if (begin == end)
        return NOT_FOUND;
    for (uint32_t step = FEW / 2; step > 0; step /= 2) {
        uint32_t probe = at + step < end ? at + step : at;
        at = level->records[(size_t)probe * level->stride] <= word ? probe : at;
    }
    return level->records[(size_t)at * level->stride] == word ? at : NOT_FOUND;
}

/* As above for any number, by bisection. */
static inline uint32_t fast_find_sorted(const struct few_or_many *level, uint32_t begin,
                                        uint32_t end, uint32_t word)
{
    while (end - begin > FEW) {
        uint32_t middle = begin + (end - begin) / 2;
        if (level->records[(size_t)middle * level->stride] <= word)
            begin = middle;
        else
            end = middle;
    }
    return fast_find_few(level, begin, end, word);
}

/* The next place below `count` that the index names for `hash` from slot *slot on; moves
 * *slot behind it. NOT_FOUND when there is none. */
static inline uint32_t fast_next_place(const struct few_or_many *level, uint64_t *slot,
                                       uint64_t hash, uint32_t count)
{
    uint64_t mask = UINT64_MAX >> level->shift;
    for (;; *slot = (*slot + 1) & mask) {
        uint32_t value = level->slots[*slot];
        if (value == 0)
            return NOT_FOUND;
        if (((value ^ (uint32_t)hash) & ~SLOT_PLACES) == 0 &&
            (value & SLOT_PLACES) <= count) {
            *slot = (*slot + 1) & mask;
            return (value & SLOT_PLACES) - 1;
        }
    }
}

static inline bool fast_is_indexed(const struct few_or_many *level, uint32_t count)
{
    return count > FEW && count <= SLOT_PLACES && level->slots;
}

static inline uint32_t fast_find(const struct few_or_many *level, uint32_t context,
                                 uint32_t begin, uint32_t end, uint32_t word)
{
    if (!fast_is_indexed(level, end - begin))
        return fast_find_sorted(level, begin, end, word);
    uint64_t hash = fast_hash(context, word), slot = hash >> level->shift;
    for (;;) {
        uint32_t place = fast_next_place(level, &slot, hash, end - begin);
        if (place == NOT_FOUND)
            return NOT_FOUND;
        if (level->records[(size_t)(begin + place) * level->stride] == word)
            return begin + place;
    }
}

/* One lookup in one context: whether `token` continues `state` (level > 0). When it does,
 * sets the probability and moves the state on; otherwise the caller backs off. */
static inline bool fast_match(const struct fast *fast, struct fast_state *state,
                              const struct gram *context, uint32_t token, float *prob)
{
    uint32_t found = fast_find(&fast->next[state->level], state->gram, context[0].begin,
                               context[1].begin, token);
    if (found == NOT_FOUND)
        return false;
    if (state->level + 1 == fast->order) {
        *prob = fast->last[found].prob;
        state->gram = fast->last[found].suffix;
    } else {
        *prob = fast->grams[state->level + 1][found].prob;
        *state = (struct fast_state){state->level + 1, found};
    }
    return true;
}

#endif

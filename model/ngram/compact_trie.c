/* SPDX-License-Identifier: MIT */
/* Reading the compact form's levels: where an n-gram's continuations are, which of them
 * is a word, and the shares of a context.
 *
 * `ends` is the unary code of the numbers of continuations: the continuations of n-gram i
 * begin behind its i-th 1, and the zeros before it count those of the n-grams before. The
 * 1 is found from the nearest sample (Jacobson 1989). */
#include "model/ngram/compact.h"

/* ---- shares ---- */

void compact_tables(struct code_tables *tables, const struct level_rule *rule,
                    const uint32_t *values)
{
    for (unsigned code = 0; code < COMPACT_VALUES; code++) {
        uint32_t count = values[code];
        unsigned class = count < COUNT_CLASSES ? count : COUNT_CLASSES - 1;
        tables->discounted[code] =
            (float)(rule->scale[class] * count - rule->subtract[class]);
        tables->whole[code] = (float)(count + rule->extra_by_type);
        tables->count[code] = (float)count;
    }
    tables->weighted = false;
    for (unsigned bucket = 0; bucket < WEIGHT_BUCKETS; bucket++)
        tables->weighted = tables->weighted || rule->weight[bucket] != 1;
    for (unsigned code = 0; code < COMPACT_VALUES; code++) {
        uint8_t alone = (uint8_t)code;
        compact_share(tables, rule, &alone, 1, &tables->one_factor[code],
                      &tables->one_left[code]);
    }
}

void compact_share(const struct code_tables *tables, const struct level_rule *rule,
                   const uint8_t *codes, size_t count, float *factor, float *left)
{
    double whole = 0, given = 0, total = 0;
    for (size_t i = 0; i < count; i++) {
        whole += (double)tables->whole[codes[i]];
        given += (double)tables->discounted[codes[i]];
        total += (double)tables->count[codes[i]];
    }
    whole += rule->extra;
    if (whole - given <= 0)
        whole += rule->extra_if_spent;
    double weight =
        tables->weighted ? rule->weight[weight_bucket((uint64_t)total, count)] : 1;
    *factor = (float)(weight / whole);
    *left = (float)(1 - weight * (given / whole));
}

/* ---- the trie ---- */

uint64_t compact_end(const struct compact_level *level, uint64_t rank)
{
    uint64_t at = level->samples[rank / COMPACT_ONES];
    uint64_t index = at / 64, word = level->ends[index] >> at % 64 << at % 64;
    for (unsigned left = (unsigned)(rank % COMPACT_ONES); left > 0 || word == 0;) {
        if (word == 0) {
            word = level->ends[++index];
        } else {
            word &= word - 1;
            left--;
        }
    }
    return index * 64 + (unsigned)__builtin_ctzll(word);
}

static uint64_t next_one(const struct compact_level *level, uint64_t at)
{
    uint64_t index = at / 64, word = level->ends[index] >> at % 64 << at % 64;
    while (word == 0)
        word = level->ends[++index];
    return index * 64 + (unsigned)__builtin_ctzll(word);
}

void compact_range(const struct compact *compact, unsigned k, uint32_t gram,
                   struct opened *opened)
{
    if (k == 1) {
        opened->begin = compact->word_begin[gram];
        opened->end = compact->word_begin[gram + 1];
        return;
    }
    const struct compact_level *level = &compact->at[k];
    uint64_t before = gram ? compact_end(level, gram - 1) + 1 : 0;
    uint64_t end = next_one(level, before);
    opened->begin = (uint32_t)(before - gram);
    opened->end = (uint32_t)(end - gram);
}

static unsigned count_ones(uint64_t word)
{
    word -= word >> 1 & 0x5555555555555555u;
    word = (word & 0x3333333333333333u) + (word >> 2 & 0x3333333333333333u);
    word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (unsigned)(word * 0x0101010101010101u >> 56);
}

static bool find_stored(const struct compact_level *level, uint32_t gram,
                        struct opened *opened)
{
    uint64_t bits = level->marks[gram / 64], bit = (uint64_t)1 << gram % 64;
    if (!(bits & bit))
        return false;
    const struct stored_share *stored =
        &level->stored[level->ranks[gram / 64] + count_ones(bits & (bit - 1))];
    opened->factor = stored->factor;
    opened->left = stored->left;
    return true;
}

void compact_open(const struct compact *compact, unsigned k, uint32_t gram,
                  struct opened *opened)
{
    compact_range(compact, k, gram, opened);
    compact_shares(compact, k, gram, opened);
}

void compact_shares(const struct compact *compact, unsigned k, uint32_t gram,
                    struct opened *opened)
{
    const struct compact_level *level = &compact->at[k], *next = level + 1;
    uint32_t count = opened->end - opened->begin;
    opened->factor = 0;
    opened->left = 1;
    if (count == 1 && !compact->stores_small) {
        uint8_t code = next->codes[opened->begin];
        opened->factor = next->tables.one_factor[code];
        opened->left = next->tables.one_left[code];
    } else if (count > 0 &&
               !(level->marks && (count > COMPACT_SCAN_MOST || compact->stores_small) &&
                 find_stored(level, gram, opened)))
        compact_share(&next->tables, &compact->rules.at[k + 1],
                      next->codes + opened->begin, count, &opened->factor, &opened->left);
    if (level->backoff)
        opened->left = level->backoff[gram];
}

uint32_t compact_find(const struct compact *compact, unsigned k, uint32_t begin,
                      uint32_t end, uint32_t word)
{
    uint32_t count = end - begin;
    while (count > 4) {
        uint32_t half = count / 2;
        begin += compact_word(compact, k, begin + half) <= word ? half : 0;
        count -= half;
    }
    for (; count > 0; begin++, count--)
        if (compact_word(compact, k, begin) == word)
            return begin;
    return UINT32_MAX;
}

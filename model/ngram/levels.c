/* SPDX-License-Identifier: MIT */
/* The tables of n-grams by level, and what can be read off their order alone.
 *
 * Linking: an n-gram that does not end in </s> occurs exactly as often as its
 * continuations together, so both tables can be walked side by side and the counts say
 * where one n-gram's continuations end. Pruning keeps the tables closed: a suffix and a
 * prefix occur at least as often as the whole, and thresholds never fall with the level.
 */
#include "model/ngram/levels.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "model/text/vocab.h"

void levels_fini(struct levels *levels)
{
    for (unsigned k = 0; k <= NGRAM_ORDER_MAX; k++) {
        struct level *level = &levels->at[k];
        free(level->word);
        free(level->raw);
        free(level->suffix);
        free(level->begin);
        free(level->distinct);
        free(level->prob);
        free(level->backoff);
        free(level->factor);
    }
    memset(levels, 0, sizeof *levels);
}

void levels_link(struct levels *levels, unsigned k)
{
    const struct level *level = &levels->at[k], *next = &levels->at[k + 1];
    size_t child = 0;
    for (size_t i = 0; i < level->count; i++) {
        level->begin[i] = (uint32_t)child;
        if (level->word[i] == VOCAB_EOS)
            continue;
        for (uint32_t left = level->raw[i]; left > 0 && child < next->count; child++)
            left -= next->raw[child];
    }
    level->begin[level->count] = (uint32_t)child;
}

void levels_after_bos(const struct levels *levels, unsigned k, size_t *first,
                      size_t *last)
{
    *first = VOCAB_BOS;
    *last = VOCAB_BOS + 1;
    for (unsigned i = 1; i < k; i++) {
        *first = levels->at[i].begin[*first];
        *last = levels->at[i].begin[*last];
    }
}

static enum err count_distinct(void *context, unsigned index, unsigned count)
{
    struct levels *levels = context;
    for (unsigned k = 1 + index; k < levels->order; k += count) {
        struct level *level = &levels->at[k];
        const struct level *next = &levels->at[k + 1];
        size_t first, last;
        level->distinct = memory_new_array(level->count, sizeof *level->distinct);
        if (!level->distinct)
            return ERR_NO_MEMORY;
        for (size_t i = 0; i < next->count; i++)
            level->distinct[next->suffix[i]]++;
        levels_after_bos(levels, k, &first, &last);
        if (k > 1)
            memcpy(level->distinct + first, level->raw + first, (last - first) * 4);
    }
    return ERR_OK;
}

enum err levels_count_distinct(struct levels *levels, unsigned threads)
{
    unsigned most = levels->order > 1 ? levels->order - 1 : 1;
    return parallel_run(threads < most ? threads : most, count_distinct, levels);
}

static void move_gram(const struct level *level, size_t from, size_t to)
{
    uint32_t *const numbers[] = {level->word, level->raw, level->suffix, level->begin,
                                 level->distinct};
    float *const shares[] = {level->prob, level->backoff, level->factor};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i])
            numbers[i][to] = numbers[i][from];
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
        if (shares[i])
            shares[i][to] = shares[i][from];
}

/* Drops what is not kept of level k. `before` maps the indexes of level k - 1; `*map`
 * becomes the map of level k (the number kept before an index). */
static enum err prune_level(struct levels *levels, unsigned k, uint32_t least,
                            const uint32_t *before, uint32_t **map)
{
    struct level *level = &levels->at[k];
    size_t kept = 0;
    *map = memory_new_array(level->count + 1, sizeof **map);
    if (!*map)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < level->count; i++) {
        (*map)[i] = (uint32_t)kept;
        if (k > 1 && level->raw[i] <= least)
            continue;
        if (k > 1)
            level->suffix[i] = before[level->suffix[i]];
        move_gram(level, i, kept++);
    }
    (*map)[level->count] = (uint32_t)kept;
    if (level->begin)
        level->begin[kept] = level->begin[level->count];
    level->count = kept;
    return ERR_OK;
}

enum err levels_prune(struct levels *levels, const uint32_t *least)
{
    uint32_t *before = NULL, *map = NULL;
    enum err code = ERR_OK;
    for (unsigned k = 1; !code && k <= levels->order; k++) {
        code = prune_level(levels, k, least[k - 1], before, &map);
        struct level *parents = &levels->at[k - 1];
        for (size_t i = 0; !code && k > 1 && i <= parents->count; i++)
            parents->begin[i] = map[parents->begin[i]];
        free(before);
        before = map;
        map = NULL;
    }
    free(before);
    return code;
}

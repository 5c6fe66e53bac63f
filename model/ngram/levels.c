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
#include "base/spill.h"
#include "model/text/vocab.h"

/* ---- arrays ---- */

static void set_array(struct level *level, enum level_array which, void *array)
{
    switch (which) {
    case LEVEL_WORD:
        level->word = array;
        break;
    case LEVEL_RAW:
        level->raw = array;
        break;
    case LEVEL_SUFFIX:
        level->suffix = array;
        break;
    case LEVEL_BEGIN:
        level->begin = array;
        break;
    case LEVEL_DISTINCT:
        level->distinct = array;
        break;
    case LEVEL_PROB:
        level->prob = array;
        break;
    case LEVEL_BACKOFF:
        level->backoff = array;
        break;
    case LEVEL_FACTOR:
        level->factor = array;
        break;
    case LEVEL_ARRAYS:
        break;
    }
}

static void *get_array(const struct level *level, enum level_array which)
{
    void *const arrays[LEVEL_ARRAYS] = {level->word,    level->raw,      level->suffix,
                                        level->begin,   level->distinct, level->prob,
                                        level->backoff, level->factor};
    return arrays[which];
}

static void drop_array(struct levels *levels, unsigned k, enum level_array which)
{
    struct spill **spill = &levels->spills[k][which];
    if (*spill)
        spill_close(*spill);
    else
        free(get_array(&levels->at[k], which));
    *spill = NULL;
    set_array(&levels->at[k], which, NULL);
}

void levels_fini(struct levels *levels)
{
    for (unsigned k = 0; k <= NGRAM_ORDER_MAX; k++)
        for (enum level_array which = LEVEL_WORD; which < LEVEL_ARRAYS; which++)
            drop_array(levels, k, which);
    memset(levels, 0, sizeof *levels);
}

enum err levels_report(const struct levels *levels, const char *phase, double begin,
                       double end, double part)
{
    const struct progress_report report = {.fraction = begin + (end - begin) * part,
                                           .phase = phase};
    return progress_report(levels->progress, &report) == PROGRESS_STOP ? ERR_CANCELLED
                                                                       : ERR_OK;
}

enum err levels_take_spill(struct levels *levels, unsigned k, enum level_array which,
                           struct spill *spill, size_t count)
{
    void *array;
    drop_array(levels, k, which);
    levels->spills[k][which] = spill;
    enum err code = spill_map_writable(spill, (uint64_t)count * sizeof(uint32_t), &array);
    set_array(&levels->at[k], which, array);
    return code;
}

enum err levels_new_array(struct levels *levels, unsigned k, enum level_array which,
                          size_t count)
{
    if (levels->on_disk) {
        struct spill *spill;
        enum err code = spill_open(levels->directory, &spill);
        return code ? code : levels_take_spill(levels, k, which, spill, count);
    }
    drop_array(levels, k, which);
    void *array = memory_new_array(count, sizeof(uint32_t));
    set_array(&levels->at[k], which, array);
    return array ? ERR_OK : ERR_NO_MEMORY;
}

/* ---- the order ---- */

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
        enum err code = levels_new_array(levels, k, LEVEL_DISTINCT, level->count);
        if (code)
            return code;
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

/* Drops what is not kept of level k. `before` maps the indexes of level k - 1; `map` is
 * filled with the map of level k (the number kept before an index). */
static void prune_level(struct levels *levels, unsigned k, uint32_t least,
                        const uint32_t *before, uint32_t *map)
{
    struct level *level = &levels->at[k];
    size_t kept = 0;
    for (size_t i = 0; i < level->count; i++) {
        map[i] = (uint32_t)kept;
        if (k > 1 && level->raw[i] <= least)
            continue;
        if (k > 1)
            level->suffix[i] = before[level->suffix[i]];
        move_gram(level, i, kept++);
    }
    map[level->count] = (uint32_t)kept;
    if (level->begin)
        level->begin[kept] = level->begin[level->count];
    level->count = kept;
}

/* The maps of the level at hand and the one before stand in arrays of the unused level 0,
 * so that they go where the others are. */
enum err levels_prune(struct levels *levels, const uint32_t *least)
{
    enum err code = ERR_OK;
    size_t most = 0;
    for (unsigned k = 1; k <= levels->order; k++)
        most = levels->at[k].count > most ? levels->at[k].count : most;
    for (unsigned map = 0; !code && map < 2; map++)
        code = levels_new_array(levels, 0, map ? LEVEL_SUFFIX : LEVEL_WORD, most + 1);
    uint32_t *maps[2] = {levels->at[0].word, levels->at[0].suffix};
    for (unsigned k = 1; !code && k <= levels->order; k++) {
        prune_level(levels, k, least[k - 1], maps[(k - 1) % 2], maps[k % 2]);
        struct level *parents = &levels->at[k - 1];
        for (size_t i = 0; k > 1 && i <= parents->count; i++)
            parents->begin[i] = maps[k % 2][parents->begin[i]];
    }
    drop_array(levels, 0, LEVEL_WORD);
    drop_array(levels, 0, LEVEL_SUFFIX);
    return code;
}

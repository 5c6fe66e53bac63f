/* SPDX-License-Identifier: MIT */
/* Building the levels from a stream of records in rising order: a record shares a prefix
 * with the one before it; from the first different word on it opens new n-grams, and its
 * count belongs to all its prefixes.
 *
 * Suffixes are then found by walking: the suffix of (parent, word) continues the parent's
 * own suffix by the same word. Below one first word the parents' suffixes rise, so the
 * search moves forward through memory. */
#include "model/ngram/merge_levels.h"

#include <stdlib.h>

#include "base/memory.h"
#include "model/text/vocab.h"

enum { RECORDS_AT_ONCE = 1024 };

/* A level that grows. */
struct growing {
    struct level *level;
    size_t word_room, raw_room, begin_room;
};

struct builder {
    struct levels *levels;
    struct growing at[NGRAM_ORDER_MAX + 1];
    uint32_t path[NGRAM_ORDER_MAX];
    unsigned path_length; /* 0 before the first record */
};

static enum err append_node(struct builder *builder, unsigned k, uint32_t word)
{
    struct growing *growing = &builder->at[k];
    struct level *level = growing->level;
    if (level->count >= NGRAM_COUNT_MAX)
        return ERR_LIMIT;
    enum err code = memory_grow(&level->word, &growing->word_room, level->count + 1,
                                sizeof *level->word);
    if (!code)
        code = memory_grow(&level->raw, &growing->raw_room, level->count + 1,
                           sizeof *level->raw);
    if (!code && k < builder->levels->order)
        code = memory_grow(&level->begin, &growing->begin_room, level->count + 2,
                           sizeof *level->begin);
    if (code)
        return code;
    level->word[level->count] = word;
    level->raw[level->count] = 0;
    if (level->begin)
        level->begin[level->count] = (uint32_t)builder->levels->at[k + 1].count;
    level->count++;
    return ERR_OK;
}

/* Level 1 is dense: words that do not occur before `word` get their empty entries. */
static enum err append_words_until(struct builder *builder, uint32_t end)
{
    enum err code = ERR_OK;
    for (struct level *level = &builder->levels->at[1]; !code && level->count < end;)
        code = append_node(builder, 1, (uint32_t)level->count);
    return code;
}

static enum err add_record(struct builder *builder, const uint32_t *record)
{
    unsigned order = builder->levels->order, length = 1, same = 0;
    while (length < order && record[length - 1] != VOCAB_EOS)
        length++;
    while (same < length && same < builder->path_length &&
           builder->path[same] == record[same])
        same++;
    uint64_t occurrences = counting_get_u64(record + order);
    enum err code = ERR_OK;
    for (unsigned k = same + 1; !code && k <= length; k++) {
        builder->path[k - 1] = record[k - 1];
        code = k == 1 ? append_words_until(builder, record[0] + 1)
                      : append_node(builder, k, record[k - 1]);
    }
    for (unsigned k = 1; !code && k <= length; k++) {
        uint32_t *raw = &builder->levels->at[k].raw[builder->levels->at[k].count - 1];
        if (occurrences > NGRAM_COUNT_MAX - *raw)
            return ERR_LIMIT;
        *raw += (uint32_t)occurrences;
    }
    builder->path_length = length;
    return code;
}

static enum err add_all(struct builder *builder, struct counting_merge *merge)
{
    unsigned order = builder->levels->order;
    uint32_t *records = memory_new_array(RECORDS_AT_ONCE, (order + 2u) * sizeof *records);
    size_t got = 1;
    enum err code = records ? ERR_OK : ERR_NO_MEMORY;
    while (!code && got > 0) {
        code = counting_merge_next(merge, records, RECORDS_AT_ONCE, &got);
        for (size_t i = 0; !code && i < got; i++)
            code = add_record(builder, records + i * (order + 2u));
    }
    free(records);
    return code;
}

/* The last entry of `begin`, and arrays for levels that stayed empty. */
static enum err close_levels(struct builder *builder)
{
    for (unsigned k = 1; k < builder->levels->order; k++) {
        struct level *level = &builder->levels->at[k];
        enum err code = memory_grow(&level->begin, &builder->at[k].begin_room,
                                    level->count + 1, sizeof *level->begin);
        if (code)
            return code;
        level->begin[level->count] = (uint32_t)builder->levels->at[k + 1].count;
    }
    return ERR_OK;
}

uint32_t levels_child(const struct levels *levels, unsigned k, uint32_t parent,
                      uint32_t word)
{
    const struct level *level = &levels->at[k];
    const uint32_t *words = levels->at[k + 1].word;
    size_t low = level->begin[parent], high = level->begin[parent + 1], end = high;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (words[middle] < word)
            low = middle + 1;
        else
            high = middle;
    }
    return low < end && words[low] == word ? (uint32_t)low : UINT32_MAX;
}

static enum err find_suffixes_of_level(struct levels *levels, unsigned k)
{
    struct level *level = &levels->at[k];
    const struct level *parents = &levels->at[k - 1];
    level->suffix = memory_new_array(level->count, sizeof *level->suffix);
    if (!level->suffix)
        return ERR_NO_MEMORY;
    for (size_t parent = 0; parent < parents->count; parent++)
        for (size_t i = parents->begin[parent]; i < parents->begin[parent + 1]; i++) {
            uint32_t word = level->word[i];
            uint32_t suffix =
                k == 2 ? word
                       : levels_child(levels, k - 2, parents->suffix[parent], word);
            if (suffix == UINT32_MAX)
                return ERR_INVALID;
            level->suffix[i] = suffix;
        }
    return ERR_OK;
}

enum err levels_find_suffixes(struct levels *levels)
{
    enum err code = ERR_OK;
    for (unsigned k = 2; !code && k <= levels->order; k++) {
        free(levels->at[k].suffix);
        levels->at[k].suffix = NULL;
        code = find_suffixes_of_level(levels, k);
    }
    return code;
}

enum err merge_levels(struct counting_merge *merge, unsigned order, uint32_t vocab_size,
                      struct levels *levels)
{
    struct builder builder = {.levels = levels};
    levels->order = order;
    levels->vocab_size = vocab_size;
    for (unsigned k = 1; k <= order; k++)
        builder.at[k].level = &levels->at[k];
    enum err code = add_all(&builder, merge);
    if (!code)
        code = append_words_until(&builder, vocab_size);
    if (!code)
        code = close_levels(&builder);
    if (!code)
        code = levels_find_suffixes(levels);
    if (code)
        levels_fini(levels);
    return code;
}

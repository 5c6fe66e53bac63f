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
#include "base/spill.h"
#include "model/text/vocab.h"

enum { RECORDS_AT_ONCE = 1024, CALLS_A_REPORT = 256 };

/* An array of a level that grows, in memory or on disk. */
struct column {
    uint32_t *numbers; /* [room], or NULL when on disk */
    struct spill *spill;
    size_t count, room;
};

struct builder {
    struct levels *levels;
    struct column columns[NGRAM_ORDER_MAX + 1][LEVEL_ARRAYS];
    size_t counts[NGRAM_ORDER_MAX + 1];    /* n-grams begun */
    uint32_t path[NGRAM_ORDER_MAX];        /* the n-gram at hand … */
    uint32_t occurrences[NGRAM_ORDER_MAX]; /* … and how often its prefixes occur */
    unsigned path_length;                  /* 0 before the first record */
};

static enum err column_append(struct builder *builder, unsigned k, enum level_array which,
                              uint32_t number)
{
    struct column *column = &builder->columns[k][which];
    enum err code = ERR_OK;
    if (builder->levels->on_disk) {
        if (!column->spill)
            code = spill_open(builder->levels->directory, &column->spill);
        if (!code)
            code = spill_append(column->spill, &number, sizeof number);
    } else {
        code = memory_grow(&column->numbers, &column->room, column->count + 1,
                           sizeof *column->numbers);
        if (!code)
            column->numbers[column->count] = number;
    }
    column->count += !code;
    return code;
}

/* The n-gram of level k at hand is complete. */
static enum err end_node(struct builder *builder, unsigned k)
{
    return column_append(builder, k, LEVEL_RAW, builder->occurrences[k - 1]);
}

static enum err begin_node(struct builder *builder, unsigned k, uint32_t word)
{
    if (builder->counts[k]++ >= NGRAM_COUNT_MAX)
        return ERR_LIMIT;
    builder->path[k - 1] = word;
    builder->occurrences[k - 1] = 0;
    enum err code = column_append(builder, k, LEVEL_WORD, word);
    if (!code && k < builder->levels->order)
        code = column_append(builder, k, LEVEL_BEGIN, (uint32_t)builder->counts[k + 1]);
    return code;
}

/* Level 1 is dense: words that do not occur before `end` get their empty entries. */
static enum err add_words_until(struct builder *builder, uint32_t end)
{
    enum err code = ERR_OK;
    while (!code && builder->counts[1] < end) {
        code = begin_node(builder, 1, (uint32_t)builder->counts[1]);
        if (!code)
            code = end_node(builder, 1);
    }
    return code;
}

/* Ends the n-grams at hand of more than `same` words. */
static enum err end_path(struct builder *builder, unsigned same)
{
    enum err code = ERR_OK;
    for (unsigned k = builder->path_length; !code && k > same; k--)
        code = end_node(builder, k);
    builder->path_length = same;
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
    enum err code = end_path(builder, same);
    if (!code && same == 0)
        code = add_words_until(builder, record[0]);
    for (unsigned k = same + 1; !code && k <= length; k++)
        code = begin_node(builder, k, record[k - 1]);
    uint64_t occurrences = counting_get_u64(record + order);
    for (unsigned k = 0; !code && k < length; k++) {
        if (occurrences > NGRAM_COUNT_MAX - builder->occurrences[k])
            return ERR_LIMIT;
        builder->occurrences[k] += (uint32_t)occurrences;
    }
    builder->path_length = length;
    return code;
}

static enum err add_all(struct builder *builder, struct counting_merge *merge)
{
    unsigned order = builder->levels->order;
    uint32_t *records = memory_new_array(RECORDS_AT_ONCE, (order + 2u) * sizeof *records);
    size_t got = 1, calls = 0;
    enum err code = records ? ERR_OK : ERR_NO_MEMORY;
    while (!code && got > 0) {
        code = counting_merge_next(merge, records, RECORDS_AT_ONCE, &got);
        for (size_t i = 0; !code && i < got; i++)
            code = add_record(builder, records + i * (order + 2u));
        if (!code && ++calls % CALLS_A_REPORT == 0)
            code = levels_report(builder->levels, "counting", 0.5, 0.6, 0);
    }
    free(records);
    return code;
}

/* Hands the columns to the levels; what is left of them is freed. */
static enum err give_columns(struct builder *builder, enum err code)
{
    for (unsigned k = 1; k <= builder->levels->order; k++)
        for (enum level_array which = LEVEL_WORD; which <= LEVEL_BEGIN; which++) {
            struct column *column = &builder->columns[k][which];
            if (!code && column->spill) {
                code = levels_take_spill(builder->levels, k, which, column->spill,
                                         column->count);
                column->spill = NULL;
            }
            spill_close(column->spill);
            column->spill = NULL;
        }
    for (unsigned k = 1; k <= builder->levels->order; k++) {
        struct level *level = &builder->levels->at[k];
        struct column *columns = builder->columns[k];
        level->count = builder->counts[k];
        level->word = level->word ? level->word : columns[LEVEL_WORD].numbers;
        level->raw = level->raw ? level->raw : columns[LEVEL_RAW].numbers;
        level->begin = level->begin ? level->begin : columns[LEVEL_BEGIN].numbers;
    }
    return code;
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
    enum err code = levels_new_array(levels, k, LEVEL_SUFFIX, level->count);
    if (code)
        return code;
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
        code = levels_report(levels, "counting", 0.5, 0.6, (k - 1.0) / levels->order);
        if (!code)
            code = find_suffixes_of_level(levels, k);
    }
    return code;
}

enum err merge_levels(struct counting_merge *merge, struct levels *levels)
{
    struct builder builder = {.levels = levels};
    enum err code = add_all(&builder, merge);
    if (!code)
        code = end_path(&builder, 0);
    if (!code)
        code = add_words_until(&builder, levels->vocab_size);
    for (unsigned k = 1; !code && k < levels->order; k++)
        code = column_append(&builder, k, LEVEL_BEGIN, (uint32_t)builder.counts[k + 1]);
    code = give_columns(&builder, code);
    if (!code)
        code = levels_find_suffixes(levels);
    if (code)
        levels_fini(levels);
    return code;
}

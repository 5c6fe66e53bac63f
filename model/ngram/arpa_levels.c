/* SPDX-License-Identifier: MIT */
/* Levels from the rows of an ARPA file.
 *
 * The rows of each order are sorted by their words; side by side with the order before,
 * that gives the continuations of every n-gram. Files of pruned models may lack an
 * n-gram's prefix or suffix. Adding it with the probability that backing off gives
 * anyway, and back-off weight 1, changes no score and closes the levels, which is what
 * all query forms rely on. Added n-grams can lack their own prefix or suffix, but one
 * order lower, so this ends after at most `order` rounds. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/counting.h"
#include "model/ngram/arpa_file.h"
#include "model/ngram/merge_levels.h"
#include "model/text/vocab.h"

/* Stands as the probability of an added n-gram until it is known. */
#define ADDED (-1.0f)

struct arpa_builder {
    struct arpa_file *file;
    struct levels *levels;
    struct arpa_rows missing[NGRAM_ORDER_MAX + 1];
    struct err_info *info;
};

static size_t row_words(unsigned k)
{
    return (size_t)k + 2;
}

static enum err sort_rows(struct arpa_rows *rows, unsigned k)
{
    const struct counting_format format = {k, COUNTING_U64};
    uint32_t *scratch = memory_new_array(rows->count, row_words(k) * sizeof *scratch);
    if (!scratch)
        return ERR_NO_MEMORY;
    rows->count = counting_sort(&format, rows->records, scratch, rows->count);
    free(scratch);
    return ERR_OK;
}

/* Sorts the rows as read; two of the same words are an error. */
static enum err sort_file(struct arpa_builder *builder)
{
    enum err code = ERR_OK;
    for (unsigned k = 1; !code && k <= builder->file->order; k++) {
        struct arpa_rows *rows = &builder->file->rows[k];
        size_t before = rows->count;
        code = sort_rows(rows, k);
        if (!code && rows->count < before)
            code = err_set_place(builder->info, ERR_BAD_MODEL_FILE, rows->offset,
                                 rows->line, "%zu of the %u-grams stand there twice",
                                 before - rows->count, k);
    }
    return code;
}

/* ---- levels from sorted rows ---- */

static enum err level_alloc(struct level *level, size_t count, bool last)
{
    level->count = count;
    level->word = memory_new_array(count, sizeof *level->word);
    level->prob = memory_new_array(count, sizeof *level->prob);
    if (!last) {
        level->begin = memory_new_array(count + 1, sizeof *level->begin);
        level->backoff = memory_new_array(count, sizeof *level->backoff);
    }
    return level->word && level->prob && (last || (level->begin && level->backoff))
               ? ERR_OK
               : ERR_NO_MEMORY;
}

static void set_node(struct level *level, size_t index, const uint32_t *record,
                     unsigned k)
{
    float values[2];
    memcpy(values, record + k, sizeof values);
    level->word[index] = record[k - 1];
    level->prob[index] = record[k - 1] == VOCAB_BOS ? 0 : values[0];
    if (level->backoff)
        level->backoff[index] = values[1];
}

static enum err fill_words(struct arpa_builder *builder)
{
    const struct arpa_rows *rows = &builder->file->rows[1];
    struct level *level = &builder->levels->at[1];
    uint32_t count = builder->levels->vocab_size;
    enum err code = level_alloc(level, count, builder->levels->order == 1);
    for (uint32_t word = 0; !code && word < count; word++) {
        level->word[word] = word;
        if (level->backoff)
            level->backoff[word] = 1;
    }
    for (size_t i = 0; !code && i < rows->count; i++)
        set_node(level, rows->records[i * row_words(1)], rows->records + i * row_words(1),
                 1);
    return code;
}

static enum err add_missing(struct arpa_builder *builder, unsigned k,
                            const uint32_t *words)
{
    struct arpa_rows *missing = &builder->missing[k];
    enum err code = memory_grow(&missing->records, &missing->capacity, missing->count + 1,
                                row_words(k) * sizeof *words);
    if (code)
        return code;
    uint32_t *record = missing->records + missing->count++ * row_words(k);
    memcpy(record, words, k * sizeof *words);
    memset(record + k, 0, 2 * sizeof *record);
    return ERR_OK;
}

/* The words of row `index` of order k; a word alone is its own row. */
static int compare_prefix(const struct arpa_file *file, unsigned k, size_t index,
                          const uint32_t *words)
{
    uint32_t alone = (uint32_t)index;
    const uint32_t *row = k == 1 ? &alone : file->rows[k].records + index * row_words(k);
    for (unsigned i = 0; i < k; i++)
        if (row[i] != words[i])
            return row[i] < words[i] ? -1 : 1;
    return 0;
}

/* Sets level k and `begin` of the one before; notes prefixes that are missing. */
static enum err fill_level(struct arpa_builder *builder, unsigned k)
{
    const struct arpa_rows *rows = &builder->file->rows[k];
    struct level *level = &builder->levels->at[k], *before = level - 1;
    enum err code = level_alloc(level, rows->count, k == builder->levels->order);
    size_t parent = 0;
    for (size_t i = 0; !code && i < rows->count; i++) {
        const uint32_t *record = rows->records + i * row_words(k);
        int order = -1;
        while (parent < before->count &&
               (order = compare_prefix(builder->file, k - 1, parent, record)) < 0)
            before->begin[++parent] = (uint32_t)i;
        if (parent == before->count || order > 0)
            code = add_missing(builder, k - 1, record);
        set_node(level, i, record, k);
    }
    while (!code && parent < before->count)
        before->begin[++parent] = (uint32_t)rows->count;
    return code;
}

static enum err find_suffixes(struct arpa_builder *builder, unsigned k)
{
    struct levels *levels = builder->levels;
    struct level *level = &levels->at[k];
    const struct level *parents = level - 1;
    enum err code = ERR_OK;
    level->suffix = memory_new_array(level->count, sizeof *level->suffix);
    if (!level->suffix)
        return ERR_NO_MEMORY;
    for (size_t parent = 0; parent < parents->count; parent++)
        for (size_t i = parents->begin[parent]; !code && i < parents->begin[parent + 1];
             i++) {
            level->suffix[i] = k == 2
                                   ? level->word[i]
                                   : levels_child(levels, k - 2, parents->suffix[parent],
                                                  level->word[i]);
            if (level->suffix[i] == UINT32_MAX)
                code = add_missing(builder, k - 1,
                                   builder->file->rows[k].records + i * row_words(k) + 1);
        }
    return code;
}

static size_t count_missing(const struct arpa_builder *builder)
{
    size_t sum = 0;
    for (unsigned k = 1; k <= NGRAM_ORDER_MAX; k++)
        sum += builder->missing[k].count;
    return sum;
}

static enum err fill_levels(struct arpa_builder *builder)
{
    struct levels *levels = builder->levels;
    levels_fini(levels);
    levels->order = builder->file->order;
    levels->vocab_size = vocab_size(builder->file->vocab);
    enum err code = fill_words(builder);
    for (unsigned k = 2; !code && k <= levels->order; k++)
        code = fill_level(builder, k);
    for (unsigned k = 2; !code && k <= levels->order && count_missing(builder) == 0; k++)
        code = find_suffixes(builder, k);
    return code;
}

/* ---- completing ---- */

/* Moves what is missing of order k into its rows. */
static enum err complete(struct arpa_builder *builder, unsigned k, size_t *added)
{
    struct arpa_rows *missing = &builder->missing[k], *rows = &builder->file->rows[k];
    const float values[2] = {ADDED, 1};
    enum err code = sort_rows(missing, k);
    if (!code)
        code = memory_grow(&rows->records, &rows->capacity, rows->count + missing->count,
                           row_words(k) * sizeof *rows->records);
    if (code)
        return code;
    for (size_t i = 0; i < missing->count; i++)
        memcpy(missing->records + i * row_words(k) + k, values, sizeof values);
    memcpy(rows->records + rows->count * row_words(k), missing->records,
           missing->count * row_words(k) * sizeof *rows->records);
    rows->count += missing->count;
    *added += missing->count;
    missing->count = 0;
    return sort_rows(rows, k);
}

/* Back-off weights from strangers can be anything. */
static float at_most_one(float prob)
{
    return prob < 1 ? prob : 1;
}

static void set_added_probabilities(struct levels *levels)
{
    for (unsigned k = 2; k <= levels->order; k++) {
        struct level *level = &levels->at[k];
        const struct level *contexts = level - 1;
        for (size_t parent = 0; parent < contexts->count; parent++)
            for (size_t i = contexts->begin[parent]; i < contexts->begin[parent + 1]; i++)
                if (level->prob[i] == ADDED)
                    level->prob[i] = at_most_one(contexts->backoff[parent] *
                                                 contexts->prob[level->suffix[i]]);
    }
}

enum err arpa_file_levels(struct arpa_file *file, struct levels *levels, size_t *added,
                          struct err_info *info)
{
    struct arpa_builder builder = {.file = file, .levels = levels, .info = info};
    *added = 0;
    *levels = (struct levels){0};
    enum err code = sort_file(&builder);
    if (!code)
        code = fill_levels(&builder);
    while (!code && count_missing(&builder) > 0) {
        for (unsigned k = 2; !code && k < file->order; k++)
            if (builder.missing[k].count > 0)
                code = complete(&builder, k, added);
        if (!code)
            code = fill_levels(&builder);
    }
    if (!code)
        set_added_probabilities(levels);
    for (unsigned k = 0; k <= NGRAM_ORDER_MAX; k++) {
        free(builder.missing[k].records);
        free(file->rows[k].records);
        file->rows[k] = (struct arpa_rows){0};
    }
    if (code)
        levels_fini(levels);
    return code;
}

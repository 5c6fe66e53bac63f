/* SPDX-License-Identifier: MIT */
/* Counting within a budget.
 *
 * Each thread gathers ids in a block of its own, with <s> put before every segment. When
 * all ids fit, they are joined and sorted at once on all threads. When a block is full
 * before that, its thread sorts it, writes its n-grams as a sorted run of records
 * (n-gram, count), and starts anew; at the end the runs are merged into levels.
 *
 * A record is a longest n-gram at some place: `order` words, or fewer when </s> ends it,
 * then filled up with zeroes. No record is a prefix of another, so rising order of
 * records is the order of the levels, and every shorter n-gram is a prefix of neighbours.
 */
#include "model/ngram/count.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/counting.h"
#include "model/ngram/merge_levels.h"
#include "model/ngram/window_sort.h"
#include "model/text/vocab.h"

enum { RECORDS_AT_ONCE = 1024, BLOCK_LEAST = 1 << 12, BYTES_A_GRAM = 28 };

struct block {
    uint32_t *ids; /* [count] */
    size_t count, capacity;
    size_t most; /* ids it may hold before it goes to disk */
    bool inside; /* a segment is open */
    struct counting_runs *runs;
} __attribute__((aligned(64))); /* no cache line of two threads */

struct counter {
    struct counter_settings settings;
    struct counting_format format;
    struct block *blocks; /* [threads] */
};

enum err counter_new(const struct counter_settings *settings, struct counter **out)
{
    *out = NULL;
    struct counter *counter = memory_new_array(1, sizeof *counter);
    if (!counter)
        return ERR_NO_MEMORY;
    counter->settings = *settings;
    counter->format = (struct counting_format){settings->order, COUNTING_U64};
    counter->blocks = memory_new_aligned(settings->threads, sizeof *counter->blocks);
    if (!counter->blocks) {
        free(counter);
        return ERR_NO_MEMORY;
    }
    uint64_t most = settings->memory_bytes / settings->threads /
                    window_sort_bytes_per_id(settings->order);
    if (most > NGRAM_COUNT_MAX / settings->threads)
        most = NGRAM_COUNT_MAX / settings->threads;
    for (unsigned t = 0; t < settings->threads; t++)
        counter->blocks[t].most = most < BLOCK_LEAST ? BLOCK_LEAST : (size_t)most;
    *out = counter;
    return ERR_OK;
}

void counter_free(struct counter *counter)
{
    if (!counter)
        return;
    for (unsigned t = 0; t < counter->settings.threads; t++) {
        free(counter->blocks[t].ids);
        counting_runs_free(counter->blocks[t].runs);
    }
    free(counter->blocks);
    free(counter);
}

bool counter_spilled(const struct counter *counter)
{
    for (unsigned t = 0; t < counter->settings.threads; t++)
        if (counter->blocks[t].runs)
            return true;
    return false;
}

/* ---- a block to a run ---- */

struct emitter {
    const struct levels *levels;
    struct counting_runs *runs;
    uint32_t *records; /* [RECORDS_AT_ONCE] */
    size_t filled;
    uint32_t path[NGRAM_ORDER_MAX];
};

static enum err emitter_flush(struct emitter *emitter)
{
    enum err code =
        counting_runs_append(emitter->runs, emitter->records, emitter->filled);
    emitter->filled = 0;
    return code;
}

static enum err emit(struct emitter *emitter, unsigned length, uint32_t occurrences)
{
    unsigned order = emitter->levels->order;
    uint32_t *record = emitter->records + emitter->filled * (order + 2u);
    uint64_t value = occurrences;
    memset(record, 0, order * sizeof *record);
    memcpy(record, emitter->path, length * sizeof *record);
    memcpy(record + order, &value, sizeof value);
    return ++emitter->filled == RECORDS_AT_ONCE ? emitter_flush(emitter) : ERR_OK;
}

/* Writes n-gram `index` of level k, or what continues it, in order. The depth is the
 * order of the model. */
static enum err emit_node(struct emitter *emitter, unsigned k, size_t index)
{
    const struct level *level = &emitter->levels->at[k];
    emitter->path[k - 1] = level->word[index];
    if (k == emitter->levels->order || level->word[index] == VOCAB_EOS)
        return level->raw[index] ? emit(emitter, k, level->raw[index]) : ERR_OK;
    enum err code = ERR_OK;
    for (size_t i = level->begin[index]; !code && i < level->begin[index + 1]; i++)
        code = emit_node(emitter, k + 1, i);
    return code;
}

static enum err emit_levels(const struct levels *levels, struct counting_runs *runs)
{
    struct emitter emitter = {.levels = levels, .runs = runs};
    emitter.records =
        memory_new_array(RECORDS_AT_ONCE * (levels->order + 2u), sizeof(uint32_t));
    enum err code = emitter.records ? counting_runs_begin(runs) : ERR_NO_MEMORY;
    for (size_t i = 0; !code && i < levels->at[1].count; i++)
        code = emit_node(&emitter, 1, i);
    if (!code)
        code = emitter_flush(&emitter);
    free(emitter.records);
    return code;
}

/* Sorts and writes the whole segments of a block and keeps the open one. */
static enum err spill_block(struct counter *counter, struct block *block)
{
    size_t whole = block->count;
    while (block->inside && whole > 0 && block->ids[whole - 1] != VOCAB_EOS)
        whole--;
    if (whole == 0)
        return ERR_OK;
    enum err code = block->runs
                        ? ERR_OK
                        : counting_runs_new(&counter->format, counter->settings.directory,
                                            &block->runs);
    struct levels levels = {0};
    if (!code)
        code = window_sort(block->ids, whole, counter->settings.order,
                           counter->settings.vocab_size, 1, &levels);
    if (code)
        return code;
    code = emit_levels(&levels, block->runs);
    levels_fini(&levels);
    block->count -= whole;
    memmove(block->ids, block->ids + whole, block->count * sizeof *block->ids);
    return code;
}

/* ---- adding ---- */

static enum err add_piece(struct counter *counter, struct block *block,
                          const uint32_t *ids, size_t count)
{
    if (block->count + 2 * count > block->most) {
        enum err code = spill_block(counter, block);
        if (code)
            return code;
    }
    if (block->count + 2 * count > NGRAM_COUNT_MAX)
        return ERR_LIMIT;
    enum err code = memory_grow(&block->ids, &block->capacity, block->count + 2 * count,
                                sizeof *block->ids);
    if (code)
        return code;
    for (size_t i = 0; i < count; i++) {
        if (!block->inside)
            block->ids[block->count++] = VOCAB_BOS;
        block->ids[block->count++] = ids[i];
        block->inside = ids[i] != VOCAB_EOS;
    }
    return ERR_OK;
}

enum err counter_add(struct counter *counter, unsigned thread, const uint32_t *ids,
                     size_t count)
{
    struct block *block = &counter->blocks[thread];
    enum err code = ERR_OK;
    for (size_t i = 0; !code && i < count; i += BLOCK_LEAST / 4)
        code = add_piece(counter, block, ids + i,
                         count - i < BLOCK_LEAST / 4 ? count - i : BLOCK_LEAST / 4);
    return code;
}

/* ---- finishing ---- */

/* Moves all blocks into the first one. */
static enum err join_blocks(struct counter *counter)
{
    struct block *first = &counter->blocks[0];
    size_t sum = 0;
    for (unsigned t = 0; t < counter->settings.threads; t++)
        sum += counter->blocks[t].count;
    if (sum > NGRAM_COUNT_MAX)
        return ERR_LIMIT;
    enum err code = memory_grow(&first->ids, &first->capacity, sum, sizeof *first->ids);
    for (unsigned t = 1; !code && t < counter->settings.threads; t++) {
        struct block *block = &counter->blocks[t];
        if (block->count > 0)
            memcpy(first->ids + first->count, block->ids,
                   block->count * sizeof *first->ids);
        first->count += block->count;
        free(block->ids);
        block->ids = NULL;
        block->count = block->capacity = 0;
    }
    return code;
}

/* About how much memory the levels of all runs would take, if no record repeats. */
static uint64_t levels_bytes(const struct counter *counter)
{
    uint64_t records = 0;
    unsigned order = counter->settings.order;
    for (unsigned t = 0; t < counter->settings.threads; t++)
        if (counter->blocks[t].runs)
            records += counting_runs_records(counter->blocks[t].runs);
    return records * BYTES_A_GRAM * (order < 3 ? order : 3);
}

static enum err merge_blocks(struct counter *counter, struct levels *levels)
{
    struct counting_runs *sets[64];
    size_t set_count = 0;
    enum err code = ERR_OK;
    for (unsigned t = 0; !code && t < counter->settings.threads; t++) {
        struct block *block = &counter->blocks[t];
        code = spill_block(counter, block);
        free(block->ids);
        block->ids = NULL;
        block->count = block->capacity = 0;
        if (block->runs)
            sets[set_count++] = block->runs;
    }
    levels->order = counter->settings.order;
    levels->vocab_size = counter->settings.vocab_size;
    levels->directory = counter->settings.directory;
    levels->on_disk = levels_bytes(counter) > counter->settings.memory_bytes;
    struct counting_merge *merge = NULL;
    if (!code)
        code = counting_merge_new(sets, set_count,
                                  (size_t)(counter->settings.memory_bytes / 4), &merge);
    if (!code)
        code = merge_levels(merge, levels);
    counting_merge_free(merge);
    return code;
}

enum err counter_finish(struct counter *counter, struct levels *levels)
{
    memset(levels, 0, sizeof *levels);
    levels->progress = counter->settings.progress;
    for (unsigned t = 0; t < counter->settings.threads; t++)
        if (counter->blocks[t].inside) {
            const uint32_t end = VOCAB_EOS;
            enum err code = counter_add(counter, t, &end, 1);
            if (code)
                return code;
        }
    if (counter_spilled(counter))
        return merge_blocks(counter, levels);
    enum err code = join_blocks(counter);
    if (!code)
        code = window_sort(counter->blocks[0].ids, counter->blocks[0].count,
                           counter->settings.order, counter->settings.vocab_size,
                           counter->settings.threads, levels);
    return code;
}

/* SPDX-License-Identifier: MIT */
/* External sorting with aggregation (Knuth, The Art of Computer Programming, vol.
 * 3, 5.4).
 *
 * In memory: least-significant-digit radix sort over the bytes of the key that vary, then
 * one pass that adds neighbours of equal key. On disk: runs one after another in a spill.
 * Merging: a binary heap of the runs' heads, ordered by key and then by run, so that
 * equal keys are added in the order of the runs whatever the heap's shape.
 *
 * Invariant of the heap: every source in it has a current record; the source at index 0
 * has the smallest (key, run). */
#include "model/counting.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/spill.h"

enum { SOURCE_BYTES_LEAST = 1 << 14, SOURCE_BYTES_MOST = 1 << 20, COPY_RECORDS = 4096 };

struct run {
    struct spill *spill; /* borrowed from its set */
    uint64_t begin, end; /* byte range */
};

struct counting_runs {
    struct counting_format format;
    struct spill *spill;
    struct run *runs; /* [count] */
    size_t count, capacity;
    const char *directory;
};

struct source {
    struct run run;
    uint32_t *buffer; /* [capacity] records */
    size_t next, filled;
    size_t rank; /* of its run, for ties */
};

struct counting_merge {
    struct counting_format format;
    size_t record_words, capacity; /* records in a source's buffer */
    struct source *sources;        /* [source_count] */
    size_t source_count;
    struct source **heap; /* [heap_size] */
    size_t heap_size;
    struct counting_runs *grouped; /* runs made by merging groups, or NULL */
};

/* ---- sorting in memory ---- */

static void add_value(enum counting_value kind, uint32_t *to, const uint32_t *from)
{
    if (kind == COUNTING_U64) {
        uint64_t sum = counting_get_u64(to) + counting_get_u64(from);
        memcpy(to, &sum, sizeof sum);
    } else {
        double sum = counting_get_f64(to) + counting_get_f64(from);
        memcpy(to, &sum, sizeof sum);
    }
}

static size_t add_equal(const struct counting_format *format, uint32_t *records,
                        size_t count)
{
    size_t words = counting_record_words(format), key_size = format->key_words * 4u;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t *record = records + i * words;
        uint32_t *last = records + (kept ? kept - 1 : 0) * words;
        if (kept && memcmp(last, record, key_size) == 0)
            add_value(format->value, last + format->key_words,
                      record + format->key_words);
        else
            memmove(records + kept++ * words, record, words * 4);
    }
    return kept;
}

/* One stable pass over one byte of one key word; false when that byte never varies. */
static bool radix_pass(const uint32_t *from, uint32_t *to, size_t count, size_t words,
                       size_t word, unsigned shift)
{
    size_t starts[256] = {0};
    for (size_t i = 0; i < count; i++)
        starts[from[i * words + word] >> shift & 0xff]++;
    if (starts[from[word] >> shift & 0xff] == count)
        return false;
    size_t sum = 0;
    for (size_t digit = 0; digit < 256; digit++) {
        size_t here = starts[digit];
        starts[digit] = sum;
        sum += here;
    }
    for (size_t i = 0; i < count; i++) {
        const uint32_t *record = from + i * words;
        size_t place = starts[record[word] >> shift & 0xff]++;
        memcpy(to + place * words, record, words * 4);
    }
    return true;
}

size_t counting_sort(const struct counting_format *format, uint32_t *records,
                     uint32_t *scratch, size_t count)
{
    size_t words = counting_record_words(format);
    uint32_t *from = records, *to = scratch;
    if (count == 0)
        return 0;
    for (size_t word = format->key_words; word-- > 0;)
        for (unsigned shift = 0; shift < 32; shift += 8)
            if (radix_pass(from, to, count, words, word, shift)) {
                uint32_t *swap = from;
                from = to;
                to = swap;
            }
    if (from != records)
        memcpy(records, from, count * words * 4);
    return add_equal(format, records, count);
}

/* ---- runs ---- */

enum err counting_runs_new(const struct counting_format *format, const char *directory,
                           struct counting_runs **out)
{
    *out = NULL;
    if (format->key_words == 0 || format->key_words > COUNTING_KEY_WORDS_MAX)
        return ERR_INVALID;
    struct counting_runs *runs = memory_new_array(1, sizeof *runs);
    if (!runs)
        return ERR_NO_MEMORY;
    runs->format = *format;
    runs->directory = directory;
    enum err code = spill_open(directory, &runs->spill);
    if (code) {
        counting_runs_free(runs);
        return code;
    }
    *out = runs;
    return ERR_OK;
}

void counting_runs_free(struct counting_runs *runs)
{
    if (!runs)
        return;
    spill_close(runs->spill);
    free(runs->runs);
    free(runs);
}

size_t counting_runs_count(const struct counting_runs *runs)
{
    return runs->count;
}

uint64_t counting_runs_records(const struct counting_runs *runs)
{
    return spill_size(runs->spill) / (counting_record_words(&runs->format) * 4);
}

enum err counting_runs_begin(struct counting_runs *runs)
{
    enum err code =
        memory_grow(&runs->runs, &runs->capacity, runs->count + 1, sizeof *runs->runs);
    if (code)
        return code;
    uint64_t here = spill_size(runs->spill);
    runs->runs[runs->count++] = (struct run){runs->spill, here, here};
    return ERR_OK;
}

enum err counting_runs_append(struct counting_runs *runs, const uint32_t *records,
                              size_t count)
{
    if (runs->count == 0)
        return ERR_INVALID;
    enum err code = spill_append(runs->spill, records,
                                 count * counting_record_words(&runs->format) * 4);
    runs->runs[runs->count - 1].end = spill_size(runs->spill);
    return code;
}

/* ---- merging ---- */

static bool source_before(const struct counting_merge *merge, const struct source *a,
                          const struct source *b)
{
    const uint32_t *left = a->buffer + a->next * merge->record_words;
    const uint32_t *right = b->buffer + b->next * merge->record_words;
    for (size_t word = 0; word < merge->format.key_words; word++)
        if (left[word] != right[word])
            return left[word] < right[word];
    return a->rank < b->rank;
}

static enum err source_refill(const struct counting_merge *merge, struct source *source)
{
    size_t size = merge->capacity * merge->record_words * 4, got;
    if (source->run.end - source->run.begin < size)
        size = (size_t)(source->run.end - source->run.begin);
    enum err code =
        spill_read(source->run.spill, source->run.begin, source->buffer, size, &got);
    if (!code && got != size)
        code = ERR_IO;
    source->run.begin += got;
    source->next = 0;
    source->filled = got / (merge->record_words * 4);
    return code;
}

static void heap_sink(struct counting_merge *merge, size_t at)
{
    struct source **heap = merge->heap, *moving = heap[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= merge->heap_size)
            break;
        if (child + 1 < merge->heap_size &&
            source_before(merge, heap[child + 1], heap[child]))
            child++;
        if (!source_before(merge, heap[child], moving))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moving;
}

/* Moves the smallest source on by one record and restores the heap. */
static enum err heap_advance(struct counting_merge *merge)
{
    struct source *source = merge->heap[0];
    enum err code = ERR_OK;
    if (++source->next == source->filled)
        code = source_refill(merge, source);
    if (code)
        return code;
    if (source->filled == 0)
        merge->heap[0] = merge->heap[--merge->heap_size];
    if (merge->heap_size > 0)
        heap_sink(merge, 0);
    return ERR_OK;
}

enum err counting_merge_next(struct counting_merge *merge, uint32_t *records, size_t most,
                             size_t *count)
{
    size_t words = merge->record_words, key_words = merge->format.key_words;
    *count = 0;
    while (merge->heap_size > 0) {
        const uint32_t *head = merge->heap[0]->buffer + merge->heap[0]->next * words;
        uint32_t *last = records + (*count ? *count - 1 : 0) * words;
        if (*count && memcmp(last, head, key_words * 4) == 0) {
            add_value(merge->format.value, last + key_words, head + key_words);
        } else {
            if (*count == most)
                break;
            memcpy(records + (*count)++ * words, head, words * 4);
        }
        enum err code = heap_advance(merge);
        if (code)
            return code;
    }
    return ERR_OK;
}

static enum err merge_open_sources(struct counting_merge *merge)
{
    size_t words;
    if (!memory_multiply(merge->capacity, merge->record_words, &words))
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < merge->source_count; i++) {
        struct source *source = &merge->sources[i];
        source->buffer = memory_new_array(words, 4);
        if (!source->buffer)
            return ERR_NO_MEMORY;
        enum err code = source_refill(merge, source);
        if (code)
            return code;
        if (source->filled > 0)
            merge->heap[merge->heap_size++] = source;
    }
    for (size_t i = merge->heap_size / 2; i-- > 0;)
        heap_sink(merge, i);
    return ERR_OK;
}

/* A merge of these runs, which stay owned by their sets. */
static enum err merge_of_runs(const struct counting_format *format,
                              const struct run *runs, size_t count, size_t memory_bytes,
                              struct counting_merge **out)
{
    struct counting_merge *merge = memory_new_array(1, sizeof *merge);
    if (!merge)
        return ERR_NO_MEMORY;
    size_t bytes = memory_bytes / (count ? count : 1);
    bytes = bytes < SOURCE_BYTES_LEAST  ? SOURCE_BYTES_LEAST
            : bytes > SOURCE_BYTES_MOST ? SOURCE_BYTES_MOST
                                        : bytes;
    merge->format = *format;
    merge->record_words = counting_record_words(format);
    merge->capacity = bytes / (merge->record_words * 4);
    merge->source_count = count;
    merge->sources = memory_new_array(count, sizeof *merge->sources);
    merge->heap = memory_new_array(count, sizeof *merge->heap);
    enum err code = merge->sources && merge->heap ? ERR_OK : ERR_NO_MEMORY;
    for (size_t i = 0; !code && i < count; i++)
        merge->sources[i] = (struct source){.run = runs[i], .rank = i};
    if (!code)
        code = merge_open_sources(merge);
    if (code) {
        counting_merge_free(merge);
        return code;
    }
    *out = merge;
    return ERR_OK;
}

/* Writes the merge of some runs as one run of `to`. */
static enum err merge_group(const struct counting_format *format, const struct run *runs,
                            size_t count, size_t memory_bytes, struct counting_runs *to)
{
    struct counting_merge *merge = NULL;
    uint32_t *records = memory_new_array(COPY_RECORDS, counting_record_words(format) * 4);
    enum err code = records ? counting_runs_begin(to) : ERR_NO_MEMORY;
    if (!code)
        code = merge_of_runs(format, runs, count, memory_bytes, &merge);
    size_t got = 1;
    while (!code && got > 0) {
        code = counting_merge_next(merge, records, COPY_RECORDS, &got);
        if (!code && got > 0)
            code = counting_runs_append(to, records, got);
    }
    counting_merge_free(merge);
    free(records);
    return code;
}

/* Replaces *runs by fewer, merged ones in a new set until `most` are left. */
static enum err reduce_runs(const struct counting_format *format, const char *directory,
                            struct run **runs, size_t *count, size_t most,
                            size_t memory_bytes, struct counting_runs **owner)
{
    while (*count > most) {
        struct counting_runs *fewer;
        enum err code = counting_runs_new(format, directory, &fewer);
        for (size_t i = 0; !code && i < *count; i += most)
            code = merge_group(format, *runs + i, *count - i < most ? *count - i : most,
                               memory_bytes, fewer);
        counting_runs_free(*owner);
        *owner = NULL;
        if (code) {
            counting_runs_free(fewer);
            return code;
        }
        *owner = fewer;
        memcpy(*runs, fewer->runs, fewer->count * sizeof **runs);
        *count = fewer->count;
    }
    return ERR_OK;
}

enum err counting_merge_new(struct counting_runs *const *sets, size_t set_count,
                            size_t memory_bytes, struct counting_merge **out)
{
    *out = NULL;
    if (set_count == 0)
        return ERR_INVALID;
    size_t count = 0, most = memory_bytes / SOURCE_BYTES_LEAST;
    most = most < 4 ? 4 : most > 1024 ? 1024 : most;
    for (size_t i = 0; i < set_count; i++)
        count += sets[i]->count;
    struct run *runs = memory_new_array(count, sizeof *runs);
    if (!runs)
        return ERR_NO_MEMORY;
    size_t filled = 0;
    for (size_t i = 0; i < set_count; i++) {
        if (sets[i]->count > 0)
            memcpy(runs + filled, sets[i]->runs, sets[i]->count * sizeof *runs);
        filled += sets[i]->count;
    }
    const struct counting_format *format = &sets[0]->format;
    struct counting_runs *grouped = NULL;
    enum err code = reduce_runs(format, sets[0]->directory, &runs, &count, most,
                                memory_bytes, &grouped);
    if (!code)
        code = merge_of_runs(format, runs, count, memory_bytes, out);
    free(runs);
    if (code)
        counting_runs_free(grouped);
    else
        (*out)->grouped = grouped;
    return code;
}

void counting_merge_free(struct counting_merge *merge)
{
    if (!merge)
        return;
    for (size_t i = 0; merge->sources && i < merge->source_count; i++)
        free(merge->sources[i].buffer);
    counting_runs_free(merge->grouped);
    free(merge->sources);
    free(merge->heap);
    free(merge);
}

/* SPDX-License-Identifier: MIT */
/* All orders from one chain of counting sorts.
 *
 * Let the positions of the corpus be sorted by the k words that start there, each with
 * the rank of that k-gram among the distinct ones. Visiting them in this order and
 * placing each one's predecessor into the bucket of the predecessor's word sorts the
 * predecessors by their k + 1 words (a stable sort by the first word, the rest being
 * sorted already). Neighbours in a bucket with the same carried rank are the same (k +
 * 1)-gram, and the carried rank is the index of its suffix: every pass yields one level
 * with its suffix links, in time linear in the corpus whatever the order. This is the
 * step of Karp, Miller and Rosenberg's (1972) naming, one word at a time.
 *
 * A window never leaves its segment: <s> has no predecessor, so windows that would cross
 * a border drop out. Threads take equal slices of the visiting order with histograms of
 * their own, which keeps the sort stable and so the result independent of their number.
 */
#include "model/ngram/window_sort.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "model/text/vocab.h"

enum { THREADS_MOST = 16, AHEAD = 24 };
#define NO_HEAD UINT32_MAX

struct window {
    uint32_t position; /* of its first word */
    uint32_t rank;     /* of the n-gram there among the distinct ones */
};

struct sorter {
    const uint32_t *ids; /* [count] */
    size_t count;
    uint32_t vocab_size;
    unsigned threads;
    struct window *from, *to;    /* [count] */
    size_t from_count, to_count; /* windows in use */
    uint32_t *heads;             /* [count] bucket of each window of `from` */
    uint32_t *places;            /* [threads][vocab_size] */
    uint32_t *bucket_ends;       /* [vocab_size] ends of the buckets in `to` */
    unsigned k;                  /* length of the n-grams in `to` */
    struct levels *levels;
    size_t slice_nodes[THREADS_MOST + 1]; /* nodes made by each thread, then their sums */
};

static void slice_of(size_t count, unsigned index, unsigned parts, size_t *begin,
                     size_t *end)
{
    *begin = count / parts * index + (index < count % parts ? index : count % parts);
    *end = *begin + count / parts + (index < count % parts ? 1 : 0);
}

/* ---- one counting sort ---- */

static enum err find_heads(void *context, unsigned index, unsigned count)
{
    struct sorter *sorter = context;
    uint32_t *places = sorter->places + (size_t)index * sorter->vocab_size;
    size_t begin, end;
    slice_of(sorter->from_count, index, count, &begin, &end);
    memset(places, 0, sorter->vocab_size * sizeof *places);
    for (size_t i = begin; i < end; i++) {
        if (i + AHEAD < end)
            __builtin_prefetch(&sorter->ids[sorter->from[i + AHEAD].position]);
        uint32_t position = sorter->from[i].position, head = NO_HEAD;
        if (sorter->ids[position] != VOCAB_BOS) {
            head = sorter->ids[position - 1];
            places[head]++;
        }
        sorter->heads[i] = head;
    }
    return ERR_OK;
}

/* Turns the threads' histograms into first places; also sets bucket_ends. */
static void sum_places(struct sorter *sorter)
{
    uint32_t sum = 0;
    for (uint32_t word = 0; word < sorter->vocab_size; word++) {
        for (unsigned t = 0; t < sorter->threads; t++) {
            uint32_t *place = sorter->places + (size_t)t * sorter->vocab_size + word;
            uint32_t here = *place;
            *place = sum;
            sum += here;
        }
        sorter->bucket_ends[word] = sum;
    }
    sorter->to_count = sum;
}

static enum err scatter(void *context, unsigned index, unsigned count)
{
    struct sorter *sorter = context;
    uint32_t *places = sorter->places + (size_t)index * sorter->vocab_size;
    size_t begin, end;
    slice_of(sorter->from_count, index, count, &begin, &end);
    for (size_t i = begin; i < end; i++)
        if (sorter->heads[i] != NO_HEAD)
            sorter->to[places[sorter->heads[i]]++] =
                (struct window){sorter->from[i].position - 1, sorter->from[i].rank};
    return ERR_OK;
}

static enum err sort_by_predecessor(struct sorter *sorter)
{
    enum err code = parallel_run(sorter->threads, find_heads, sorter);
    if (code)
        return code;
    sum_places(sorter);
    return parallel_run(sorter->threads, scatter, sorter);
}

/* The first order: positions by their own word, whose rank is the word itself. */
static enum err count_words(void *context, unsigned index, unsigned count)
{
    struct sorter *sorter = context;
    uint32_t *places = sorter->places + (size_t)index * sorter->vocab_size;
    size_t begin, end;
    slice_of(sorter->count, index, count, &begin, &end);
    memset(places, 0, sorter->vocab_size * sizeof *places);
    for (size_t i = begin; i < end; i++)
        places[sorter->ids[i]]++;
    return ERR_OK;
}

static enum err scatter_words(void *context, unsigned index, unsigned count)
{
    struct sorter *sorter = context;
    uint32_t *places = sorter->places + (size_t)index * sorter->vocab_size;
    size_t begin, end;
    slice_of(sorter->count, index, count, &begin, &end);
    for (size_t i = begin; i < end; i++)
        sorter->from[places[sorter->ids[i]]++] =
            (struct window){(uint32_t)i, sorter->ids[i]};
    return ERR_OK;
}

static enum err sort_by_word(struct sorter *sorter)
{
    enum err code = parallel_run(sorter->threads, count_words, sorter);
    if (code)
        return code;
    sum_places(sorter);
    sorter->from_count = sorter->count;
    struct level *level = &sorter->levels->at[1];
    for (uint32_t word = 0; word < sorter->vocab_size; word++) {
        level->word[word] = word;
        level->raw[word] =
            sorter->bucket_ends[word] - (word ? sorter->bucket_ends[word - 1] : 0);
    }
    return parallel_run(sorter->threads, scatter_words, sorter);
}

/* ---- a level from sorted windows ---- */

/* The buckets of thread `index`: those whose first window lies in its slice. */
static void bucket_slice(const struct sorter *sorter, unsigned index, unsigned count,
                         uint32_t *first, uint32_t *last)
{
    size_t begin, end;
    slice_of(sorter->to_count, index, count, &begin, &end);
    uint32_t word = 0;
    while (word < sorter->vocab_size &&
           (word ? sorter->bucket_ends[word - 1] : 0) < begin)
        word++;
    *first = word;
    while (word < sorter->vocab_size && (word ? sorter->bucket_ends[word - 1] : 0) < end)
        word++;
    *last = index + 1 == count ? sorter->vocab_size : word;
}

static enum err count_nodes(void *context, unsigned index, unsigned count)
{
    struct sorter *sorter = context;
    uint32_t first, last;
    size_t nodes = 0;
    bucket_slice(sorter, index, count, &first, &last);
    for (uint32_t word = first; word < last; word++) {
        uint32_t begin = word ? sorter->bucket_ends[word - 1] : 0;
        for (uint32_t i = begin; i < sorter->bucket_ends[word]; i++)
            nodes += i == begin || sorter->to[i].rank != sorter->to[i - 1].rank;
    }
    sorter->slice_nodes[index] = nodes;
    return ERR_OK;
}

/* One bucket: its windows become nodes from `node` on; returns the next free node. */
static size_t name_bucket(struct window *windows, size_t count, size_t node,
                          struct level *level, const uint32_t *suffix_words)
{
    size_t i = 0;
    while (i < count) {
        uint32_t suffix = windows[i].rank, occurrences = 0;
        for (; i < count && windows[i].rank == suffix; i++, occurrences++)
            windows[i].rank = (uint32_t)node;
        level->suffix[node] = suffix;
        level->word[node] = suffix_words[suffix];
        level->raw[node++] = occurrences;
    }
    return node;
}

static enum err name_nodes(void *context, unsigned index, unsigned count)
{
    struct sorter *sorter = context;
    uint32_t first, last;
    bucket_slice(sorter, index, count, &first, &last);
    size_t node = sorter->slice_nodes[index];
    for (uint32_t word = first; word < last; word++) {
        uint32_t begin = word ? sorter->bucket_ends[word - 1] : 0;
        node = name_bucket(sorter->to + begin, sorter->bucket_ends[word] - begin, node,
                           &sorter->levels->at[sorter->k],
                           sorter->levels->at[sorter->k - 1].word);
    }
    return ERR_OK;
}

static enum err level_alloc(struct level *level, size_t count, bool first, bool last)
{
    level->count = count;
    level->word = memory_new_array(count, sizeof *level->word);
    level->raw = memory_new_array(count, sizeof *level->raw);
    if (!first)
        level->suffix = memory_new_array(count, sizeof *level->suffix);
    if (!last)
        level->begin = memory_new_array(count + 1, sizeof *level->begin);
    return level->word && level->raw && (first || level->suffix) && (last || level->begin)
               ? ERR_OK
               : ERR_NO_MEMORY;
}

static enum err make_level(struct sorter *sorter)
{
    enum err code = parallel_run(sorter->threads, count_nodes, sorter);
    size_t sum = 0;
    for (unsigned t = 0; t < sorter->threads; t++) {
        size_t here = sorter->slice_nodes[t];
        sorter->slice_nodes[t] = sum;
        sum += here;
    }
    if (!code)
        code = level_alloc(&sorter->levels->at[sorter->k], sum, false,
                           sorter->k == sorter->levels->order);
    if (!code)
        code = parallel_run(sorter->threads, name_nodes, sorter);
    return code;
}

static enum err link_levels(void *context, unsigned index, unsigned count)
{
    struct levels *levels = context;
    for (unsigned k = 1 + index; k < levels->order; k += count)
        levels_link(levels, k);
    return ERR_OK;
}

/* ---- all of it ---- */

static enum err sorter_init(struct sorter *sorter)
{
    sorter->from = memory_new_array(sorter->count, sizeof *sorter->from);
    sorter->to = memory_new_array(sorter->count, sizeof *sorter->to);
    sorter->heads = memory_new_array(sorter->count, sizeof *sorter->heads);
    sorter->places = memory_new_array((size_t)sorter->threads * sorter->vocab_size,
                                      sizeof *sorter->places);
    sorter->bucket_ends =
        memory_new_array(sorter->vocab_size, sizeof *sorter->bucket_ends);
    return sorter->from && sorter->to && sorter->heads && sorter->places &&
                   sorter->bucket_ends
               ? ERR_OK
               : ERR_NO_MEMORY;
}

static void sorter_fini(struct sorter *sorter)
{
    free(sorter->from);
    free(sorter->to);
    free(sorter->heads);
    free(sorter->places);
    free(sorter->bucket_ends);
}

static enum err sort_all(struct sorter *sorter)
{
    unsigned order = sorter->levels->order;
    enum err code =
        level_alloc(&sorter->levels->at[1], sorter->vocab_size, true, order == 1);
    if (!code)
        code = sort_by_word(sorter);
    for (sorter->k = 2; !code && sorter->k <= order; sorter->k++) {
        code = levels_report(sorter->levels, "counting", 0.5, 0.6,
                             (sorter->k - 1.0) / order);
        if (!code)
            code = sort_by_predecessor(sorter);
        if (!code)
            code = make_level(sorter);
        struct window *swap = sorter->from;
        sorter->from = sorter->to;
        sorter->to = swap;
        sorter->from_count = sorter->to_count;
    }
    return code;
}

enum err window_sort(const uint32_t *ids, size_t count, unsigned order,
                     uint32_t vocab_size, unsigned threads, struct levels *levels)
{
    if (count > NGRAM_COUNT_MAX || order < 1 || order > NGRAM_ORDER_MAX)
        return ERR_LIMIT;
    levels->order = order;
    levels->vocab_size = vocab_size;
    threads = threads < 1 ? 1 : threads > THREADS_MOST ? THREADS_MOST : threads;
    struct sorter sorter = {.ids = ids,
                            .count = count,
                            .vocab_size = vocab_size,
                            .threads = threads,
                            .levels = levels};
    enum err code = sorter_init(&sorter);
    if (!code)
        code = sort_all(&sorter);
    sorter_fini(&sorter);
    if (!code)
        code = parallel_run(threads < order ? threads : order, link_levels, levels);
    if (code)
        levels_fini(levels);
    return code;
}

size_t window_sort_bytes_per_id(unsigned order)
{
    return sizeof(uint32_t) * 2 + 2 * sizeof(struct window) +
           4 * sizeof(uint32_t) * order;
}

/* SPDX-License-Identifier: MIT */
/* Counting pairs within a memory budget.
 *
 * Ids are ranks of frequency, so pairs with a small product of ranks are the frequent
 * ones: nearly all additions fall on the few million cells under the hyperbola
 * (row + 1) · (column + 1) ≤ P (as in the GloVe tools), which are a plain array. The
 * others become records; full buffers of them are sorted, added up and spilled as runs
 * (model/counting.h). At the end each thread's array is one more sorted run, and one
 * merge of all runs gives the matrix in order. A symmetric matrix is counted as its upper
 * half: (a, b) with a ≤ b. */
#include "model/vectors/cooccurrence.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "base/spill.h"
#include "model/counting.h"

enum { RECORD_WORDS = 4, BLOCK_RECORDS = 4096 };
static const struct counting_format pair_format = {2, COUNTING_F64};
static const uint64_t default_memory = (uint64_t)1 << 30;
static const size_t records_least = (size_t)1 << 16;

struct job {
    const struct id_corpus *corpus;
    const struct cooccurrence_settings *settings;
    const struct progress *progress;
    size_t *starts;   /* [words] cell of (row, 0) */
    uint32_t *limits; /* [words] columns below this are cells; falling */
    size_t cells;
    size_t most_records; /* of a thread's buffer */
    atomic_size_t next_chunk;
    atomic_bool stop;
    struct counting_runs *runs[PARALLEL_THREADS_MAX];
};

struct counter {
    struct job *job;
    unsigned index;
    double *cells;
    uint32_t *records, *scratch; /* [most_records][RECORD_WORDS] */
    size_t count;
    uint32_t *words; /* [ID_CHUNK_TOKENS * 2] of one segment */
    double weights[COOCCURRENCE_WINDOW_MAX + 1];
};

/* ---- the cells under the hyperbola ---- */

static size_t cells_under(uint32_t words, double product)
{
    size_t cells = 0;
    for (uint32_t row = 0; row < words && product >= row + 1; row++) {
        double limit = product / (row + 1);
        cells += limit < words ? (size_t)limit : words;
    }
    return cells;
}

/* A third of a thread's memory goes to cells, the rest to records. */
static enum err plan_memory(struct job *job)
{
    uint32_t words = job->corpus->words;
    uint64_t memory =
        job->settings->memory_bytes ? job->settings->memory_bytes : default_memory;
    size_t share = (size_t)(memory / job->settings->threads);
    double product = (double)words * words;
    while (cells_under(words, product) * sizeof(double) > share / 3)
        product /= 1.25;
    job->starts = memory_new_array(words, sizeof *job->starts);
    job->limits = memory_new_array(words, sizeof *job->limits);
    if (!job->starts || !job->limits)
        return ERR_NO_MEMORY;
    for (uint32_t row = 0; row < words; row++) {
        double limit = product / (row + 1);
        job->limits[row] = limit < words ? (uint32_t)limit : words;
        job->starts[row] = job->cells;
        job->cells += job->limits[row];
    }
    job->most_records =
        (share - job->cells * sizeof(double)) / (2 * RECORD_WORDS * sizeof(uint32_t));
    if (job->most_records < records_least)
        job->most_records = records_least;
    return ERR_OK;
}

/* ---- one thread ---- */

static void put_record(uint32_t *record, uint32_t row, uint32_t column, double value)
{
    record[0] = row;
    record[1] = column;
    memcpy(record + 2, &value, sizeof value);
}

static enum err spill_records(struct counter *counter)
{
    struct counting_runs *runs = counter->job->runs[counter->index];
    size_t left =
        counting_sort(&pair_format, counter->records, counter->scratch, counter->count);
    counter->count = 0;
    enum err code = left ? counting_runs_begin(runs) : ERR_OK;
    return code || left == 0 ? code : counting_runs_append(runs, counter->records, left);
}

static enum err spill_cells(struct counter *counter)
{
    const struct job *job = counter->job;
    struct counting_runs *runs = job->runs[counter->index];
    enum err code = counting_runs_begin(runs);
    size_t count = 0;
    for (uint32_t row = 0; row < job->corpus->words && !code; row++)
        for (uint32_t column = 0; column < job->limits[row] && !code; column++) {
            double value = counter->cells[job->starts[row] + column];
            if (value > 0)
                put_record(counter->records + RECORD_WORDS * count++, row, column, value);
            if (count < job->most_records)
                continue;
            code = counting_runs_append(runs, counter->records, count);
            count = 0;
        }
    return code || count == 0 ? code
                              : counting_runs_append(runs, counter->records, count);
}

static enum err count_segment(struct counter *counter, size_t count)
{
    const struct job *job = counter->job;
    bool symmetric = job->settings->symmetric;
    const uint32_t *words = counter->words;
    if (counter->count + count * job->settings->window > job->most_records) {
        enum err code = spill_records(counter);
        if (code)
            return code;
    }
    for (size_t at = 1; at < count; at++) {
        size_t reach = at < job->settings->window ? at : job->settings->window;
        for (size_t distance = 1; distance <= reach; distance++) {
            uint32_t row = words[at], column = words[at - distance];
            if (symmetric && row > column) {
                row = column;
                column = words[at];
            }
            double weight = counter->weights[distance];
            weight = symmetric && row == column ? 2 * weight : weight;
            if (column < job->limits[row])
                counter->cells[job->starts[row] + column] += weight;
            else
                put_record(counter->records + RECORD_WORDS * counter->count++, row,
                           column, weight);
        }
    }
    return ERR_OK;
}

/* Cuts a chunk into segments, and segments into pieces that fit the record buffer. */
static enum err count_chunk(struct counter *counter, struct id_chunk chunk)
{
    const struct job *job = counter->job;
    size_t most = job->most_records / COOCCURRENCE_WINDOW_MAX, count = 0;
    enum err code = ERR_OK;
    for (size_t i = 0; i < chunk.count && !code; i++) {
        uint32_t id = chunk.ids[i];
        if (id >= VOCAB_RESERVED)
            counter->words[count++] = id - VOCAB_RESERVED;
        if (id == VOCAB_EOS || count == most || i + 1 == chunk.count) {
            code = count_segment(counter, count);
            count = 0;
        }
    }
    return code;
}

static void report_counting(struct job *job, size_t chunk)
{
    double fraction = (double)chunk / (double)job->corpus->chunk_count;
    struct progress_report report = {
        .epoch = fraction,
        .tokens = (uint64_t)(fraction * (double)job->corpus->tokens),
        .phase = "counting",
    };
    if (progress_report(job->progress, &report) == PROGRESS_STOP)
        atomic_store(&job->stop, true);
}

static enum err count_chunks(struct counter *counter)
{
    struct job *job = counter->job;
    enum err code = ERR_OK;
    while (!code) {
        size_t chunk = atomic_fetch_add(&job->next_chunk, 1);
        if (chunk >= job->corpus->chunk_count)
            break;
        if (counter->index == 0 && chunk % 16 < job->settings->threads)
            report_counting(job, chunk);
        code = atomic_load(&job->stop) ? ERR_CANCELLED
                                       : count_chunk(counter, job->corpus->chunks[chunk]);
    }
    if (!code)
        code = spill_records(counter);
    return code ? code : spill_cells(counter);
}

static void fini_counter(struct counter *counter)
{
    free(counter->cells);
    free(counter->records);
    free(counter->scratch);
    free(counter->words);
}

static enum err run_counter(void *context, unsigned index, unsigned count)
{
    (void)count;
    struct job *job = context;
    struct counter counter = {.job = job, .index = index};
    size_t record = RECORD_WORDS * sizeof(uint32_t);
    counter.cells = memory_new_array(job->cells, sizeof *counter.cells);
    counter.records = memory_new_array(job->most_records, record);
    counter.scratch = memory_new_array(job->most_records, record);
    counter.words = memory_new_array(2 * ID_CHUNK_TOKENS, sizeof *counter.words);
    for (uint32_t d = 1; d <= job->settings->window; d++)
        counter.weights[d] = job->settings->by_distance ? 1.0 / d : 1;
    enum err code = ERR_NO_MEMORY;
    if (counter.cells && counter.records && counter.scratch && counter.words)
        code = count_chunks(&counter);
    fini_counter(&counter);
    return code;
}

/* ---- the merge ---- */

static enum err write_entries(struct cooccurrence *cooccurrence,
                              struct counting_merge *merge)
{
    uint32_t *records = memory_new_array(BLOCK_RECORDS, RECORD_WORDS * sizeof *records);
    struct cooccurrence_entry *entries = memory_new_array(BLOCK_RECORDS, sizeof *entries);
    enum err code = records && entries ? ERR_OK : ERR_NO_MEMORY;
    while (!code) {
        size_t count;
        code = counting_merge_next(merge, records, BLOCK_RECORDS, &count);
        if (code || count == 0)
            break;
        for (size_t i = 0; i < count; i++) {
            const uint32_t *record = records + RECORD_WORDS * i;
            entries[i] = (struct cooccurrence_entry){record[0], record[1],
                                                     (float)counting_get_f64(record + 2)};
        }
        cooccurrence->count += count;
        code = spill_append(cooccurrence->spill, entries, count * sizeof *entries);
    }
    free(records);
    free(entries);
    return code;
}

static enum err merge_runs(struct job *job, struct cooccurrence *cooccurrence)
{
    struct counting_merge *merge = NULL;
    uint64_t memory =
        job->settings->memory_bytes ? job->settings->memory_bytes : default_memory;
    enum err code = spill_open(job->settings->scratch_directory, &cooccurrence->spill);
    if (!code)
        code = counting_merge_new(job->runs, job->settings->threads, (size_t)(memory / 4),
                                  &merge);
    if (!code)
        code = write_entries(cooccurrence, merge);
    counting_merge_free(merge);
    struct span content;
    if (!code)
        code = spill_map(cooccurrence->spill, &content);
    if (!code)
        cooccurrence->entries = (const void *)content.bytes;
    return code;
}

static enum err count_all(struct job *job, struct cooccurrence *cooccurrence)
{
    unsigned threads = job->settings->threads;
    enum err code = plan_memory(job);
    for (unsigned i = 0; i < threads && !code; i++)
        code = counting_runs_new(&pair_format, job->settings->scratch_directory,
                                 &job->runs[i]);
    if (!code)
        code = parallel_run(threads, run_counter, job);
    if (!code)
        code = merge_runs(job, cooccurrence);
    for (unsigned i = 0; i < threads; i++)
        counting_runs_free(job->runs[i]);
    free(job->starts);
    free(job->limits);
    return code;
}

enum err cooccurrence_count(const struct id_corpus *corpus,
                            const struct cooccurrence_settings *settings,
                            const struct progress *progress, struct cooccurrence **out)
{
    *out = NULL;
    struct cooccurrence *cooccurrence = memory_new_array(1, sizeof *cooccurrence);
    struct job *job = memory_new_array(1, sizeof *job);
    enum err code = cooccurrence && job ? ERR_OK : ERR_NO_MEMORY;
    if (!code) {
        job->corpus = corpus;
        job->settings = settings;
        job->progress = progress;
        cooccurrence->words = corpus->words;
        cooccurrence->symmetric = settings->symmetric;
        code = count_all(job, cooccurrence);
    }
    free(job);
    if (code)
        cooccurrence_free(cooccurrence);
    else
        *out = cooccurrence;
    return code;
}

void cooccurrence_free(struct cooccurrence *cooccurrence)
{
    if (!cooccurrence)
        return;
    spill_close(cooccurrence->spill);
    free(cooccurrence);
}

size_t cooccurrence_full_count(const struct cooccurrence *cooccurrence)
{
    size_t count = cooccurrence->count;
    for (size_t i = 0; i < cooccurrence->count && cooccurrence->symmetric; i++)
        count += cooccurrence->entries[i].row != cooccurrence->entries[i].column;
    return count;
}

/* SPDX-License-Identifier: MIT */
/* The weighted co-occurrence matrix and its product with a tall thin one, which is all
 * that the randomised factorisation asks of it. With context_power below 1 the PMI of
 * (i, j) and (j, i) differ; the matrix takes their mean and stays symmetric. */
#include "model/vectors/sparse.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "model/vectors/kernels.h"

enum { ROWS_AT_ONCE = 256 };

struct weighting {
    enum sparse_weighting kind;
    double shift;
    double *row_logs;     /* [words] log p_i, for PPMI */
    double *context_logs; /* [words] log q_i */
    double total_log;
};

static enum err measure(struct weighting *weighting, const struct cooccurrence *counts,
                        double power)
{
    double total = 0, context_total = 0;
    double *sums = weighting->row_logs = memory_new_array(counts->words, sizeof *sums);
    weighting->context_logs = memory_new_array(counts->words, sizeof *sums);
    if (!sums || !weighting->context_logs)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < counts->count; i++) {
        struct cooccurrence_entry entry = counts->entries[i];
        sums[entry.row] += (double)entry.value;
        if (entry.row != entry.column)
            sums[entry.column] += (double)entry.value;
    }
    for (uint32_t i = 0; i < counts->words; i++) {
        total += sums[i];
        context_total += pow(sums[i], power);
    }
    for (uint32_t i = 0; i < counts->words; i++) {
        weighting->context_logs[i] = log(pow(sums[i], power) / context_total);
        weighting->row_logs[i] = log(sums[i] / total);
    }
    weighting->total_log = log(total);
    return ERR_OK;
}

static float weigh(const struct weighting *weighting, struct cooccurrence_entry entry)
{
    if (weighting->kind == SPARSE_RAW)
        return entry.value;
    if (weighting->kind == SPARSE_LOG)
        return log1pf(entry.value);
    uint32_t i = entry.row, j = entry.column;
    double independent = (weighting->row_logs[i] + weighting->context_logs[j] +
                          weighting->row_logs[j] + weighting->context_logs[i]) /
                         2;
    double pmi = log((double)entry.value) - weighting->total_log - independent;
    return (float)fmax(pmi - weighting->shift, 0);
}

static void count_rows(struct sparse *sparse, const struct weighting *weighting,
                       const struct cooccurrence *counts)
{
    for (size_t i = 0; i < counts->count; i++) {
        struct cooccurrence_entry entry = counts->entries[i];
        if (!(weigh(weighting, entry) > 0))
            continue;
        sparse->starts[entry.row + 1]++;
        if (entry.row != entry.column)
            sparse->starts[entry.column + 1]++;
    }
    for (uint32_t row = 0; row < sparse->rows; row++)
        sparse->starts[row + 1] += sparse->starts[row];
}

/* The entries come in rising (row, column), so each row's lower half is complete before
 * its upper half begins: columns rise. */
static void fill_rows(struct sparse *sparse, const struct weighting *weighting,
                      const struct cooccurrence *counts, size_t *next)
{
    for (size_t i = 0; i < counts->count; i++) {
        struct cooccurrence_entry entry = counts->entries[i];
        float value = weigh(weighting, entry);
        if (!(value > 0))
            continue;
        size_t at = next[entry.row]++;
        sparse->columns[at] = entry.column;
        sparse->values[at] = value;
        if (entry.row == entry.column)
            continue;
        at = next[entry.column]++;
        sparse->columns[at] = entry.row;
        sparse->values[at] = value;
    }
}

static enum err build(struct sparse *sparse, const struct weighting *weighting,
                      const struct cooccurrence *counts)
{
    sparse->rows = counts->words;
    sparse->starts = memory_new_array((size_t)counts->words + 1, sizeof(size_t));
    size_t *next = memory_new_array((size_t)counts->words + 1, sizeof *next);
    enum err code = sparse->starts && next ? ERR_OK : ERR_NO_MEMORY;
    if (!code) {
        count_rows(sparse, weighting, counts);
        size_t entries = sparse->starts[sparse->rows];
        sparse->columns = memory_new_array(entries, sizeof *sparse->columns);
        sparse->values = memory_new_array(entries, sizeof *sparse->values);
        code = sparse->columns && sparse->values ? ERR_OK : ERR_NO_MEMORY;
    }
    if (!code) {
        for (uint32_t row = 0; row < sparse->rows; row++)
            next[row] = sparse->starts[row];
        fill_rows(sparse, weighting, counts, next);
    }
    free(next);
    return code;
}

enum err sparse_from_counts(const struct cooccurrence *counts,
                            enum sparse_weighting weighting, double shift,
                            double context_power, struct sparse **out)
{
    *out = NULL;
    struct weighting how = {.kind = weighting, .shift = shift};
    struct sparse *sparse = memory_new_array(1, sizeof *sparse);
    enum err code = sparse ? ERR_OK : ERR_NO_MEMORY;
    if (!code && weighting == SPARSE_PPMI)
        code = measure(&how, counts, context_power);
    if (!code)
        code = build(sparse, &how, counts);
    free(how.row_logs);
    free(how.context_logs);
    if (code)
        sparse_free(sparse);
    else
        *out = sparse;
    return code;
}

void sparse_free(struct sparse *sparse)
{
    if (!sparse)
        return;
    free(sparse->starts);
    free(sparse->columns);
    free(sparse->values);
    free(sparse);
}

struct product {
    const struct sparse *sparse;
    const float *dense;
    float *result;
    size_t stride;
    const struct progress *progress;
    const struct progress_report *report;
    atomic_uint_fast32_t next;
    atomic_bool stop;
};

static enum err multiply_rows(void *context, unsigned index, unsigned count)
{
    (void)count;
    struct product *product = context;
    const struct sparse *sparse = product->sparse;
    const struct kernels *kernels = kernels_best();
    while (!atomic_load(&product->stop)) {
        uint32_t first = (uint32_t)atomic_fetch_add(&product->next, ROWS_AT_ONCE);
        if (first >= sparse->rows)
            break;
        if (index == 0 &&
            progress_report(product->progress, product->report) == PROGRESS_STOP)
            atomic_store(&product->stop, true);
        for (uint32_t row = first; row < first + ROWS_AT_ONCE && row < sparse->rows;
             row++)
            kernels->combine(product->dense, product->stride,
                             sparse->columns + sparse->starts[row],
                             sparse->values + sparse->starts[row],
                             sparse->starts[row + 1] - sparse->starts[row],
                             product->result + row * product->stride);
    }
    return atomic_load(&product->stop) ? ERR_CANCELLED : ERR_OK;
}

enum err sparse_multiply(const struct sparse *sparse, const float *dense, size_t stride,
                         unsigned threads, const struct progress *progress,
                         const struct progress_report *report, float *result)
{
    struct product product = {.sparse = sparse,
                              .dense = dense,
                              .result = result,
                              .stride = stride,
                              .progress = progress,
                              .report = report};
    return parallel_run(threads, multiply_rows, &product);
}

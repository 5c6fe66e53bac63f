/* SPDX-License-Identifier: MIT */
/* Series are slots in arrays made once from METRICS_TABLE. A value is a double kept as
 * the bits of an atomic 64-bit integer and changed by compare-and-swap, so no update ever
 * waits. A label set gets its slot on first use, under a lock; readers see the slot once
 * the count is published. Each metric has one slot more than its capacity, "other", which
 * takes what does not fit: clients cannot grow the number of series.
 *
 * A scrape is not one moment in time: a counter may be newer than its neighbour. Within
 * one histogram, _count is the sum of the buckets that were read, so it always agrees. */
#include "server/metrics.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/lock.h"
#include "base/memory.h"
#include "server/ranks.h"

enum { LABELS_SIZE = 192 };

enum metric_type { COUNTER, GAUGE, HISTOGRAM, SIZES /* a histogram of sizes */ };

static const struct description {
    enum metric_type type;
    const char *name, *label;
    size_t capacity;
    const char *help;
} table[METRICS_COUNT] = {
#define X(symbol, type, name, label, capacity, help)                                     \
    [symbol] = {type, name, label, capacity, help},
    METRICS_TABLE(X)
#undef X
};

enum { BOUNDS = 16 };
static const double second_bounds[BOUNDS] = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                             0.05,   0.1,   0.25,   0.5,   1,    2.5,
                                             5,      10,    30,     60};
static const double size_bounds[BOUNDS] = {1,  2,  3,  4,  6,   8,   12,  16,
                                           24, 32, 48, 64, 128, 256, 512, 1024};

struct series {
    _Atomic uint64_t value; /* the bits of a double */
    char labels[LABELS_SIZE];
};

struct family {
    struct series *series; /* [capacity + 1], the last one is "other" */
    atomic_size_t count;   /* slots in use, without "other" */
    atomic_bool other_used;
    _Atomic uint64_t buckets[BOUNDS + 1]; /* of a histogram, not cumulative */
    _Atomic uint64_t sum;                 /* bits of a double */
};

struct metrics {
    struct lock lock; /* making labels */
    struct family families[METRICS_COUNT];
};

static const double *bounds_of(enum metric_id metric)
{
    return table[metric].type == SIZES ? size_bounds : second_bounds;
}

static double double_of(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static void add_to(_Atomic uint64_t *cell, double value)
{
    uint64_t old = atomic_load_explicit(cell, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(
        cell, &old, bits_of(double_of(old) + value), memory_order_relaxed,
        memory_order_relaxed))
        continue;
}

struct metrics *metrics_new(void)
{
    struct metrics *metrics = memory_new_array(1, sizeof *metrics);
    if (!metrics)
        return NULL;
    lock_init(&metrics->lock, RANK_METRICS);
    for (size_t i = 0; i < METRICS_COUNT; i++) {
        struct family *family = &metrics->families[i];
        family->series = memory_new_array(table[i].capacity + 1, sizeof *family->series);
        if (!family->series) {
            metrics_free(metrics);
            return NULL;
        }
        snprintf(family->series[table[i].capacity].labels, LABELS_SIZE, "%s=\"other\"",
                 table[i].label);
        atomic_store(&family->count, *table[i].label ? 0 : 1);
    }
    return metrics;
}

void metrics_free(struct metrics *metrics)
{
    if (!metrics)
        return;
    for (size_t i = 0; i < METRICS_COUNT; i++)
        free(metrics->families[i].series);
    lock_fini(&metrics->lock);
    free(metrics);
}

/* Writes a label set; false when it does not fit. A ready one (`a="b",c="d"`) is copied,
 * anything else becomes the escaped value of the metric's own label. */
static bool write_labels(char *to, const char *label, const char *given)
{
    if (strstr(given, "=\""))
        return snprintf(to, LABELS_SIZE, "%s", given) < LABELS_SIZE;
    size_t at = (size_t)snprintf(to, LABELS_SIZE, "%s=\"", label);
    for (; *given; given++) {
        if (at + 4 >= LABELS_SIZE)
            return false;
        if (*given == '"' || *given == '\\' || *given == '\n')
            to[at++] = '\\';
        to[at++] = *given == '\n' ? 'n' : *given;
    }
    to[at++] = '"';
    to[at] = '\0';
    return true;
}

static bool find_labels(const struct family *family, size_t count, const char *labels,
                        size_t *index)
{
    for (*index = 0; *index < count; ++*index)
        if (strcmp(family->series[*index].labels, labels) == 0)
            return true;
    return false;
}

size_t metrics_label(struct metrics *metrics, enum metric_id metric, const char *labels)
{
    struct family *family = &metrics->families[metric];
    size_t capacity = table[metric].capacity, index;
    char text[LABELS_SIZE];
    if (!*table[metric].label)
        return 0;
    if (!write_labels(text, table[metric].label, labels))
        goto other;
    if (find_labels(family, atomic_load(&family->count), text, &index))
        return index;
    lock_take(&metrics->lock);
    size_t count = atomic_load(&family->count);
    bool found = find_labels(family, count, text, &index);
    if (!found && count < capacity) {
        index = count;
        memcpy(family->series[index].labels, text, sizeof text);
        atomic_store(&family->count, count + 1);
        found = true;
    }
    lock_release(&metrics->lock);
    if (found)
        return index;
other:
    atomic_store(&family->other_used, true);
    return capacity;
}

static size_t slot_of(enum metric_id metric, size_t label)
{
    return label > table[metric].capacity ? table[metric].capacity : label;
}

void metrics_add(struct metrics *metrics, enum metric_id metric, size_t label,
                 double value)
{
    add_to(&metrics->families[metric].series[slot_of(metric, label)].value, value);
}

void metrics_set(struct metrics *metrics, enum metric_id metric, size_t label,
                 double value)
{
    atomic_store_explicit(&metrics->families[metric].series[slot_of(metric, label)].value,
                          bits_of(value), memory_order_relaxed);
}

void metrics_observe(struct metrics *metrics, enum metric_id metric, double value)
{
    const double *bounds = bounds_of(metric);
    struct family *family = &metrics->families[metric];
    size_t bucket = 0;
    if (isnan(value))
        return;
    while (bucket < BOUNDS && value > bounds[bucket])
        bucket++;
    atomic_fetch_add_explicit(&family->buckets[bucket], 1, memory_order_relaxed);
    add_to(&family->sum, value);
}

static void put_number(struct buffer *text, double value)
{
    if (isnan(value))
        buffer_append_text(text, "NaN");
    else if (isinf(value))
        buffer_append_text(text, value > 0 ? "+Inf" : "-Inf");
    else
        buffer_printf(text, "%.15g", value);
}

static void render_histogram(const struct family *family, const char *name,
                             const double *bounds, struct buffer *text)
{
    uint64_t total = 0;
    for (size_t i = 0; i <= BOUNDS; i++) {
        total += atomic_load_explicit(&family->buckets[i], memory_order_relaxed);
        if (i < BOUNDS)
            buffer_printf(text, "%s_bucket{le=\"%g\"} %llu\n", name, bounds[i],
                          (unsigned long long)total);
    }
    buffer_printf(text, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum ", name,
                  (unsigned long long)total, name);
    put_number(text, double_of(atomic_load(&family->sum)));
    buffer_printf(text, "\n%s_count %llu\n", name, (unsigned long long)total);
}

static void render_series(const struct series *series, const char *name,
                          struct buffer *text)
{
    buffer_append_text(text, name);
    if (*series->labels)
        buffer_printf(text, "{%s}", series->labels);
    buffer_append_char(text, ' ');
    put_number(text, double_of(atomic_load(&series->value)));
    buffer_append_char(text, '\n');
}

static void render_family(const struct family *family, enum metric_id metric,
                          struct buffer *text)
{
    static const char *const types[] = {"counter", "gauge", "histogram", "histogram"};
    const struct description *about = &table[metric];
    buffer_printf(text, "# HELP %s %s\n# TYPE %s %s\n", about->name, about->help,
                  about->name, types[about->type]);
    if (about->type == HISTOGRAM || about->type == SIZES) {
        render_histogram(family, about->name, bounds_of(metric), text);
        return;
    }
    if (!*about->label) {
        render_series(&family->series[0], about->name, text);
        return;
    }
    size_t count = atomic_load(&family->count);
    for (size_t i = 0; i < count; i++)
        render_series(&family->series[i], about->name, text);
    if (atomic_load(&family->other_used))
        render_series(&family->series[about->capacity], about->name, text);
}

enum err metrics_render(struct metrics *metrics, struct buffer *text)
{
    for (size_t i = 0; i < METRICS_COUNT; i++)
        render_family(&metrics->families[i], (enum metric_id)i, text);
    return text->failed;
}

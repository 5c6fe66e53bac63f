/* SPDX-License-Identifier: MIT */
/* Sums by key, for more keys than memory holds: records are sorted in memory, written as
 * sorted runs to temporary space, and merged with the values of equal keys added.
 *
 * A record is uint32_t[key_words + 2]: the key, most significant word first, then the
 * eight bytes of its value (a uint64_t or a double, in memory order). The result does
 * not depend on how records were spread over runs, for doubles up to rounding. */
#ifndef FIRTH_MODEL_COUNTING_H
#define FIRTH_MODEL_COUNTING_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"

#define COUNTING_KEY_WORDS_MAX 16u

enum counting_value { COUNTING_U64, COUNTING_F64 };

struct counting_format {
    uint32_t key_words; /* 1 … COUNTING_KEY_WORDS_MAX */
    enum counting_value value;
};

static inline size_t counting_record_words(const struct counting_format *format)
{
    return (size_t)format->key_words + 2;
}

static inline uint64_t counting_get_u64(const uint32_t *value)
{
    uint64_t wide;
    memcpy(&wide, value, sizeof wide);
    return wide;
}

static inline double counting_get_f64(const uint32_t *value)
{
    double wide;
    memcpy(&wide, value, sizeof wide);
    return wide;
}

/* Sorts `count` records by key and adds up those of equal key (in their given order).
 * Returns how many are left, at the front of `records`. `scratch` has the same size. */
size_t counting_sort(const struct counting_format *format, uint32_t *records,
                     uint32_t *scratch, size_t count);

/* A set of sorted runs. One thread at a time; threads that count side by side have a set
 * each and merge all of them. `directory` as in spill_open. */
struct counting_runs;
MUST_CHECK enum err counting_runs_new(const struct counting_format *format,
                                      const char *directory, struct counting_runs **out);
void counting_runs_free(struct counting_runs *runs);
size_t counting_runs_count(const struct counting_runs *runs);
uint64_t counting_runs_records(const struct counting_runs *runs); /* in all of them */

/* Starts a run; the records appended until the next begin must have rising keys. */
MUST_CHECK enum err counting_runs_begin(struct counting_runs *runs);
MUST_CHECK enum err counting_runs_append(struct counting_runs *runs,
                                         const uint32_t *records, size_t count);

/* Merges the runs of several sets of one format (borrowed until counting_merge_free) with
 * about `memory_bytes` of buffers; where that is too few for all runs at once, it first
 * merges groups of them on disk. */
struct counting_merge;
MUST_CHECK enum err counting_merge_new(struct counting_runs *const *sets,
                                       size_t set_count, size_t memory_bytes,
                                       struct counting_merge **out);
void counting_merge_free(struct counting_merge *merge);

/* The next records in rising order of key, each key once. *count 0 means the end. */
MUST_CHECK enum err counting_merge_next(struct counting_merge *merge, uint32_t *records,
                                        size_t most, size_t *count);

#endif

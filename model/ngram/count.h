/* SPDX-License-Identifier: MIT */
/* Counting the n-grams of a corpus of any size within a memory budget. */
#ifndef FIRTH_MODEL_NGRAM_COUNT_H
#define FIRTH_MODEL_NGRAM_COUNT_H

#include <stdbool.h>

#include "base/progress.h"
#include "model/ngram/levels.h"

struct counter_settings {
    unsigned order; /* 1 … NGRAM_ORDER_MAX */
    uint32_t vocab_size;
    unsigned threads;      /* how many threads call counter_add */
    uint64_t memory_bytes; /* what counting may use */
    const char *directory; /* for spills, as in spill_open */
    const struct progress
        *progress; /* of counter_finish and of the levels; may be NULL */
};

struct counter;
MUST_CHECK enum err counter_new(const struct counter_settings *settings,
                                struct counter **out);
void counter_free(struct counter *counter);

/* Takes the next ids of thread `thread` (< threads): words, each segment ended by
 * VOCAB_EOS, without <s>. Threads may call at the same time, each with its own number. */
MUST_CHECK enum err counter_add(struct counter *counter, unsigned thread,
                                const uint32_t *ids, size_t count);

/* After the last add: the levels with word, raw, suffix and begin. They are the same
 * whatever the budget, the threads, and the share each thread had. */
MUST_CHECK enum err counter_finish(struct counter *counter, struct levels *levels);

/* Whether anything had to go to disk. */
bool counter_spilled(const struct counter *counter);

#endif

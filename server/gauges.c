/* SPDX-License-Identifier: MIT */
/* Looks at the store every few seconds and sets the gauges that say how it is. */
#include "server/gauges.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/lock.h"
#include "base/memory.h"
#include "server/metrics.h"
#include "server/ranks.h"

static const double EVERY = 5;

struct gauges {
    struct store *store;
    struct metrics *metrics;
    struct lock lock;
    struct condition changed;
    bool stopping;
    pthread_t thread;
};

static void look(const struct gauges *gauges)
{
    struct store_stats stats;
    if (store_stats_get(gauges->store, &stats))
        return;
    metrics_set(gauges->metrics, METRIC_STORE_BYTES, 0, (double)stats.file_bytes);
    metrics_set(gauges->metrics, METRIC_WAL_BYTES, 0, (double)stats.wal_bytes);
    metrics_set(gauges->metrics, METRIC_STORE_FAILED, 0, stats.failed ? 1 : 0);
}

static void *keep(void *argument)
{
    struct gauges *gauges = argument;
    lock_take(&gauges->lock);
    while (!gauges->stopping) {
        lock_release(&gauges->lock);
        look(gauges);
        lock_take(&gauges->lock);
        if (!gauges->stopping)
            condition_wait(&gauges->changed, &gauges->lock, EVERY);
    }
    lock_release(&gauges->lock);
    return NULL;
}

enum err gauges_new(struct store *store, struct metrics *metrics, struct gauges **out)
{
    *out = NULL;
    struct gauges *gauges = memory_new_array(1, sizeof *gauges);
    if (!gauges)
        return ERR_NO_MEMORY;
    gauges->store = store;
    gauges->metrics = metrics;
    lock_init(&gauges->lock, RANK_GAUGES);
    condition_init(&gauges->changed);
    if (pthread_create(&gauges->thread, NULL, keep, gauges)) {
        condition_fini(&gauges->changed);
        lock_fini(&gauges->lock);
        free(gauges);
        return ERR_NO_MEMORY;
    }
    *out = gauges;
    return ERR_OK;
}

void gauges_free(struct gauges *gauges)
{
    if (!gauges)
        return;
    lock_take(&gauges->lock);
    gauges->stopping = true;
    condition_broadcast(&gauges->changed);
    lock_release(&gauges->lock);
    pthread_join(gauges->thread, NULL);
    condition_fini(&gauges->changed);
    lock_fini(&gauges->lock);
    free(gauges);
}

/* SPDX-License-Identifier: MIT */
/* The inference pool: a bounded queue and threads, of which a fixed number work at once.
 * Anything that may block or compute for long runs here, so that the HTTP loops never
 * wait. */
#ifndef FIRTH_SERVER_POOL_H
#define FIRTH_SERVER_POOL_H

#include <stdatomic.h>
#include <stddef.h>

#include "base/err.h"

/* Tasks that may have stepped aside at once; more just keep their place. */
#define POOL_ASIDE_MAX 32u

struct pool;

/* One unit of work, embedded in its owner, who keeps it until `done` was called. */
struct pool_task {
    void (*run)(struct pool_task *task);  /* on a pool thread */
    void (*done)(struct pool_task *task); /* right after run, or after cancelling */
    atomic_bool cancelled;                /* set by pool_cancel; run() polls it */
    double queued_at, started_at;         /* monotonic seconds, set by the pool */
    struct pool_task *next;               /* the pool's own */
    int state;                            /* the pool's own */
};

MUST_CHECK enum err pool_new(size_t threads, size_t queue_max, struct pool **out);
/* ERR_QUEUE_FULL, or ERR_UNAVAILABLE once stopping. */
MUST_CHECK enum err pool_submit(struct pool *pool, struct pool_task *task);
/* Still queued: removes it and calls done() here; running: sets `cancelled`. */
void pool_cancel(struct pool *pool, struct pool_task *task);
size_t pool_waiting(const struct pool *pool);
size_t pool_threads(const struct pool *pool); /* how many work at once */

/* For a running task: from here on it waits, or works under somebody else's limit, so
 * that another task may run in its place; and back, which never waits. In pairs. */
void pool_step_aside(struct pool *pool);
void pool_step_back(struct pool *pool);

/* Takes no more work, finishes what it has, joins the threads, frees. */
void pool_free(struct pool *pool);

#endif

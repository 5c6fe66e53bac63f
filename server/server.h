/* SPDX-License-Identifier: MIT */
/* What the daemon is made of, created once in main and passed down; no globals. */
#ifndef FIRTH_SERVER_SERVER_H
#define FIRTH_SERVER_SERVER_H

#include <stdatomic.h>

#include "base/err.h"
#include "server/indexer.h"
#include "server/jobs.h"
#include "server/metrics.h"
#include "server/pool.h"
#include "server/registry.h"
#include "server/settings.h"
#include "storage/store.h"

enum server_phase { SERVER_STARTING, SERVER_READY, SERVER_DRAINING };

struct server {
    struct settings settings;
    struct store *store;
    struct metrics *metrics;
    struct registry *registry;
    struct pool *pool;
    struct indexer *indexer;
    struct jobs *jobs;
    struct gauges *gauges;
    atomic_int phase;   /* enum server_phase */
    double started_at;  /* monotonic seconds */
    char scratch[4096]; /* folder of temporary files */
};

/* Opens the store (and makes it when there is none), recovers jobs, starts the pool and
 * the supervisor; the phase is SERVER_READY then. */
MUST_CHECK enum err server_start(const struct settings *settings, struct server **out,
                                 struct err_info *info);
/* Begins to stop, and returns at once: the phase is SERVER_DRAINING, no more jobs are
 * taken, running trainers hand over a checkpoint and their jobs are queued for the next
 * start. */
void server_drain(struct server *server, double seconds);
/* Drains, unless that was begun before, waits at most drain_seconds, closes everything,
 * frees. NULL is fine. */
void server_stop(struct server *server);

/* The trainer side: `firthd --trainer` calls this with its inherited socket; returns the
 * exit status. */
int trainer_main(int socket_fd);

#endif

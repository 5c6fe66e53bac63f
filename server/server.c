/* SPDX-License-Identifier: MIT */
/* Putting the daemon together and taking it apart again, in the opposite order. What is
 * half made when something fails is taken apart by the same function. */
#include "server/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "server/gauges.h"

static const double RETRY_SECONDS = 1;

static void set_log_level(const char *name)
{
    static const char *const names[] = {"debug", "info", "warning", "error", "silent"};
    for (int i = 0; i < 5; i++)
        if (strcmp(name, names[i]) == 0)
            log_set_level((enum log_level)i);
}

/* The scratch folder by its full name: the setting, or where the store is. */
static enum err find_scratch(struct server *server, struct err_info *info)
{
    const struct settings *settings = &server->settings;
    char folder[sizeof settings->store], *resolved;
    snprintf(folder, sizeof folder, "%s",
             *settings->scratch ? settings->scratch : settings->store);
    char *slash = *settings->scratch ? NULL : strrchr(folder, '/');
    if (!*settings->scratch && !slash)
        snprintf(folder, sizeof folder, ".");
    else if (slash)
        slash[slash == folder ? 1 : 0] = '\0';
    resolved = realpath(folder, NULL);
    if (!resolved || access(resolved, W_OK | X_OK) ||
        strlen(resolved) >= sizeof server->scratch) {
        free(resolved);
        return err_set(info, ERR_IO,
                       "the folder %.200s cannot be used for temporary files: %s; create "
                       "it or name another one with --scratch",
                       folder, strerror(errno));
    }
    snprintf(server->scratch, sizeof server->scratch, "%s", resolved);
    free(resolved);
    return ERR_OK;
}

static enum err open_store(struct server *server, struct err_info *info)
{
    const struct settings *settings = &server->settings;
    const struct store_settings how = {
        .path = settings->store,
        .create = true,
        .corpus_bytes = (uint64_t)settings->corpus_bytes,
        .total_bytes = (uint64_t)settings->total_bytes,
    };
    return store_open(&how, &server->store, info);
}

/* And the indexer: requests that wait for it never take the last thread of the pool. */
static enum err start_pool(struct server *server)
{
    const struct settings *settings = &server->settings;
    int64_t wanted = settings->inference_threads;
    size_t threads = wanted ? (size_t)wanted : parallel_cores();
    const struct indexer_setup setup = {
        .store = server->store,
        .registry = server->registry,
        .rows_min = (uint32_t)settings->index_rows,
        .build_seconds = (double)settings->index_seconds,
        .wait_seconds = (double)settings->index_wait_seconds,
        .waiters_max = threads - 1,
        .threads = parallel_cores(),
    };
    enum err code = indexer_new(&setup, &server->indexer);
    return code ? code
                : pool_new(threads, (size_t)settings->inference_queue, &server->pool);
}

static enum err start_jobs(struct server *server, struct err_info *info)
{
    const struct settings *settings = &server->settings;
    const struct jobs_setup setup = {
        .store = server->store,
        .registry = server->registry,
        .metrics = server->metrics,
        .scratch = server->scratch,
        .queue_max = (size_t)settings->job_queue,
        .at_once = {[LANE_TRAINING] = (size_t)settings->jobs_at_once,
                    [LANE_ANSWER] = (size_t)settings->answers_at_once},
        .attempts = (unsigned)settings->job_attempts,
        .heartbeat_seconds = (double)settings->heartbeat_seconds,
        .retry_seconds = RETRY_SECONDS,
    };
    return jobs_new(&setup, &server->jobs, info);
}

static enum err start_parts(struct server *server, struct err_info *info)
{
    server->metrics = metrics_new();
    enum err code = server->metrics ? find_scratch(server, info) : ERR_NO_MEMORY;
    if (code)
        return code;
    metrics_set(server->metrics, METRIC_START_TIME, 0, (double)clock_wall_ms() / 1000);
    code = open_store(server, info);
    if (!code)
        code =
            registry_new(server->store, server->metrics,
                         (uint64_t)server->settings.model_cache_bytes, &server->registry);
    if (!code)
        code = start_pool(server);
    if (!code)
        code = gauges_new(server->store, server->metrics, &server->gauges);
    return code ? code : start_jobs(server, info);
}

enum err server_start(const struct settings *settings, struct server **out,
                      struct err_info *info)
{
    *out = NULL;
    struct server *server = memory_new_array(1, sizeof *server);
    if (!server)
        return err_finish(info, ERR_NO_MEMORY);
    server->settings = *settings;
    server->started_at = clock_monotonic();
    set_log_level(settings->log_level);
    enum err code = start_parts(server, info);
    if (code) {
        server_stop(server);
        return err_finish(info, code);
    }
    atomic_store(&server->phase, SERVER_READY);
    *out = server;
    return ERR_OK;
}

void server_drain(struct server *server, double seconds)
{
    atomic_store(&server->phase, SERVER_DRAINING);
    if (server->jobs)
        jobs_drain(server->jobs, seconds);
}

void server_stop(struct server *server)
{
    if (!server)
        return;
    server_drain(server, (double)server->settings.drain_seconds);
    jobs_stop(server->jobs, (double)server->settings.drain_seconds);
    gauges_free(server->gauges);
    indexer_stop(server->indexer);
    pool_free(server->pool);
    indexer_free(server->indexer);
    registry_free(server->registry);
    if (server->store)
        store_close(server->store);
    metrics_free(server->metrics);
    free(server);
}

/* SPDX-License-Identifier: MIT */
/* A request that wants approximate search and finds no index puts its model on a list.
 * One thread of low priority takes models off it, builds, attaches the index to the
 * loaded model, where every request finds it from that moment on, and stores it beside
 * the model, so that the next load finds it there.
 *
 * - However many ask, a model is on the list once. They wait together for a moment, in
 * case it is done soon, and are answered exactly when it is not; only some may wait,
 *   because each occupies a thread of the inference pool.
 * - The memory is reserved with the registry before the build, which drops idle models
 *   for it but none in use. What found no room is tried again later.
 * - What took too long or failed otherwise is not tried again for the same version of the
 *   model until the daemon starts anew.
 * - A model that is replaced meanwhile lives on in its lease until the build is over; the
 *   store then refuses the index, since the digest is another one. */
#include "server/indexer.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/memory.h"
#include "model/vectors/hnsw.h"
#include "server/ranks.h"

enum { WANTED_MAX = 16, REFUSED_MAX = 64, PRIORITY = 10 };
static const double NO_ROOM_SECONDS = 60;

const char *const index_state_names[INDEX_STATE_COUNT] = {"ready", "building", "small",
                                                          "failed"};

/* A model that could not be given an index. */
struct refused {
    char digest[STORE_DIGEST_SIZE];
    double until; /* monotonic seconds */
};

struct indexer {
    struct indexer_setup setup;
    struct lock lock;
    struct condition changed;
    struct lease wanted[WANTED_MAX]; /* the first one is being built */
    size_t wanted_count, waiters;
    double fraction, deadline; /* of the build */
    struct refused refused[REFUSED_MAX];
    size_t refused_count; /* ever; the newest REFUSED_MAX are kept */
    bool stopping, late, joined;
    pthread_t thread;
};

/* ---- building ---- */

static enum progress_answer on_progress(void *context,
                                        const struct progress_report *report)
{
    struct indexer *indexer = context;
    lock_take(&indexer->lock);
    indexer->fraction = report->fraction;
    indexer->late = clock_monotonic() > indexer->deadline;
    bool stop = indexer->stopping || indexer->late;
    lock_release(&indexer->lock);
    return stop ? PROGRESS_STOP : PROGRESS_GO_ON;
}

static enum err store_it(struct indexer *indexer, const struct lease *lease,
                         const struct hnsw *index)
{
    struct store_upload *upload;
    enum err code = store_upload_begin(indexer->setup.store, &upload);
    if (code)
        return code;
    struct writer writer = store_upload_writer(upload);
    code = hnsw_write_file(index, &writer);
    if (!code)
        return store_index_commit(upload, lease->name, lease->digest, NULL);
    store_upload_abort(upload);
    return code;
}

/* The index is of use also where it cannot be stored. */
static void publish(struct indexer *indexer, const struct lease *lease,
                    struct hnsw *index, double seconds)
{
    LOG_EVENT(LOG_INFO, "index_built", LOG_T("model", lease->name),
              LOG_I("rows", lease->model->vectors->count),
              LOG_I("bytes", hnsw_memory(index)), LOG_N("seconds", seconds));
    if (!vectors_attach_index(lease->model->vectors, index)) {
        hnsw_free(index);
        return;
    }
    lock_take(&indexer->lock);
    condition_broadcast(&indexer->changed);
    lock_release(&indexer->lock);
    enum err code = store_it(indexer, lease, index);
    if (code)
        LOG_EVENT(LOG_WARNING, "index_not_stored", LOG_T("model", lease->name),
                  LOG_T("error", err_text(code)));
}

static enum err build(struct indexer *indexer, const struct lease *lease)
{
    struct hnsw_settings settings = hnsw_defaults();
    struct progress progress = {.context = indexer, .report = on_progress};
    struct err_info info = {0};
    struct hnsw *index = NULL;
    const struct vectors *vectors = lease->model->vectors;
    double started = clock_monotonic();
    settings.threads = indexer->setup.threads;
    enum err code =
        registry_reserve(indexer->setup.registry, lease,
                         hnsw_memory_needed(vectors->count, &settings), &info);
    if (!code)
        code = hnsw_build(vectors, &settings, &progress, &index);
    if (!code)
        publish(indexer, lease, index, clock_monotonic() - started);
    else if (code != ERR_CANCELLED || indexer->late)
        LOG_EVENT(LOG_WARNING, "index_not_built", LOG_T("model", lease->name),
                  LOG_T("error", *info.message ? info.message : err_text(code)),
                  LOG_N("seconds", clock_monotonic() - started));
    registry_measure(indexer->setup.registry, lease);
    return code;
}

/* ---- the list ---- */

static void refuse(struct indexer *indexer, const char *digest, enum err code)
{
    struct refused *refused = &indexer->refused[indexer->refused_count++ % REFUSED_MAX];
    memcpy(refused->digest, digest, sizeof refused->digest);
    bool again = code == ERR_UNAVAILABLE || code == ERR_CONFLICT || code == ERR_NO_MEMORY;
    refused->until = again ? clock_monotonic() + NO_ROOM_SECONDS : (double)INFINITY;
}

/* Lock held, released while building. */
static void work_on_first(struct indexer *indexer)
{
    struct lease lease = indexer->wanted[0];
    indexer->fraction = 0;
    indexer->late = false;
    indexer->deadline = clock_monotonic() + indexer->setup.build_seconds;
    lock_release(&indexer->lock);
    enum err code = build(indexer, &lease);
    lock_take(&indexer->lock);
    if (code)
        refuse(indexer, lease.digest, code);
    indexer->wanted_count--;
    memmove(indexer->wanted, indexer->wanted + 1,
            indexer->wanted_count * sizeof *indexer->wanted);
    condition_broadcast(&indexer->changed);
    lock_release(&indexer->lock);
    registry_release(&lease);
    lock_take(&indexer->lock);
}

static void *keep(void *argument)
{
    struct indexer *indexer = argument;
    /* Threads that the build starts inherit this. */
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), PRIORITY);
    lock_take(&indexer->lock);
    while (!indexer->stopping) {
        if (indexer->wanted_count > 0)
            work_on_first(indexer);
        else
            condition_wait(&indexer->changed, &indexer->lock, -1);
    }
    lock_release(&indexer->lock);
    return NULL;
}

enum err indexer_new(const struct indexer_setup *setup, struct indexer **out)
{
    *out = NULL;
    struct indexer *indexer = memory_new_array(1, sizeof *indexer);
    if (!indexer)
        return ERR_NO_MEMORY;
    indexer->setup = *setup;
    lock_init(&indexer->lock, RANK_INDEXER);
    condition_init(&indexer->changed);
    if (pthread_create(&indexer->thread, NULL, keep, indexer)) {
        indexer->joined = true;
        indexer_free(indexer);
        return ERR_NO_MEMORY;
    }
    *out = indexer;
    return ERR_OK;
}

void indexer_stop(struct indexer *indexer)
{
    if (!indexer || indexer->joined)
        return;
    lock_take(&indexer->lock);
    indexer->stopping = true;
    condition_broadcast(&indexer->changed);
    lock_release(&indexer->lock);
    pthread_join(indexer->thread, NULL);
    indexer->joined = true;
}

void indexer_free(struct indexer *indexer)
{
    if (!indexer)
        return;
    indexer_stop(indexer);
    for (size_t i = 0; i < indexer->wanted_count; i++)
        registry_release(&indexer->wanted[i]);
    condition_fini(&indexer->changed);
    lock_fini(&indexer->lock);
    free(indexer);
}

/* ---- asking ---- */

static bool has_index(const struct lease *lease)
{
    return atomic_load(&lease->model->vectors->index) != NULL;
}

static bool is_refused(const struct indexer *indexer, const char *digest)
{
    size_t count =
        indexer->refused_count < REFUSED_MAX ? indexer->refused_count : REFUSED_MAX;
    double now = clock_monotonic();
    for (size_t i = 0; i < count; i++)
        if (strcmp(indexer->refused[i].digest, digest) == 0 &&
            now < indexer->refused[i].until)
            return true;
    return false;
}

/* Its place on the list; wanted_count when it is not there. */
static size_t place_of(const struct indexer *indexer, const struct model *model)
{
    size_t place = 0;
    while (place < indexer->wanted_count && indexer->wanted[place].model != model)
        place++;
    return place;
}

static void want(struct indexer *indexer, const struct lease *lease)
{
    if (place_of(indexer, lease->model) < indexer->wanted_count ||
        indexer->wanted_count == WANTED_MAX)
        return;
    struct lease *copy = &indexer->wanted[indexer->wanted_count++];
    *copy = *lease;
    model_retain(copy->model);
    condition_broadcast(&indexer->changed);
}

/* Until the model is off the list, or time is up. */
static void wait_for(struct indexer *indexer, const struct lease *lease)
{
    double deadline = clock_monotonic() + indexer->setup.wait_seconds;
    indexer->waiters++;
    while (!indexer->stopping && !has_index(lease) &&
           place_of(indexer, lease->model) < indexer->wanted_count) {
        double rest = deadline - clock_monotonic();
        if (rest <= 0)
            break;
        condition_wait(&indexer->changed, &indexer->lock, rest);
    }
    indexer->waiters--;
}

enum index_state indexer_ask(struct indexer *indexer, const struct lease *lease,
                             double *fraction)
{
    enum index_state state = INDEX_BUILDING;
    *fraction = 0;
    if (has_index(lease))
        return INDEX_READY;
    if (lease->model->vectors->count < indexer->setup.rows_min)
        return INDEX_SMALL;
    lock_take(&indexer->lock);
    if (!indexer->stopping && !is_refused(indexer, lease->digest))
        want(indexer, lease);
    if (indexer->waiters < indexer->setup.waiters_max)
        wait_for(indexer, lease);
    if (has_index(lease))
        state = INDEX_READY;
    else if (is_refused(indexer, lease->digest))
        state = INDEX_FAILED;
    else if (place_of(indexer, lease->model) == 0 && indexer->wanted_count)
        *fraction = indexer->fraction;
    lock_release(&indexer->lock);
    return state;
}

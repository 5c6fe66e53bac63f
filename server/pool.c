/* SPDX-License-Identifier: MIT */
/* One queue, first in first out, and threads that take from its head while fewer than a
 * fixed number of tasks are running. A task that steps aside (it waits for a batch of
 * several requests, see batcher.c) is not counted as running, so that the next task
 * starts; for these there are spare threads, made when first needed. Tasks that come back
 * are counted again at once: for a moment more may run than the number says, and none
 * starts until it has fallen.
 *
 * A task is linked in by the pointer it carries, so submitting allocates nothing and
 * cannot fail for want of memory; the queue's length is bounded instead.
 *
 * A task's owner keeps it until done() was called, exactly once, and may free it there:
 * the pool does not touch a task afterwards. Cancelling a task that runs only raises its
 * flag; the owner must know that done() has not been called yet. */
#include "server/pool.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/memory.h"
#include "server/ranks.h"

enum task_state { TASK_IDLE, TASK_QUEUED, TASK_RUNNING };

struct pool {
    struct lock lock;
    struct condition work; /* the queue is no longer empty, or the pool stops */
    struct pool_task *head, **tail;
    atomic_size_t waiting;
    size_t queue_max, threads;
    size_t started;     /* threads, at most threads + POOL_ASIDE_MAX */
    size_t idle;        /* threads that wait for work */
    size_t running;     /* tasks, without those aside */
    pthread_t *handles; /* [threads + POOL_ASIDE_MAX] */
    bool stopping;
};

static void *serve(void *argument);

static bool start_thread(struct pool *pool)
{
    bool started = pool->started < pool->threads + POOL_ASIDE_MAX &&
                   pthread_create(&pool->handles[pool->started], NULL, serve, pool) == 0;
    pool->started += started;
    return started;
}

/* Sees to it that somebody takes what may be started. Without a thread for it, it is
 * taken when one comes back. Lock held. */
static void wake_somebody(struct pool *pool)
{
    if (!pool->head || pool->running >= pool->threads)
        return;
    if (pool->idle > 0)
        condition_signal(&pool->work);
    else
        (void)start_thread(pool);
}

/* The next task, or NULL when the pool stops and nothing waits. Lock held. */
static struct pool_task *next_task(struct pool *pool)
{
    pool->idle++;
    while (pool->head ? pool->running >= pool->threads : !pool->stopping)
        condition_wait(&pool->work, &pool->lock, -1);
    pool->idle--;
    struct pool_task *task = pool->head;
    if (!task)
        return NULL;
    pool->running++;
    pool->head = task->next;
    if (!pool->head)
        pool->tail = &pool->head;
    atomic_fetch_sub(&pool->waiting, 1);
    task->state = TASK_RUNNING;
    wake_somebody(pool);
    return task;
}

static void *serve(void *argument)
{
    struct pool *pool = argument;
    struct pool_task *task;
    lock_take(&pool->lock);
    while ((task = next_task(pool))) {
        lock_release(&pool->lock);
        task->started_at = clock_monotonic();
        task->run(task);
        task->done(task);
        lock_take(&pool->lock);
        pool->running--;
        if (pool->stopping)
            condition_broadcast(&pool->work);
    }
    lock_release(&pool->lock);
    return NULL;
}

enum err pool_new(size_t threads, size_t queue_max, struct pool **out)
{
    *out = NULL;
    if (threads == 0 || queue_max == 0)
        return ERR_INVALID;
    struct pool *pool = memory_new_array(1, sizeof *pool);
    if (!pool)
        return ERR_NO_MEMORY;
    lock_init(&pool->lock, RANK_POOL);
    condition_init(&pool->work);
    pool->tail = &pool->head;
    pool->queue_max = queue_max;
    pool->threads = threads;
    pool->handles = memory_new_array(threads + POOL_ASIDE_MAX, sizeof *pool->handles);
    lock_take(&pool->lock);
    while (pool->handles && pool->started < threads && start_thread(pool))
        continue;
    size_t started = pool->started;
    lock_release(&pool->lock);
    if (started < threads) {
        pool_free(pool);
        return ERR_NO_MEMORY;
    }
    *out = pool;
    return ERR_OK;
}

enum err pool_submit(struct pool *pool, struct pool_task *task)
{
    enum err code = ERR_OK;
    task->queued_at = clock_monotonic();
    task->started_at = 0;
    task->next = NULL;
    atomic_store(&task->cancelled, false);
    lock_take(&pool->lock);
    if (pool->stopping) {
        code = ERR_UNAVAILABLE;
    } else if (atomic_load(&pool->waiting) >= pool->queue_max) {
        code = ERR_QUEUE_FULL;
    } else {
        task->state = TASK_QUEUED;
        *pool->tail = task;
        pool->tail = &task->next;
        atomic_fetch_add(&pool->waiting, 1);
        wake_somebody(pool);
    }
    lock_release(&pool->lock);
    return code;
}

/* Takes a task out of the queue's middle. Lock held. */
static void unlink_task(struct pool *pool, struct pool_task *task)
{
    struct pool_task **link = &pool->head;
    while (*link && *link != task)
        link = &(*link)->next;
    if (!*link)
        return;
    *link = task->next;
    if (pool->tail == &task->next)
        pool->tail = link;
    atomic_fetch_sub(&pool->waiting, 1);
}

void pool_cancel(struct pool *pool, struct pool_task *task)
{
    lock_take(&pool->lock);
    bool queued = task->state == TASK_QUEUED;
    atomic_store(&task->cancelled, true);
    if (queued) {
        unlink_task(pool, task);
        task->state = TASK_IDLE;
    }
    lock_release(&pool->lock);
    if (queued)
        task->done(task);
}

size_t pool_waiting(const struct pool *pool)
{
    return atomic_load(&pool->waiting);
}

size_t pool_threads(const struct pool *pool)
{
    return pool->threads;
}

void pool_step_aside(struct pool *pool)
{
    lock_take(&pool->lock);
    pool->running--;
    wake_somebody(pool);
    lock_release(&pool->lock);
}

void pool_step_back(struct pool *pool)
{
    lock_take(&pool->lock);
    pool->running++;
    lock_release(&pool->lock);
}

/* The handle of a thread, while there is one more; a thread may start others until it
 * ends, and these stand behind it. */
static bool next_handle(struct pool *pool, size_t i, pthread_t *handle)
{
    lock_take(&pool->lock);
    bool more = i < pool->started;
    if (more)
        *handle = pool->handles[i];
    lock_release(&pool->lock);
    return more;
}

void pool_free(struct pool *pool)
{
    pthread_t handle;
    if (!pool)
        return;
    lock_take(&pool->lock);
    pool->stopping = true;
    condition_broadcast(&pool->work);
    lock_release(&pool->lock);
    for (size_t i = 0; next_handle(pool, i, &handle); i++)
        pthread_join(handle, NULL);
    free(pool->handles);
    condition_fini(&pool->work);
    lock_fini(&pool->lock);
    free(pool);
}

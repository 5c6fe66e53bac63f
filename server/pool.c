/* SPDX-License-Identifier: MIT */
/* One queue, first in first out, and a fixed number of threads that take from its head.
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
    pthread_t *handles; /* [threads] that were started */
    bool stopping;
};

/* The next task, or NULL when the pool stops and nothing waits. Lock held. */
static struct pool_task *next_task(struct pool *pool)
{
    while (!pool->head && !pool->stopping)
        condition_wait(&pool->work, &pool->lock, -1);
    struct pool_task *task = pool->head;
    if (!task)
        return NULL;
    pool->head = task->next;
    if (!pool->head)
        pool->tail = &pool->head;
    atomic_fetch_sub(&pool->waiting, 1);
    task->state = TASK_RUNNING;
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
    pool->handles = memory_new_array(threads, sizeof *pool->handles);
    while (pool->handles && pool->threads < threads &&
           pthread_create(&pool->handles[pool->threads], NULL, serve, pool) == 0)
        pool->threads++;
    if (pool->threads < threads) {
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
        condition_signal(&pool->work);
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

void pool_free(struct pool *pool)
{
    if (!pool)
        return;
    lock_take(&pool->lock);
    pool->stopping = true;
    condition_broadcast(&pool->work);
    lock_release(&pool->lock);
    for (size_t i = 0; i < pool->threads; i++)
        pthread_join(pool->handles[i], NULL);
    free(pool->handles);
    condition_fini(&pool->work);
    lock_fini(&pool->lock);
    free(pool);
}

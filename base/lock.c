/* SPDX-License-Identifier: MIT */
/* Mutexes with an owner and a rank, and condition variables on the monotonic clock, so
 * that a changed wall clock neither hurries nor delays a waiter. */
#include "base/lock.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

#ifdef FIRTH_DEBUG_LOCKS
enum { LOCK_DEPTH_MAX = 16 };
static _Thread_local int held_ranks[LOCK_DEPTH_MAX];
static _Thread_local int held_count;

static void note_taken(int rank)
{
    if (held_count >= LOCK_DEPTH_MAX ||
        (held_count > 0 && held_ranks[held_count - 1] >= rank))
        abort();
    held_ranks[held_count++] = rank;
}

static void note_released(int rank)
{
    for (int i = held_count; i-- > 0;)
        if (held_ranks[i] == rank) {
            for (; i + 1 < held_count; i++)
                held_ranks[i] = held_ranks[i + 1];
            held_count--;
            return;
        }
    abort();
}
#else
static void note_taken(int rank)
{
    (void)rank;
}

static void note_released(int rank)
{
    (void)rank;
}
#endif

void lock_init(struct lock *lock, int rank)
{
    *lock = (struct lock){.rank = rank};
    pthread_mutex_init(&lock->mutex, NULL);
}

void lock_fini(struct lock *lock)
{
    pthread_mutex_destroy(&lock->mutex);
}

static void own(struct lock *lock)
{
    lock->owner = pthread_self();
    lock->held = true;
    note_taken(lock->rank);
}

static void disown(struct lock *lock)
{
    note_released(lock->rank);
    lock->held = false;
}

void lock_take(struct lock *lock)
{
    pthread_mutex_lock(&lock->mutex);
    own(lock);
}

void lock_release(struct lock *lock)
{
    disown(lock);
    pthread_mutex_unlock(&lock->mutex);
}

bool lock_is_mine(const struct lock *lock)
{
    return lock->held && pthread_equal(lock->owner, pthread_self());
}

void condition_init(struct condition *condition)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&condition->cond, &attributes);
    pthread_condattr_destroy(&attributes);
}

void condition_fini(struct condition *condition)
{
    pthread_cond_destroy(&condition->cond);
}

void condition_signal(struct condition *condition)
{
    pthread_cond_signal(&condition->cond);
}

void condition_broadcast(struct condition *condition)
{
    pthread_cond_broadcast(&condition->cond);
}

static struct timespec deadline_after(double seconds)
{
    struct timespec when;
    clock_gettime(CLOCK_MONOTONIC, &when);
    double whole = floor(seconds);
    when.tv_sec += (time_t)whole;
    when.tv_nsec += (long)((seconds - whole) * 1e9);
    if (when.tv_nsec >= 1000000000L) {
        when.tv_nsec -= 1000000000L;
        when.tv_sec++;
    }
    return when;
}

bool condition_wait(struct condition *condition, struct lock *lock, double seconds)
{
    int result;
    disown(lock);
    if (seconds < 0) {
        result = pthread_cond_wait(&condition->cond, &lock->mutex);
    } else {
        struct timespec when = deadline_after(seconds);
        result = pthread_cond_timedwait(&condition->cond, &lock->mutex, &when);
    }
    own(lock);
    return result != ETIMEDOUT;
}

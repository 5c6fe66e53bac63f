/* SPDX-License-Identifier: MIT */
/* A mutex that knows its owner and its rank. Locks are taken in rising rank; a build with
 * -DFIRTH_DEBUG_LOCKS aborts on a wrong order or a release by another thread. */
#ifndef FIRTH_BASE_LOCK_H
#define FIRTH_BASE_LOCK_H

#include <pthread.h>
#include <stdbool.h>

struct lock {
    pthread_mutex_t mutex;
    pthread_t owner;
    bool held;
    int rank; /* higher ranks are taken later; see server/README.md for the order */
};

/* A condition variable on the monotonic clock. */
struct condition {
    pthread_cond_t cond;
};

void lock_init(struct lock *lock, int rank);
void lock_fini(struct lock *lock);
void lock_take(struct lock *lock);
void lock_release(struct lock *lock);

/* True when the calling thread holds it: for assertions only. */
bool lock_is_mine(const struct lock *lock);

void condition_init(struct condition *condition);
void condition_fini(struct condition *condition);
void condition_signal(struct condition *condition);
void condition_broadcast(struct condition *condition);

/* Waits with the lock held; a negative timeout waits for ever. False on time-out. */
bool condition_wait(struct condition *condition, struct lock *lock, double seconds);

#endif

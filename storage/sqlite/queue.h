/* SPDX-License-Identifier: MIT */
/* The writer: one thread that owns the only connection that writes, and the bounded queue
 * of what it is to write. Writes that wait together are committed together. */
#ifndef FIRTH_STORAGE_SQLITE_QUEUE_H
#define FIRTH_STORAGE_SQLITE_QUEUE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/lock.h"
#include "storage/sqlite/connection.h"

enum {
    QUEUE_MAX = 256,            /* writes waiting */
    QUEUE_GROUP_MAX = 64,       /* writes in one transaction */
    QUEUE_GROUP_BYTES = 8 << 20 /* and bytes of chunks in it */
};

/* What to do inside a transaction. It may be called again after a rollback, so it sets
 * its results anew each time and keeps nothing of the time before. An error undoes what
 * it did and nothing else. */
typedef enum err queue_work(struct connection *connection, void *argument,
                            struct err_info *info);

/* A write; lives with whoever waits for it. Zero it, set the first five. */
struct queue_write {
    queue_work *work;
    void *argument;
    size_t bytes; /* of chunks it carries */
    bool lazy; /* need not outlive a power cut: becomes durable with the next that must */
    double patience; /* seconds to wait for room in the queue */

    enum err result;
    struct err_info info;
    bool settled;
    struct queue_write *next;
};

struct queue {
    struct connection connection; /* the writer thread's, between start and stop */
    struct lock lock;
    struct condition work_came, room_came, settled;
    struct queue_write *first, *last;
    size_t waiting;
    bool stopping, started;
    bool synchronous; /* how the connection stands: FULL, or NORMAL for lazy groups */
    pthread_t thread;
    atomic_bool failed;
    atomic_uint_fast64_t commits, writes;
    int wal_pages; /* in the log at the last commit; 0 when emptied */
    int page_size;
    bool truncated; /* the log is known to be empty */
    /* Called on the writer thread when there is nothing to write, or after many groups:
     * does a small piece of background work; true when more is to be done at once. */
    bool (*tend)(void *context, struct queue *queue);
    void *tend_context;
};

/* Takes over the connection in queue->connection and starts the thread. */
MUST_CHECK enum err queue_start(struct queue *queue);
/* Finishes what waits, ends the thread, empties the log and closes the connection. */
void queue_stop(struct queue *queue);

/* Hands a write over; ERR_UNAVAILABLE when there is no room or the store has failed. */
MUST_CHECK enum err queue_submit(struct queue *queue, struct queue_write *write);
/* Waits for one that was handed over. */
enum err queue_wait(struct queue *queue, struct queue_write *write,
                    struct err_info *info);
/* Both: returns when the work is on disk, or failed. */
MUST_CHECK enum err queue_call(struct queue *queue, queue_work *work, void *argument,
                               struct err_info *info);

/* For `tend`: the same, on the writer thread itself, lazily. */
MUST_CHECK enum err queue_tend_call(struct queue *queue, queue_work *work,
                                    void *argument);
size_t queue_length(struct queue *queue);

#endif

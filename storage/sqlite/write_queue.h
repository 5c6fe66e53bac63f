/* SPDX-License-Identifier: MIT */
/* The writer: one thread that owns the only connection that writes, and the bounded queue
 * of what it is to write. Writes that wait together are committed together. */
#ifndef FIRTH_STORAGE_SQLITE_WRITE_QUEUE_H
#define FIRTH_STORAGE_SQLITE_WRITE_QUEUE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/lock.h"
#include "storage/sqlite/database.h"

enum {
    WRITE_QUEUE_MAX = 256,            /* writes waiting */
    WRITE_QUEUE_GROUP_MAX = 64,       /* writes in one transaction */
    WRITE_QUEUE_GROUP_BYTES = 8 << 20 /* and bytes of chunks in it */
};

/* What to do inside a transaction. It may be called again after a rollback, so it sets
 * its results anew each time and keeps nothing of the time before. An error undoes what
 * it did and nothing else. */
typedef enum err write_work(struct database *connection, void *argument,
                            struct err_info *info);

/* A write; lives with whoever waits for it. Zero it, set the first five. */
struct write_request {
    write_work *work;
    void *argument;
    size_t bytes; /* of chunks it carries */
    bool lazy; /* need not outlive a power cut: becomes durable with the next that must */
    double patience; /* seconds to wait for room in the queue */

    enum err result;
    struct err_info info;
    bool settled;
    struct write_request *next;
};

struct write_queue {
    struct database connection; /* the writer thread's, between start and stop */
    struct lock lock;
    struct condition work_came, room_came, settled;
    struct write_request *first, *last;
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
    bool (*tend)(void *context, struct write_queue *queue);
    void *tend_context;
};

/* Takes over the connection in queue->connection and starts the thread. */
MUST_CHECK enum err write_queue_start(struct write_queue *queue);
/* Instead: the queue will take nothing. There is no connection. */
void write_queue_refuse(struct write_queue *queue);
/* Finishes what waits, ends the thread, empties the log and closes the connection. */
void write_queue_stop(struct write_queue *queue);

/* Hands a write over; ERR_UNAVAILABLE when there is no room or the store has failed. */
MUST_CHECK enum err write_queue_submit(struct write_queue *queue,
                                       struct write_request *write);
/* Waits for one that was handed over. */
enum err write_queue_wait(struct write_queue *queue, struct write_request *write,
                          struct err_info *info);
/* Both: returns when the work is on disk, or failed. */
MUST_CHECK enum err write_queue_call(struct write_queue *queue, write_work *work,
                                     void *argument, struct err_info *info);

/* For `tend`: the same, on the writer thread itself, lazily. */
MUST_CHECK enum err write_queue_tend_call(struct write_queue *queue, write_work *work,
                                          void *argument);
size_t write_queue_length(struct write_queue *queue);

#endif

/* SPDX-License-Identifier: MIT */
/* Removing what nothing names any more: objects chunk by chunk, curves and events of
 * deleted jobs row by row, in small transactions between the writes of others. */
#ifndef FIRTH_STORAGE_SQLITE_OBJECT_DROPS_H
#define FIRTH_STORAGE_SQLITE_OBJECT_DROPS_H

#include <stddef.h>
#include <stdint.h>

#include "base/lock.h"
#include "storage/sqlite/database.h"
#include "storage/sqlite/statement.h"

/* An upload that was given up, waiting for its staging object to be unlinked. */
struct object_drops_abandoned {
    int64_t object;
    struct object_drops_abandoned *next;
};

/* How many readers have an object open. */
struct object_drops_hold {
    int64_t object;
    size_t count;
};

struct object_drops {
    struct lock lock;
    struct object_drops_hold *holds; /* [hold_count], no order */
    size_t hold_count, hold_capacity;
    struct object_drops_abandoned *abandoned;
    bool idle;          /* nothing was found to remove, and nothing came since */
    double retry_after; /* monotonic time before which nothing is tried */
};

struct write_queue;
void object_drops_init(struct object_drops *drops);
void object_drops_fini(struct object_drops *drops);

/* Keeps an object's chunks from being removed. */
MUST_CHECK enum err object_drops_hold(struct object_drops *drops, int64_t object);
void object_drops_let_go(struct object_drops *drops, int64_t object);

/* Takes over a block from malloc. */
void object_drops_abandon_take(struct object_drops *drops,
                               struct object_drops_abandoned *abandoned);

/* Inside a write: no row names the object any more. Adds its bytes to *freed. */
MUST_CHECK enum err object_drops_unlink(struct database *connection, int64_t object,
                                        uint64_t *freed);
/* The same for every object in the rows of a statement, which it runs and ends. */
MUST_CHECK enum err object_drops_unlink_all(struct database *connection,
                                            struct statement *objects, uint64_t *freed);
/* After a write that unlinked something was committed: there is work. */
void object_drops_wake(struct object_drops *drops);

/* At opening: what was staging is unlinked. */
MUST_CHECK enum err object_drops_sweep(struct database *connection);

/* The background work (see write_queue.h); context is the struct object_drops. */
bool object_drops_tend(void *context, struct write_queue *queue);

#endif

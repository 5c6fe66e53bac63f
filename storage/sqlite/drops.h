/* SPDX-License-Identifier: MIT */
/* Removing what nothing names any more: objects chunk by chunk, curves and events of
 * deleted jobs row by row, in small transactions between the writes of others. */
#ifndef FIRTH_STORAGE_SQLITE_DROPS_H
#define FIRTH_STORAGE_SQLITE_DROPS_H

#include <stddef.h>
#include <stdint.h>

#include "base/lock.h"
#include "storage/sqlite/connection.h"

/* An upload that was given up, waiting for its staging object to be unlinked. */
struct drops_abandoned {
    int64_t object;
    struct drops_abandoned *next;
};

/* How many readers have an object open. */
struct drops_hold {
    int64_t object;
    size_t count;
};

struct drops {
    struct lock lock;
    struct drops_hold *holds; /* [hold_count], no order */
    size_t hold_count, hold_capacity;
    struct drops_abandoned *abandoned;
    bool idle;          /* nothing was found to remove, and nothing came since */
    double retry_after; /* monotonic time before which nothing is tried */
};

struct queue;
void drops_init(struct drops *drops);
void drops_fini(struct drops *drops);

/* Keeps an object's chunks from being removed. */
MUST_CHECK enum err drops_hold(struct drops *drops, int64_t object);
void drops_let_go(struct drops *drops, int64_t object);

/* Takes over a block from malloc. */
void drops_abandon_take(struct drops *drops, struct drops_abandoned *abandoned);

/* Inside a write: no row names the object any more. Adds its bytes to *freed. */
MUST_CHECK enum err drops_unlink(struct connection *connection, int64_t object,
                                 uint64_t *freed);
/* After a write that unlinked something was committed: there is work. */
void drops_wake(struct drops *drops);

/* At opening: what was staging is unlinked. */
MUST_CHECK enum err drops_sweep(struct connection *connection);

/* The background work (see queue.h); context is the struct drops. */
bool drops_tend(void *context, struct queue *queue);

#endif

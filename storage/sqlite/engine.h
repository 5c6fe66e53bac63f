/* SPDX-License-Identifier: MIT */
/* The SQLite engine as a whole: what stands behind a struct store. */
#ifndef FIRTH_STORAGE_SQLITE_ENGINE_H
#define FIRTH_STORAGE_SQLITE_ENGINE_H

#include <stdatomic.h>

#include "storage/sqlite/drops.h"
#include "storage/sqlite/queue.h"
#include "storage/sqlite/readers.h"
#include "storage/store_ops.h"

enum { CHUNK_BYTES = 1 << 20 };

struct engine {
    struct store store; /* first, so that one can be cast to the other */
    char *path;
    int lock_fd;
    uint64_t corpus_bytes, total_bytes; /* quotas, 0 for none */
    atomic_uint_fast64_t used_bytes;    /* of objects ready or staging */
    atomic_int_fast64_t next_object;    /* ids are never given out twice */
    struct queue queue;
    struct readers readers;
    struct drops drops;
};

static inline struct engine *engine_of(struct store *store)
{
    return (struct engine *)(void *)store;
}

/* Runs `work` as a write / as a read and waits for it. */
MUST_CHECK enum err engine_write(struct store *store, queue_work *work, void *argument,
                                 struct err_info *info);
MUST_CHECK enum err engine_read(struct store *store,
                                enum err (*work)(struct connection *connection,
                                                 void *argument),
                                void *argument);

#endif

/* SPDX-License-Identifier: MIT */
/* The SQLite engine as a whole: what stands behind a struct store. */
#ifndef FIRTH_STORAGE_SQLITE_SQLITE_ENGINE_H
#define FIRTH_STORAGE_SQLITE_SQLITE_ENGINE_H

#include <stdatomic.h>

#include "storage/sqlite/object_drops.h"
#include "storage/sqlite/write_queue.h"
#include "storage/sqlite/reader_pool.h"
#include "storage/store_ops.h"

enum { CHUNK_BYTES = 1 << 20 };

struct sqlite_engine {
    struct store store; /* first, so that one can be cast to the other */
    char *path;
    int lock_fd;                        /* -1 when opened to read only */
    uint64_t corpus_bytes, total_bytes; /* quotas, 0 for none */
    atomic_uint_fast64_t used_bytes;    /* of objects ready or staging */
    atomic_int_fast64_t next_object;    /* ids are never given out twice */
    struct write_queue queue;
    struct reader_pool readers;
    struct object_drops drops;
};

static inline struct sqlite_engine *sqlite_engine_of(struct store *store)
{
    return (struct sqlite_engine *)(void *)store;
}

/* After a write that let go of objects was committed: their bytes count no more, and
 * there is work for the drops. */
void sqlite_engine_freed(struct sqlite_engine *engine, uint64_t bytes);

/* Runs `work` as a write / as a read and waits for it. */
MUST_CHECK enum err sqlite_engine_write(struct store *store, write_work *work,
                                        void *argument, struct err_info *info);
MUST_CHECK enum err sqlite_engine_read(struct store *store,
                                       enum err (*work)(struct database *connection,
                                                        void *argument),
                                       void *argument);

#endif

/* SPDX-License-Identifier: MIT */
/* A bounded pool of connections that only read, opened when first needed. */
#ifndef FIRTH_STORAGE_SQLITE_READER_POOL_H
#define FIRTH_STORAGE_SQLITE_READER_POOL_H

#include "base/lock.h"
#include "storage/sqlite/database.h"

enum { READER_POOL_MAX = 8 };

struct reader_pool {
    const char *path; /* borrowed */
    struct lock lock;
    struct condition given_back;
    struct database connections[READER_POOL_MAX];
    bool open[READER_POOL_MAX], taken[READER_POOL_MAX];
};

void reader_pool_init(struct reader_pool *readers, const char *path);
/* All must have been given back. */
void reader_pool_fini(struct reader_pool *readers);

/* A connection inside a read transaction: everything read from it is of one moment.
 * Waits for a free one; ERR_UNAVAILABLE after 5 s. */
MUST_CHECK enum err reader_pool_take(struct reader_pool *readers, struct database **out);
void reader_pool_give(struct reader_pool *readers, struct database *connection);

#endif

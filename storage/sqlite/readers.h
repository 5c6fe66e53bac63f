/* SPDX-License-Identifier: MIT */
/* A bounded pool of connections that only read, opened when first needed. */
#ifndef FIRTH_STORAGE_SQLITE_READERS_H
#define FIRTH_STORAGE_SQLITE_READERS_H

#include "base/lock.h"
#include "storage/sqlite/connection.h"

enum { READERS_MAX = 8 };

struct readers {
    const char *path; /* borrowed */
    struct lock lock;
    struct condition given_back;
    struct connection connections[READERS_MAX];
    bool open[READERS_MAX], taken[READERS_MAX];
};

void readers_init(struct readers *readers, const char *path);
/* All must have been given back. */
void readers_fini(struct readers *readers);

/* A connection inside a read transaction: everything read from it is of one moment.
 * Waits for a free one; ERR_UNAVAILABLE after 5 s. */
MUST_CHECK enum err readers_take(struct readers *readers, struct connection **out);
void readers_give(struct readers *readers, struct connection *connection);

#endif

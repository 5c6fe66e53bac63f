/* SPDX-License-Identifier: MIT */
/* Readers see the store as of the moment they were taken and never block the writer. They
 * are given back quickly, since a reader's moment keeps the write-ahead log from being
 * emptied: whoever streams an object takes one anew for each chunk. */
#include "storage/sqlite/reader_pool.h"

#include <string.h>

#include "base/clock.h"

enum { LOCK_RANK_READERS = 120 };
static const double patience_seconds = 5;

void reader_pool_init(struct reader_pool *readers, const char *path)
{
    memset(readers, 0, sizeof *readers);
    readers->path = path;
    lock_init(&readers->lock, LOCK_RANK_READERS);
    condition_init(&readers->given_back);
}

void reader_pool_fini(struct reader_pool *readers)
{
    for (size_t i = 0; i < READER_POOL_MAX; i++)
        if (readers->open[i])
            database_close(&readers->connections[i]);
    condition_fini(&readers->given_back);
    lock_fini(&readers->lock);
}

/* A free place, an open one if there is any; -1 when all are taken. */
static int free_place(const struct reader_pool *readers)
{
    int closed = -1;
    for (int i = 0; i < READER_POOL_MAX; i++) {
        if (!readers->taken[i] && readers->open[i])
            return i;
        if (!readers->taken[i] && closed < 0)
            closed = i;
    }
    return closed;
}

static int take_place(struct reader_pool *readers)
{
    double deadline = clock_monotonic() + patience_seconds, left;
    int place;
    lock_take(&readers->lock);
    while ((place = free_place(readers)) < 0 && (left = deadline - clock_monotonic()) > 0)
        condition_wait(&readers->given_back, &readers->lock, left);
    if (place >= 0)
        readers->taken[place] = true;
    lock_release(&readers->lock);
    return place;
}

static void give_place(struct reader_pool *readers, size_t place)
{
    lock_take(&readers->lock);
    readers->taken[place] = false;
    condition_signal(&readers->given_back);
    lock_release(&readers->lock);
}

enum err reader_pool_take(struct reader_pool *readers, struct database **out)
{
    *out = NULL;
    int place = take_place(readers);
    if (place < 0)
        return ERR_UNAVAILABLE;
    struct database *connection = &readers->connections[place];
    enum err code = ERR_OK;
    if (!readers->open[place]) {
        code = database_open(connection, readers->path, ROLE_READER, NULL);
        readers->open[place] = !code;
    }
    if (!code) {
        database_forgive(connection);
        code = database_run(connection, "BEGIN");
    }
    if (code)
        give_place(readers, (size_t)place);
    else
        *out = connection;
    return code;
}

void reader_pool_give(struct reader_pool *readers, struct database *connection)
{
    size_t place = (size_t)(connection - readers->connections);
    if (!sqlite3_get_autocommit(connection->handle)) {
        enum err ignored = database_run(connection, "ROLLBACK");
        (void)ignored;
    }
    give_place(readers, place);
}

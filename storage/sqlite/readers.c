/* SPDX-License-Identifier: MIT */
/* Readers see the store as of the moment they were taken and never block the writer. They
 * are given back quickly, since a reader's moment keeps the write-ahead log from being
 * emptied: whoever streams an object takes one anew for each chunk. */
#include "storage/sqlite/readers.h"

#include <string.h>

#include "base/clock.h"

enum { LOCK_RANK_READERS = 120 };
static const double patience_seconds = 5;

void readers_init(struct readers *readers, const char *path)
{
    memset(readers, 0, sizeof *readers);
    readers->path = path;
    lock_init(&readers->lock, LOCK_RANK_READERS);
    condition_init(&readers->given_back);
}

void readers_fini(struct readers *readers)
{
    for (size_t i = 0; i < READERS_MAX; i++)
        if (readers->open[i])
            connection_close(&readers->connections[i]);
    condition_fini(&readers->given_back);
    lock_fini(&readers->lock);
}

/* A free place, an open one if there is any; -1 when all are taken. */
static int free_place(const struct readers *readers)
{
    int closed = -1;
    for (int i = 0; i < READERS_MAX; i++) {
        if (!readers->taken[i] && readers->open[i])
            return i;
        if (!readers->taken[i] && closed < 0)
            closed = i;
    }
    return closed;
}

static int take_place(struct readers *readers)
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

static void give_place(struct readers *readers, size_t place)
{
    lock_take(&readers->lock);
    readers->taken[place] = false;
    condition_signal(&readers->given_back);
    lock_release(&readers->lock);
}

enum err readers_take(struct readers *readers, struct connection **out)
{
    *out = NULL;
    int place = take_place(readers);
    if (place < 0)
        return ERR_UNAVAILABLE;
    struct connection *connection = &readers->connections[place];
    enum err code = ERR_OK;
    if (!readers->open[place]) {
        code = connection_open(connection, readers->path, ROLE_READER, NULL);
        readers->open[place] = !code;
    }
    if (!code) {
        connection_forgive(connection);
        code = connection_run(connection, "BEGIN");
    }
    if (code)
        give_place(readers, (size_t)place);
    else
        *out = connection;
    return code;
}

void readers_give(struct readers *readers, struct connection *connection)
{
    size_t place = (size_t)(connection - readers->connections);
    if (!sqlite3_get_autocommit(connection->handle)) {
        enum err ignored = connection_run(connection, "ROLLBACK");
        (void)ignored;
    }
    give_place(readers, place);
}

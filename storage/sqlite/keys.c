/* SPDX-License-Identifier: MIT */
/* The secret itself is never here: a key is found by its public id and its secret
 * compared by hash, by the caller and in constant time. */
#include "storage/sqlite/keys.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "storage/sqlite/query.h"

static enum err insert_work(struct connection *connection, void *argument,
                            struct err_info *info)
{
    const struct key_row *row = argument;
    (void)info;
    struct query query =
        query_start(connection, "INSERT INTO key (id, label, scopes, created_ms, sha256)"
                                " VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING");
    query_put_text(&query, row->id);
    query_put_text(&query, row->label);
    query_put_integer(&query, row->scopes);
    query_put_integer(&query, row->created_ms);
    query_put_bytes(&query, row->sha256, sizeof row->sha256);
    enum err code = query_run(&query);
    if (code)
        return code;
    return sqlite3_changes(connection->handle) == 1 ? ERR_OK : ERR_EXISTS;
}

enum err keys_insert(struct store *store, struct key_row *row)
{
    row->created_ms = clock_wall_ms();
    return engine_write(store, insert_work, row, NULL);
}

#define COLUMNS "id, label, scopes, created_ms, sha256 FROM key "

static void read_row(struct query *query, struct key_row *row)
{
    size_t size;
    *row = (struct key_row){.scopes = (unsigned)query_integer(query, 2),
                            .created_ms = query_integer(query, 3)};
    query_copy(query, 0, row->id, sizeof row->id);
    query_copy(query, 1, row->label, sizeof row->label);
    const void *sha256 = query_bytes(query, 4, &size);
    if (sha256 && size == sizeof row->sha256)
        memcpy(row->sha256, sha256, size);
    else if (!query->failed)
        query->failed = ERR_INTEGRITY;
}

struct get {
    const char *id;
    struct key_row *row;
};

static enum err get_work(struct connection *connection, void *argument)
{
    struct get *get = argument;
    struct query query = query_start(connection, "SELECT " COLUMNS "WHERE id = ?");
    query_put_text(&query, get->id);
    bool found = query_next(&query);
    if (found)
        read_row(&query, get->row);
    enum err code = query_end(&query);
    return code ? code : found ? ERR_OK : ERR_NOT_FOUND;
}

enum err keys_get(struct store *store, const char *id, struct key_row *row)
{
    struct get get = {id, row};
    return engine_read(store, get_work, &get);
}

struct list {
    struct key_row *rows;
    size_t count, capacity;
};

static enum err list_work(struct connection *connection, void *argument)
{
    struct list *list = argument;
    enum err code = ERR_OK;
    struct query query =
        query_start(connection, "SELECT " COLUMNS "ORDER BY serial DESC");
    while (!code && query_next(&query)) {
        code = memory_grow(&list->rows, &list->capacity, list->count + 1,
                           sizeof *list->rows);
        if (!code)
            read_row(&query, &list->rows[list->count++]);
    }
    enum err ended = query_end(&query);
    return code ? code : ended;
}

enum err keys_list(struct store *store, struct key_row **rows, size_t *count)
{
    struct list list = {0};
    enum err code = engine_read(store, list_work, &list);
    if (code) {
        free(list.rows);
        return code;
    }
    *rows = list.rows;
    *count = list.count;
    return ERR_OK;
}

static enum err delete_work(struct connection *connection, void *argument,
                            struct err_info *info)
{
    (void)info;
    struct query query = query_start(connection, "DELETE FROM key WHERE id = ?");
    query_put_text(&query, argument);
    enum err code = query_run(&query);
    if (code)
        return code;
    return sqlite3_changes(connection->handle) == 1 ? ERR_OK : ERR_NOT_FOUND;
}

enum err keys_delete(struct store *store, const char *id)
{
    return engine_write(store, delete_work, (void *)(uintptr_t)id, NULL);
}

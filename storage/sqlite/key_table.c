/* SPDX-License-Identifier: MIT */
/* The secret itself is never here: a key is found by its public id and its secret
 * compared by hash, by the caller and in constant time. */
#include "storage/sqlite/key_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "storage/sqlite/statement.h"

static enum err insert_work(struct database *connection, void *argument,
                            struct err_info *info)
{
    const struct key_row *row = argument;
    (void)info;
    struct statement query = statement_start(
        connection, "INSERT INTO key (id, label, scopes, created_ms, sha256)"
                    " VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING");
    statement_put_text(&query, row->id);
    statement_put_text(&query, row->label);
    statement_put_integer(&query, row->scopes);
    statement_put_integer(&query, row->created_ms);
    statement_put_bytes(&query, row->sha256, sizeof row->sha256);
    enum err code = statement_run(&query);
    if (code)
        return code;
    return sqlite3_changes(connection->handle) == 1 ? ERR_OK : ERR_EXISTS;
}

enum err key_table_insert(struct store *store, struct key_row *row)
{
    row->created_ms = clock_wall_ms();
    return sqlite_engine_write(store, insert_work, row, NULL);
}

#define COLUMNS "id, label, scopes, created_ms, sha256 FROM key "

static void read_row(struct statement *query, struct key_row *row)
{
    size_t size;
    *row = (struct key_row){.scopes = (unsigned)statement_integer(query, 2),
                            .created_ms = statement_integer(query, 3)};
    statement_copy(query, 0, row->id, sizeof row->id);
    statement_copy(query, 1, row->label, sizeof row->label);
    const void *sha256 = statement_bytes(query, 4, &size);
    if (sha256 && size == sizeof row->sha256)
        memcpy(row->sha256, sha256, size);
    else if (!query->failed)
        query->failed = ERR_INTEGRITY;
}

struct get {
    const char *id;
    struct key_row *row;
};

static enum err get_work(struct database *connection, void *argument)
{
    struct get *get = argument;
    struct statement query =
        statement_start(connection, "SELECT " COLUMNS "WHERE id = ?");
    statement_put_text(&query, get->id);
    bool found = statement_next(&query);
    if (found)
        read_row(&query, get->row);
    enum err code = statement_end(&query);
    return code ? code : found ? ERR_OK : ERR_NOT_FOUND;
}

enum err key_table_get(struct store *store, const char *id, struct key_row *row)
{
    struct get get = {id, row};
    return sqlite_engine_read(store, get_work, &get);
}

struct list {
    struct key_row *rows;
    size_t count, capacity;
};

static enum err list_work(struct database *connection, void *argument)
{
    struct list *list = argument;
    enum err code = ERR_OK;
    struct statement query =
        statement_start(connection, "SELECT " COLUMNS "ORDER BY serial DESC");
    while (!code && statement_next(&query)) {
        code = memory_grow(&list->rows, &list->capacity, list->count + 1,
                           sizeof *list->rows);
        if (!code)
            read_row(&query, &list->rows[list->count++]);
    }
    enum err ended = statement_end(&query);
    return code ? code : ended;
}

enum err key_table_list(struct store *store, struct key_row **rows, size_t *count)
{
    struct list list = {0};
    enum err code = sqlite_engine_read(store, list_work, &list);
    if (code) {
        free(list.rows);
        return code;
    }
    *rows = list.rows;
    *count = list.count;
    return ERR_OK;
}

static enum err delete_work(struct database *connection, void *argument,
                            struct err_info *info)
{
    (void)info;
    struct statement query = statement_start(connection, "DELETE FROM key WHERE id = ?");
    statement_put_text(&query, argument);
    enum err code = statement_run(&query);
    if (code)
        return code;
    return sqlite3_changes(connection->handle) == 1 ? ERR_OK : ERR_NOT_FOUND;
}

enum err key_table_delete(struct store *store, const char *id)
{
    return sqlite_engine_write(store, delete_work, (void *)(uintptr_t)id, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Events are numbered within their job. The oldest make room once there are very many, so
 * a job that runs for weeks does not fill the disk; numbers go on rising. */
#include "storage/sqlite/event_table.h"

#include <stdlib.h>

#include "base/memory.h"
#include "storage/sqlite/job_rows.h"

struct append {
    const char *job;
    struct event_row *rows;
    size_t count;
};

static enum err last_id(struct database *connection, int64_t job, int64_t *id)
{
    struct statement query = statement_start(
        connection, "SELECT coalesce(max(id), 0) FROM event WHERE job = ?");
    statement_put_integer(&query, job);
    *id = statement_next(&query) ? statement_integer(&query, 0) : 0;
    return statement_end(&query);
}

static enum err insert_row(struct database *connection, int64_t job,
                           const struct event_row *row)
{
    struct statement query = statement_start(
        connection, "INSERT INTO event (job, id, type, data) VALUES (?, ?, ?, ?)");
    statement_put_integer(&query, job);
    statement_put_integer(&query, row->id);
    statement_put_text(&query, row->type);
    statement_put_text(&query, row->data ? row->data : "");
    return statement_run(&query);
}

static enum err append_work(struct database *connection, void *argument,
                            struct err_info *info)
{
    struct append *append = argument;
    struct job_rows_key key;
    int64_t last = 0;
    (void)info;
    enum err code = job_rows_find(connection, append->job, &key);
    if (!code)
        code = last_id(connection, key.serial, &last);
    for (size_t i = 0; !code && i < append->count; i++) {
        append->rows[i].id = ++last;
        code = insert_row(connection, key.serial, &append->rows[i]);
    }
    if (code)
        return code;
    struct statement query =
        statement_start(connection, "DELETE FROM event WHERE job = ? AND id <= ?");
    statement_put_integer(&query, key.serial);
    statement_put_integer(&query, last - EVENT_TABLE_KEPT);
    return statement_run(&query);
}

enum err event_table_append(struct store *store, const char *job, struct event_row *rows,
                            size_t count)
{
    struct append append = {job, rows, count};
    return sqlite_engine_write(store, append_work, &append, NULL);
}

struct reading {
    const char *job;
    int64_t after;
    size_t most;
    struct event_row *rows;
    size_t count, capacity;
};

static enum err read_row(struct statement *query, struct reading *reading)
{
    enum err code = memory_grow(&reading->rows, &reading->capacity, reading->count + 1,
                                sizeof *reading->rows);
    if (code)
        return code;
    struct event_row *row = &reading->rows[reading->count];
    *row = (struct event_row){.id = statement_integer(query, 0)};
    statement_copy(query, 1, row->type, sizeof row->type);
    row->data = statement_text(query, 2);
    if (!row->data)
        return ERR_NO_MEMORY;
    reading->count++;
    return ERR_OK;
}

static enum err read_work(struct database *connection, void *argument)
{
    struct reading *reading = argument;
    struct job_rows_key key;
    enum err code = job_rows_find(connection, reading->job, &key);
    if (code)
        return code;
    struct statement query =
        statement_start(connection, "SELECT id, type, data FROM event"
                                    " WHERE job = ? AND id > ?"
                                    " ORDER BY id LIMIT ?");
    statement_put_integer(&query, key.serial);
    statement_put_integer(&query, reading->after);
    statement_put_integer(&query,
                          reading->most < INT64_MAX ? (int64_t)reading->most : INT64_MAX);
    while (!code && statement_next(&query))
        code = read_row(&query, reading);
    enum err ended = statement_end(&query);
    return code ? code : ended;
}

enum err event_table_read(struct store *store, const char *job, int64_t after,
                          size_t most, struct event_row **rows, size_t *count)
{
    struct reading reading = {.job = job, .after = after, .most = most};
    enum err code = sqlite_engine_read(store, read_work, &reading);
    if (code) {
        for (size_t i = 0; i < reading.count; i++)
            free(reading.rows[i].data);
        free(reading.rows);
        return code;
    }
    *rows = reading.rows;
    *count = reading.count;
    return ERR_OK;
}

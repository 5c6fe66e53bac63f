/* SPDX-License-Identifier: MIT */
/* Events are numbered within their job. The oldest make room once there are very many, so
 * a job that runs for weeks does not fill the disk; numbers go on rising. */
#include "storage/sqlite/events.h"

#include <stdlib.h>

#include "base/memory.h"
#include "storage/sqlite/job_rows.h"

struct append {
    const char *job;
    struct event_row *rows;
    size_t count;
};

static enum err last_id(struct connection *connection, int64_t job, int64_t *id)
{
    struct query query =
        query_start(connection, "SELECT coalesce(max(id), 0) FROM event WHERE job = ?");
    query_put_integer(&query, job);
    *id = query_next(&query) ? query_integer(&query, 0) : 0;
    return query_end(&query);
}

static enum err insert_row(struct connection *connection, int64_t job,
                           const struct event_row *row)
{
    struct query query = query_start(
        connection, "INSERT INTO event (job, id, type, data) VALUES (?, ?, ?, ?)");
    query_put_integer(&query, job);
    query_put_integer(&query, row->id);
    query_put_text(&query, row->type);
    query_put_text(&query, row->data ? row->data : "");
    return query_run(&query);
}

static enum err append_work(struct connection *connection, void *argument,
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
    struct query query =
        query_start(connection, "DELETE FROM event WHERE job = ? AND id <= ?");
    query_put_integer(&query, key.serial);
    query_put_integer(&query, last - EVENTS_KEPT);
    return query_run(&query);
}

enum err events_append(struct store *store, const char *job, struct event_row *rows,
                       size_t count)
{
    struct append append = {job, rows, count};
    return engine_write(store, append_work, &append, NULL);
}

struct reading {
    const char *job;
    int64_t after;
    size_t most;
    struct event_row *rows;
    size_t count, capacity;
};

static enum err read_row(struct query *query, struct reading *reading)
{
    enum err code = memory_grow(&reading->rows, &reading->capacity, reading->count + 1,
                                sizeof *reading->rows);
    if (code)
        return code;
    struct event_row *row = &reading->rows[reading->count];
    *row = (struct event_row){.id = query_integer(query, 0)};
    query_copy(query, 1, row->type, sizeof row->type);
    row->data = query_text(query, 2);
    if (!row->data)
        return ERR_NO_MEMORY;
    reading->count++;
    return ERR_OK;
}

static enum err read_work(struct connection *connection, void *argument)
{
    struct reading *reading = argument;
    struct job_rows_key key;
    enum err code = job_rows_find(connection, reading->job, &key);
    if (code)
        return code;
    struct query query = query_start(connection, "SELECT id, type, data FROM event"
                                                 " WHERE job = ? AND id > ?"
                                                 " ORDER BY id LIMIT ?");
    query_put_integer(&query, key.serial);
    query_put_integer(&query, reading->after);
    query_put_integer(&query,
                      reading->most < INT64_MAX ? (int64_t)reading->most : INT64_MAX);
    while (!code && query_next(&query))
        code = read_row(&query, reading);
    enum err ended = query_end(&query);
    return code ? code : ended;
}

enum err events_read(struct store *store, const char *job, int64_t after, size_t most,
                     struct event_row **rows, size_t *count)
{
    struct reading reading = {.job = job, .after = after, .most = most};
    enum err code = engine_read(store, read_work, &reading);
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

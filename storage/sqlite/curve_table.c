/* SPDX-License-Identifier: MIT */
/* A curve is a series of points by step; a job has several. Reading gives at most as many
 * points as asked for. They are shared out between the series like water: each gets an
 * equal share, and what a short series does not need goes to the longer ones. Within a
 * series with more points than its share n, the points at round(i (N-1) / (n-1)) are
 * taken, so the first and the last are always among them. */
#include "storage/sqlite/curve_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "storage/sqlite/job_rows.h"

/* ---- writing ---- */

struct append {
    const char *job;
    const struct metric_point *points;
    size_t count;
};

static enum err series_id(struct database *connection, int64_t job, const char *name,
                          int64_t *id)
{
    struct statement query = statement_start(
        connection, "INSERT OR IGNORE INTO series (job, name) VALUES (?, ?)");
    statement_put_integer(&query, job);
    statement_put_text(&query, name);
    enum err code = statement_run(&query);
    if (code)
        return code;
    query =
        statement_start(connection, "SELECT id FROM series WHERE job = ? AND name = ?");
    statement_put_integer(&query, job);
    statement_put_text(&query, name);
    *id = statement_next(&query) ? statement_integer(&query, 0) : 0;
    return statement_end(&query);
}

static enum err insert_point(struct database *connection, int64_t series,
                             const struct metric_point *point)
{
    struct statement query = statement_start(
        connection,
        "INSERT OR REPLACE INTO metric (series, step, value, at_ms) VALUES (?, ?, ?, ?)");
    statement_put_integer(&query, series);
    statement_put_unsigned(&query, point->step);
    statement_put_real(&query, point->value);
    statement_put_integer(&query, point->at_ms);
    return statement_run(&query);
}

static enum err append_work(struct database *connection, void *argument,
                            struct err_info *info)
{
    const struct append *append = argument;
    struct job_rows_key key;
    int64_t series = 0;
    (void)info;
    enum err code = job_rows_find(connection, append->job, &key);
    for (size_t i = 0; !code && i < append->count; i++) {
        const struct metric_point *point = &append->points[i];
        if (i == 0 || strcmp(point->series, append->points[i - 1].series) != 0)
            code = series_id(connection, key.serial, point->series, &series);
        if (!code)
            code = insert_point(connection, series, point);
    }
    return code;
}

enum err curve_table_append(struct store *store, const char *job,
                            const struct metric_point *points, size_t count)
{
    struct append append = {job, points, count};
    return sqlite_engine_write(store, append_work, &append, NULL);
}

/* ---- reading ---- */

struct curve {
    int64_t id;
    char name[sizeof((struct metric_point *)0)->series];
    size_t size, share;
};

struct reading {
    const char *job, *series;
    int64_t from_step;
    size_t most;
    struct curve *curves;
    size_t curve_count, curve_capacity;
    struct metric_point *points;
    size_t count;
};

static enum err find_curves(struct database *connection, int64_t job,
                            struct reading *reading)
{
    enum err code = ERR_OK;
    struct statement query = statement_start(
        connection, "SELECT id, name, (SELECT count(*) FROM metric"
                    " WHERE metric.series = series.id AND step >= ?1) FROM series"
                    " WHERE job = ?2 AND (?3 = '' OR name = ?3) ORDER BY name");
    statement_put_integer(&query, reading->from_step);
    statement_put_integer(&query, job);
    statement_put_text(&query, reading->series);
    while (!code && statement_next(&query)) {
        code = memory_grow(&reading->curves, &reading->curve_capacity,
                           reading->curve_count + 1, sizeof *reading->curves);
        if (code)
            break;
        struct curve *curve = &reading->curves[reading->curve_count++];
        *curve = (struct curve){.id = statement_integer(&query, 0),
                                .size = (size_t)statement_integer(&query, 2)};
        statement_copy(&query, 1, curve->name, sizeof curve->name);
    }
    enum err ended = statement_end(&query);
    return code ? code : ended;
}

/* Gives each curve its share; returns how many points that makes. */
static size_t share_out(struct reading *reading)
{
    size_t left = reading->most, thirsty = reading->curve_count, total = 0;
    for (size_t i = 0; i < reading->curve_count; i++)
        reading->curves[i].share = 0;
    while (left > 0 && thirsty > 0) {
        size_t each = left / thirsty ? left / thirsty : 1;
        thirsty = 0;
        for (size_t i = 0; i < reading->curve_count && left > 0; i++) {
            struct curve *curve = &reading->curves[i];
            size_t want = curve->size - curve->share, take = want < each ? want : each;
            take = take < left ? take : left;
            curve->share += take;
            left -= take;
            thirsty += curve->share < curve->size;
        }
    }
    for (size_t i = 0; i < reading->curve_count; i++)
        total += reading->curves[i].share;
    return total;
}

/* The place of the i-th of `share` points among `size`. With one to take, the last. */
static size_t place_of(size_t i, size_t share, size_t size)
{
    if (share < 2)
        return size - 1;
    __extension__ typedef unsigned __int128 wide;
    return (size_t)(((wide)i * (size - 1) + (share - 1) / 2) / (share - 1));
}

static enum err read_curve(struct database *connection, const struct curve *curve,
                           struct reading *reading)
{
    size_t taken = 0;
    struct statement query =
        statement_start(connection, "SELECT step, value, at_ms FROM metric"
                                    " WHERE series = ? AND step >= ? ORDER BY step");
    statement_put_integer(&query, curve->id);
    statement_put_integer(&query, reading->from_step);
    for (size_t place = 0; taken < curve->share && statement_next(&query); place++) {
        if (place != place_of(taken, curve->share, curve->size))
            continue;
        struct metric_point *point = &reading->points[reading->count++];
        memcpy(point->series, curve->name, sizeof point->series);
        point->step = statement_unsigned(&query, 0);
        point->value = statement_real(&query, 1);
        point->at_ms = statement_integer(&query, 2);
        taken++;
    }
    return statement_end(&query);
}

static enum err read_work(struct database *connection, void *argument)
{
    struct reading *reading = argument;
    struct job_rows_key key;
    enum err code = job_rows_find(connection, reading->job, &key);
    if (!code)
        code = find_curves(connection, key.serial, reading);
    if (code)
        return code;
    reading->points = memory_new_array(share_out(reading), sizeof *reading->points);
    if (!reading->points)
        return ERR_NO_MEMORY;
    for (size_t i = 0; !code && i < reading->curve_count; i++)
        if (reading->curves[i].share > 0)
            code = read_curve(connection, &reading->curves[i], reading);
    return code;
}

enum err curve_table_read(struct store *store, const char *job, const char *series,
                          uint64_t since_step, size_t most, struct metric_point **points,
                          size_t *count)
{
    /* Steps are below 2^63; UINT64_MAX + 1 is 0, all of them. */
    uint64_t from = since_step + 1;
    struct reading reading = {.job = job,
                              .series = series,
                              .from_step = from > INT64_MAX ? INT64_MAX : (int64_t)from,
                              .most = most};
    enum err code = sqlite_engine_read(store, read_work, &reading);
    free(reading.curves);
    if (code) {
        free(reading.points);
        return code;
    }
    *points = reading.points;
    *count = reading.count;
    return ERR_OK;
}

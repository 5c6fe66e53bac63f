/* SPDX-License-Identifier: MIT */
/* Everything that decides whether a job may enter the queue is looked at in the same
 * transaction that inserts it, so two clients cannot both get the last place or the same
 * model name, and a repeated request with its Idempotency-Key finds the job it made. */
#include "storage/sqlite/job_table.h"

#include <string.h>

#include "base/clock.h"
#include "storage/sqlite/corpus_table.h"
#include "storage/sqlite/job_object_table.h"
#include "storage/sqlite/job_rows.h"
#include "storage/sqlite/model_table.h"
#include "storage/sqlite/object_upload.h"

static const int64_t key_kept_ms = 24 * 3600 * 1000;

struct insertion {
    const struct job_row *row;
    bool replace;
    size_t most_queued;
    const char *key, *body_sha256;
    struct store_upload *given; /* NULL: none */
    int64_t now_ms;
    char id[STORE_ID_SIZE];
    bool existed;
};

static enum err find_by_key(struct database *connection, struct insertion *insertion,
                            struct err_info *info)
{
    bool same = false;
    struct statement query = statement_start(
        connection, "SELECT job, body_sha256 = ? FROM idempotency"
                    " JOIN job ON job.id = idempotency.job WHERE key = ?");
    statement_put_text(&query, insertion->body_sha256);
    statement_put_text(&query, insertion->key);
    if (statement_next(&query)) {
        insertion->existed = true;
        statement_copy(&query, 0, insertion->id, sizeof insertion->id);
        same = statement_integer(&query, 1) != 0;
    }
    enum err code = statement_end(&query);
    if (!code && insertion->existed && !same)
        return err_set(info, ERR_IDEMPOTENCY_MISMATCH,
                       "This Idempotency-Key was used for another request in the last 24 "
                       "hours; use a new one.");
    return code;
}

static enum err forget_old_keys(struct database *connection, int64_t now_ms)
{
    struct statement query =
        statement_start(connection, "DELETE FROM idempotency WHERE created_ms <= ?");
    statement_put_integer(&query, now_ms - key_kept_ms);
    return statement_run(&query);
}

static enum err keep_key(struct database *connection, const struct insertion *insertion)
{
    struct statement query = statement_start(
        connection,
        "INSERT OR REPLACE INTO idempotency (key, body_sha256, job, created_ms)"
        " VALUES (?, ?, ?, ?)");
    statement_put_text(&query, insertion->key);
    statement_put_text(&query, insertion->body_sha256);
    statement_put_text(&query, insertion->id);
    statement_put_integer(&query, insertion->now_ms);
    return statement_run(&query);
}

static enum err corpus_is_there(struct database *connection, const char *name,
                                const char *pointer, struct err_info *info)
{
    bool there = true;
    enum err code = *name ? corpus_table_exists(connection, name, &there) : ERR_OK;
    if (code || there)
        return code;
    return err_set_field(info, ERR_CORPUS_NOT_FOUND, pointer,
                         "There is no corpus named \"%s\".", name);
}

static enum err no_job_makes(struct database *connection, const char *model,
                             struct err_info *info)
{
    char other[STORE_ID_SIZE] = "";
    struct statement query = statement_start(
        connection, "SELECT id FROM job WHERE state IN (0, 1, 2) AND model = ?"
                    " AND type = 'train' LIMIT 1");
    statement_put_text(&query, model);
    if (statement_next(&query))
        statement_copy(&query, 0, other, sizeof other);
    enum err code = statement_end(&query);
    if (code || !*other)
        return code;
    return err_set_field(info, ERR_EXISTS, "/model",
                         "%s is already making a model named \"%s\".", other, model);
}

static enum err model_name_is_free(struct database *connection, const struct job_row *row,
                                   struct err_info *info)
{
    if (strcmp(row->type, "train") != 0)
        return ERR_OK;
    enum err code = model_table_name_is_free(connection, row->model, info);
    return code ? code : no_job_makes(connection, row->model, info);
}

static enum err write_queue_has_room(struct database *connection, size_t most,
                                     struct err_info *info)
{
    int64_t waiting = 0;
    struct statement query =
        statement_start(connection, "SELECT count(*) FROM job WHERE state = 0");
    if (statement_next(&query))
        waiting = statement_integer(&query, 0);
    enum err code = statement_end(&query);
    if (code || (uint64_t)waiting < most)
        return code;
    return err_set(info, ERR_QUEUE_FULL, "%zu jobs are waiting already; try again later.",
                   most);
}

static enum err is_welcome(struct database *connection, const struct insertion *insertion,
                           struct err_info *info)
{
    const struct job_row *row = insertion->row;
    enum err code = corpus_is_there(connection, row->corpus, "/corpus", info);
    if (!code)
        code = corpus_is_there(connection, row->valid_corpus, "/valid", info);
    if (!code && !insertion->replace)
        code = model_name_is_free(connection, row, info);
    return code ? code : write_queue_has_room(connection, insertion->most_queued, info);
}

static enum err insert_row(struct database *connection, const struct insertion *insertion,
                           int64_t *serial)
{
    const struct job_row *row = insertion->row;
    struct statement query = statement_start(
        connection, "INSERT INTO job (id, type, kind, model, corpus, valid_corpus, state,"
                    " spec, metadata, steps_total, created_ms, lane)"
                    " VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?) RETURNING serial");
    statement_put_text(&query, insertion->id);
    statement_put_text(&query, row->type);
    statement_put_text(&query, row->kind);
    statement_put_text(&query, row->model);
    statement_put_text(&query, row->corpus);
    statement_put_text(&query, row->valid_corpus);
    statement_put_text(&query, row->spec ? row->spec : "");
    statement_put_text(&query, row->metadata ? row->metadata : "{}");
    statement_put_unsigned(&query, row->steps_total);
    statement_put_integer(&query, insertion->now_ms);
    statement_put_integer(&query, row->lane);
    if (statement_next(&query))
        *serial = statement_integer(&query, 0);
    while (statement_next(&query))
        ;
    return statement_end(&query);
}

static enum err insert_work(struct database *connection, void *argument,
                            struct err_info *info)
{
    struct insertion *insertion = argument;
    int64_t serial = 0;
    insertion->existed = false;
    insertion->now_ms = clock_wall_ms();
    enum err code = forget_old_keys(connection, insertion->now_ms);
    if (!code && insertion->key)
        code = find_by_key(connection, insertion, info);
    if (code || insertion->existed)
        return code;
    code = is_welcome(connection, insertion, info);
    job_rows_new_id(insertion->now_ms, insertion->id);
    if (!code)
        code = insert_row(connection, insertion, &serial);
    if (!code && insertion->given)
        code = job_object_table_place(connection, serial, JOB_GIVEN, insertion->given);
    return code || !insertion->key ? code : keep_key(connection, insertion);
}

static void fill_inserted(const struct insertion *insertion, struct job_row *row)
{
    memcpy(row->id, insertion->id, sizeof row->id);
    row->state = JOB_QUEUED;
    row->created_ms = insertion->now_ms;
}

enum err job_table_insert_given(struct store_upload *given, struct job_row *row,
                                size_t most_queued, struct err_info *info)
{
    const uint64_t freed = 0;
    struct insertion insertion = {.row = row, .most_queued = most_queued, .given = given};
    enum err code = object_upload_commit(given, insert_work, &insertion, &freed, info);
    if (!code)
        fill_inserted(&insertion, row);
    return code;
}

enum err job_table_insert(struct store *store, struct job_row *row, bool replace,
                          size_t most_queued, const char *key, const char *body_sha256,
                          bool *existed, struct err_info *info)
{
    struct insertion insertion = {.row = row,
                                  .replace = replace,
                                  .most_queued = most_queued,
                                  .key = key,
                                  .body_sha256 = body_sha256 ? body_sha256 : ""};
    enum err code = sqlite_engine_write(store, insert_work, &insertion, info);
    *existed = !code && insertion.existed;
    if (*existed) {
        job_row_fini(row);
        return job_table_get(store, insertion.id, row);
    }
    if (!code)
        fill_inserted(&insertion, row);
    return code;
}

/* ---- looking ---- */

struct get {
    const char *id;
    struct job_row *row;
};

static enum err get_work(struct database *connection, void *argument)
{
    struct get *get = argument;
    struct statement query =
        statement_start(connection, "SELECT " JOB_ROWS_COLUMNS "FROM job WHERE id = ?");
    statement_put_text(&query, get->id);
    bool found = statement_next(&query);
    enum err code = found ? job_rows_read(&query, get->row) : ERR_JOB_NOT_FOUND;
    enum err ended = statement_end(&query);
    return ended ? ended : code;
}

enum err job_table_get(struct store *store, const char *id, struct job_row *row)
{
    struct get get = {id, row};
    enum err code = sqlite_engine_read(store, get_work, &get);
    if (code)
        job_row_fini(row);
    return code;
}

struct list {
    const struct job_filter *filter;
    const char *after;
    size_t limit;
    struct job_row *rows;
    size_t *count;
    bool *has_more;
};

static enum err list_work(struct database *connection, void *argument)
{
    struct list *list = argument;
    struct job_rows_key last = {.serial = INT64_MAX};
    enum err code = *list->after ? job_rows_find(connection, list->after, &last) : ERR_OK;
    if (code)
        return code;
    struct statement query = statement_start(
        connection,
        "SELECT " JOB_ROWS_COLUMNS "FROM job WHERE serial < ?1 AND (?2 < 0 OR state = ?2)"
        " AND (?3 = '' OR kind = ?3) AND (?4 = '' OR type = ?4)"
        " ORDER BY serial DESC LIMIT ?5");
    statement_put_integer(&query, last.serial);
    statement_put_integer(&query, list->filter->state);
    statement_put_text(&query, list->filter->kind);
    statement_put_text(&query, list->filter->type);
    statement_put_integer(&query, (int64_t)list->limit + 1);
    while (!code && statement_next(&query)) {
        if (*list->count == list->limit) {
            *list->has_more = true;
            break;
        }
        code = job_rows_read(&query, &list->rows[(*list->count)++]);
    }
    enum err ended = statement_end(&query);
    return code ? code : ended;
}

enum err job_table_list(struct store *store, const struct job_filter *filter,
                        const char *after, size_t limit, struct job_row *rows,
                        size_t *count, bool *has_more)
{
    struct list list = {filter, after, limit, rows, count, has_more};
    enum err code = sqlite_engine_read(store, list_work, &list);
    for (size_t i = 0; code && i < *count; i++)
        job_row_fini(&rows[i]);
    if (code)
        *count = 0;
    return code;
}

struct position {
    const char *id;
    size_t position;
};

static enum err position_work(struct database *connection, void *argument)
{
    struct position *position = argument;
    struct job_rows_key key;
    enum err code = job_rows_find(connection, position->id, &key);
    if (code || key.state != JOB_QUEUED)
        return code;
    struct statement query = statement_start(
        connection, "SELECT count(*) FROM job WHERE state = 0 AND serial <= ?1"
                    " AND lane = (SELECT lane FROM job WHERE serial = ?1)");
    statement_put_integer(&query, key.serial);
    if (statement_next(&query))
        position->position = (size_t)statement_integer(&query, 0);
    return statement_end(&query);
}

enum err job_table_queue_position(struct store *store, const char *id, size_t *out)
{
    struct position position = {id, 0};
    enum err code = sqlite_engine_read(store, position_work, &position);
    *out = position.position;
    return code;
}

static enum err count_work(struct database *connection, void *argument)
{
    size_t *counts = argument;
    struct statement query =
        statement_start(connection, "SELECT state, count(*) FROM job GROUP BY state");
    while (statement_next(&query)) {
        int64_t state = statement_integer(&query, 0);
        if (state >= 0 && state < JOB_STATE_COUNT)
            counts[state] = (size_t)statement_integer(&query, 1);
    }
    return statement_end(&query);
}

enum err job_table_count(struct store *store, size_t counts[JOB_STATE_COUNT])
{
    return sqlite_engine_read(store, count_work, counts);
}

/* ---- leaving ---- */

struct removal {
    const char *id;
    uint64_t freed;
};

static enum err unlink_checkpoints(struct database *connection, int64_t job,
                                   uint64_t *freed)
{
    struct statement query = statement_start(
        connection, "DELETE FROM checkpoint WHERE job = ? RETURNING object");
    statement_put_integer(&query, job);
    return object_drops_unlink_all(connection, &query, freed);
}

static enum err delete_row(struct database *connection, const struct job_rows_key *key,
                           const char *id)
{
    struct statement query =
        statement_start(connection, "DELETE FROM idempotency WHERE job = ?");
    statement_put_text(&query, id);
    enum err code = statement_run(&query);
    if (code)
        return code;
    query = statement_start(connection, "INSERT INTO dropped_job (job) VALUES (?)");
    statement_put_integer(&query, key->serial);
    code = statement_run(&query);
    if (code)
        return code;
    query = statement_start(connection, "DELETE FROM job WHERE serial = ?");
    statement_put_integer(&query, key->serial);
    return statement_run(&query);
}

static enum err delete_work(struct database *connection, void *argument,
                            struct err_info *info)
{
    struct removal *removal = argument;
    struct job_rows_key key;
    (void)info;
    removal->freed = 0;
    enum err code = job_rows_find(connection, removal->id, &key);
    if (!code && !job_state_finished(key.state))
        return ERR_CONFLICT;
    if (!code)
        code = unlink_checkpoints(connection, key.serial, &removal->freed);
    if (!code)
        code = job_object_table_drop(connection, key.serial, &removal->freed);
    return code ? code : delete_row(connection, &key, removal->id);
}

enum err job_table_delete(struct store *store, const char *id)
{
    struct removal removal = {id, 0};
    struct sqlite_engine *engine = sqlite_engine_of(store);
    enum err code = sqlite_engine_write(store, delete_work, &removal, NULL);
    if (!code)
        sqlite_engine_freed(engine, removal.freed);
    return code;
}

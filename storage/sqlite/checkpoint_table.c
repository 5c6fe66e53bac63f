/* SPDX-License-Identifier: MIT */
/* A checkpoint is an object and the step it was taken at. The newest two are kept, in
 * case the newest one turns out to be damaged, and the newest that was called the best.
 */
#include "storage/sqlite/checkpoint_table.h"

#include "storage/sqlite/job_rows.h"
#include "storage/sqlite/object_upload.h"

struct commit {
    struct store_upload *upload;
    const char *job;
    uint64_t fence, step;
    bool best;
    uint64_t freed;
};

static enum err insert_row(struct database *connection, const struct commit *commit,
                           int64_t job, int64_t object)
{
    struct statement query = statement_start(
        connection,
        "INSERT INTO checkpoint (job, step, best, object) VALUES (?, ?, ?, ?)");
    statement_put_integer(&query, job);
    statement_put_unsigned(&query, commit->step);
    statement_put_integer(&query, commit->best);
    statement_put_integer(&query, object);
    return statement_run(&query);
}

static enum err drop_old(struct database *connection, int64_t job, uint64_t *freed)
{
    struct statement query = statement_start(
        connection,
        "DELETE FROM checkpoint WHERE job = ?1"
        " AND serial NOT IN (SELECT serial FROM checkpoint WHERE job = ?1"
        "                    ORDER BY serial DESC LIMIT 2)"
        " AND serial IS NOT (SELECT max(serial) FROM checkpoint WHERE job = ?1 AND best)"
        " RETURNING object");
    statement_put_integer(&query, job);
    return object_drops_unlink_all(connection, &query, freed);
}

static enum err commit_work(struct database *connection, void *argument,
                            struct err_info *info)
{
    struct commit *commit = argument;
    struct object_upload_object object;
    struct job_rows_key key;
    (void)info;
    commit->freed = 0;
    enum err code = job_rows_find(connection, commit->job, &key);
    if (code)
        return code;
    if (key.fence != commit->fence || job_state_finished(key.state))
        return ERR_CONFLICT;
    code = object_upload_make_ready(connection, commit->upload, &object);
    if (!code)
        code = insert_row(connection, commit, key.serial, object.object);
    return code ? code : drop_old(connection, key.serial, &commit->freed);
}

enum err checkpoint_table_commit(struct store_upload *upload, const char *job,
                                 uint64_t fence, uint64_t step, bool best,
                                 struct err_info *info)
{
    struct commit commit = {
        .upload = upload, .job = job, .fence = fence, .step = step, .best = best};
    return object_upload_commit(upload, commit_work, &commit, &commit.freed, info);
}

struct latest {
    const char *job;
    int64_t object;
    uint64_t step;
};

static enum err latest_work(struct database *connection, void *argument)
{
    struct latest *latest = argument;
    struct statement query =
        statement_start(connection, "SELECT object, step FROM checkpoint"
                                    " WHERE job = (SELECT serial FROM job WHERE id = ?)"
                                    " ORDER BY serial DESC LIMIT 1");
    statement_put_text(&query, latest->job);
    bool found = statement_next(&query);
    if (found) {
        latest->object = statement_integer(&query, 0);
        latest->step = statement_unsigned(&query, 1);
    }
    enum err code = statement_end(&query);
    return code ? code : found ? ERR_OK : ERR_NOT_FOUND;
}

enum err checkpoint_table_latest(struct store *store, const char *job, int64_t *object,
                                 uint64_t *step)
{
    struct latest latest = {.job = job};
    enum err code = sqlite_engine_read(store, latest_work, &latest);
    *object = latest.object;
    *step = latest.step;
    return code;
}

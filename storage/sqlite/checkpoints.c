/* SPDX-License-Identifier: MIT */
/* A checkpoint is an object and the step it was taken at. The newest two are kept, in
 * case the newest one turns out to be damaged, and the newest that was called the best.
 */
#include "storage/sqlite/checkpoints.h"

#include "storage/sqlite/job_rows.h"
#include "storage/sqlite/uploads.h"

struct commit {
    struct store_upload *upload;
    const char *job;
    uint64_t fence, step;
    bool best;
    uint64_t freed;
};

static enum err insert_row(struct connection *connection, const struct commit *commit,
                           int64_t job, int64_t object)
{
    struct query query = query_start(
        connection,
        "INSERT INTO checkpoint (job, step, best, object) VALUES (?, ?, ?, ?)");
    query_put_integer(&query, job);
    query_put_unsigned(&query, commit->step);
    query_put_integer(&query, commit->best);
    query_put_integer(&query, object);
    return query_run(&query);
}

static enum err drop_old(struct connection *connection, int64_t job, uint64_t *freed)
{
    enum err code = ERR_OK;
    struct query query = query_start(
        connection,
        "DELETE FROM checkpoint WHERE job = ?1"
        " AND serial NOT IN (SELECT serial FROM checkpoint WHERE job = ?1"
        "                    ORDER BY serial DESC LIMIT 2)"
        " AND serial IS NOT (SELECT max(serial) FROM checkpoint WHERE job = ?1 AND best)"
        " RETURNING object");
    query_put_integer(&query, job);
    while (!code && query_next(&query))
        code = drops_unlink(connection, query_integer(&query, 0), freed);
    enum err ended = query_end(&query);
    return code ? code : ended;
}

static enum err commit_work(struct connection *connection, void *argument,
                            struct err_info *info)
{
    struct commit *commit = argument;
    struct uploads_object object;
    struct job_rows_key key;
    (void)info;
    commit->freed = 0;
    enum err code = job_rows_find(connection, commit->job, &key);
    if (code)
        return code;
    if (key.fence != commit->fence || job_state_finished(key.state))
        return ERR_CONFLICT;
    code = uploads_make_ready(connection, commit->upload, &object);
    if (!code)
        code = insert_row(connection, commit, key.serial, object.object);
    return code ? code : drop_old(connection, key.serial, &commit->freed);
}

enum err checkpoints_commit(struct store_upload *upload, const char *job, uint64_t fence,
                            uint64_t step, bool best, struct err_info *info)
{
    struct commit commit = {
        .upload = upload, .job = job, .fence = fence, .step = step, .best = best};
    return uploads_commit(upload, commit_work, &commit, &commit.freed, info);
}

struct latest {
    const char *job;
    int64_t object;
    uint64_t step;
};

static enum err latest_work(struct connection *connection, void *argument)
{
    struct latest *latest = argument;
    struct query query =
        query_start(connection, "SELECT object, step FROM checkpoint"
                                " WHERE job = (SELECT serial FROM job WHERE id = ?)"
                                " ORDER BY serial DESC LIMIT 1");
    query_put_text(&query, latest->job);
    bool found = query_next(&query);
    if (found) {
        latest->object = query_integer(&query, 0);
        latest->step = query_unsigned(&query, 1);
    }
    enum err code = query_end(&query);
    return code ? code : found ? ERR_OK : ERR_NOT_FOUND;
}

enum err checkpoints_latest(struct store *store, const char *job, int64_t *object,
                            uint64_t *step)
{
    struct latest latest = {.job = job};
    enum err code = engine_read(store, latest_work, &latest);
    *object = latest.object;
    *step = latest.step;
    return code;
}

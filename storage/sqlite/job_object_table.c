/* SPDX-License-Identifier: MIT */
/* A job that makes no model may be given a text of its own (word lists, questions), and
 * its answer may be too large for a column of the row that every list reads. Both are
 * objects, placed in the transaction that inserts the job or lets it succeed, and gone
 * with it. */
#include "storage/sqlite/job_object_table.h"

#include "storage/sqlite/object_upload.h"
#include "storage/sqlite/statement.h"

enum err job_object_table_place(struct database *connection, int64_t job,
                                enum job_role role, struct store_upload *upload)
{
    struct object_upload_object object;
    enum err code = object_upload_make_ready(connection, upload, &object);
    if (code)
        return code;
    struct statement query = statement_start(
        connection, "INSERT INTO job_object (job, role, object) VALUES (?, ?, ?)");
    statement_put_integer(&query, job);
    statement_put_integer(&query, role);
    statement_put_integer(&query, object.object);
    return statement_run(&query);
}

enum err job_object_table_drop(struct database *connection, int64_t job, uint64_t *freed)
{
    struct statement query = statement_start(
        connection, "DELETE FROM job_object WHERE job = ? RETURNING object");
    statement_put_integer(&query, job);
    return object_drops_unlink_all(connection, &query, freed);
}

struct get {
    const char *id;
    enum job_role role;
    int64_t object;
};

static enum err get_work(struct database *connection, void *argument)
{
    struct get *get = argument;
    struct statement query = statement_start(
        connection, "SELECT object FROM job_object"
                    " WHERE job = (SELECT serial FROM job WHERE id = ?) AND role = ?");
    statement_put_text(&query, get->id);
    statement_put_integer(&query, get->role);
    bool found = statement_next(&query);
    if (found)
        get->object = statement_integer(&query, 0);
    enum err code = statement_end(&query);
    return code ? code : found ? ERR_OK : ERR_NOT_FOUND;
}

enum err job_object_table_get(struct store *store, const char *id, enum job_role role,
                              int64_t *object)
{
    struct get get = {.id = id, .role = role};
    enum err code = sqlite_engine_read(store, get_work, &get);
    *object = get.object;
    return code;
}

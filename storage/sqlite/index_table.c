/* SPDX-License-Identifier: MIT */
/* An index is made of a model's file by whoever serves it, can be made again, and says
 * nothing that the file does not: so it is an object of its own and not a part of the
 * file, whose digest names what was trained and must stay. It belongs to the model's
 * serial, which is a new one whenever the model is replaced; an index that was being made
 * of the version before finds another digest and is refused. */
#include "storage/sqlite/index_table.h"

#include "storage/sqlite/object_upload.h"
#include "storage/sqlite/statement.h"

struct commit {
    struct store_upload *upload;
    const char *name, *digest;
    uint64_t freed;
};

/* The serial of the model, if it is still the one with this digest. */
static enum err find_model(struct database *connection, const struct commit *commit,
                           int64_t *serial)
{
    struct statement query = statement_start(
        connection, "SELECT serial, sha256 = ? FROM model"
                    " JOIN object ON object.id = model.object WHERE name = ?");
    statement_put_text(&query, commit->digest);
    statement_put_text(&query, commit->name);
    enum err code = ERR_MODEL_NOT_FOUND;
    if (statement_next(&query)) {
        *serial = statement_integer(&query, 0);
        code = statement_integer(&query, 1) ? ERR_OK : ERR_CONFLICT;
    }
    enum err ended = statement_end(&query);
    return ended ? ended : code;
}

enum err index_table_drop(struct database *connection, int64_t serial, uint64_t *freed)
{
    struct statement query = statement_start(
        connection, "DELETE FROM model_index WHERE model = ? RETURNING object");
    statement_put_integer(&query, serial);
    return object_drops_unlink_all(connection, &query, freed);
}

static enum err commit_work(struct database *connection, void *argument,
                            struct err_info *info)
{
    struct commit *commit = argument;
    struct object_upload_object object;
    int64_t serial = 0;
    (void)info;
    commit->freed = 0;
    enum err code = find_model(connection, commit, &serial);
    if (!code)
        code = object_upload_make_ready(connection, commit->upload, &object);
    if (!code)
        code = index_table_drop(connection, serial, &commit->freed);
    if (code)
        return code;
    struct statement query = statement_start(
        connection, "INSERT INTO model_index (model, object) VALUES (?, ?)");
    statement_put_integer(&query, serial);
    statement_put_integer(&query, object.object);
    return statement_run(&query);
}

enum err index_table_commit(struct store_upload *upload, const char *name,
                            const char *digest, struct err_info *info)
{
    struct commit commit = {.upload = upload, .name = name, .digest = digest};
    return object_upload_commit(upload, commit_work, &commit, &commit.freed, info);
}

/* SPDX-License-Identifier: MIT */
/* Opening and closing. The order of opening: claim the file (is it ours, is nobody else
 * there), open the writing connection, quick check, migrate, sweep what was half-done,
 * start the writer thread. Nothing is changed before the file is known to be a store of a
 * format this program knows. Closing goes the other way round; the writing connection
 * goes last, so that no other one ever moves the log. */
#include "storage/sqlite/engine.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storage/sqlite/checkpoints.h"
#include "storage/sqlite/corpora.h"
#include "storage/sqlite/curves.h"
#include "storage/sqlite/events.h"
#include "storage/sqlite/file.h"
#include "storage/sqlite/inspect.h"
#include "storage/sqlite/job_changes.h"
#include "storage/sqlite/jobs.h"
#include "storage/sqlite/keys.h"
#include "storage/sqlite/migrate.h"
#include "storage/sqlite/models.h"
#include "storage/sqlite/objects.h"
#include "storage/sqlite/query.h"
#include "storage/sqlite/uploads.h"

static void engine_close(struct store *store);

static const struct store_ops sqlite_ops = {
    .close = engine_close,
    .upload_begin = uploads_begin,
    .upload_write = uploads_write,
    .upload_size = uploads_size,
    .upload_limit = uploads_limit,
    .upload_abort = uploads_abort,
    .object_open = objects_open,
    .object_size = objects_size,
    .object_read = objects_read,
    .object_close = objects_close,
    .corpus_commit = corpora_commit,
    .corpus_get = corpora_get,
    .corpus_list = corpora_list,
    .corpus_delete = corpora_delete,
    .model_commit = models_commit,
    .model_get = models_get,
    .model_list = models_list,
    .model_delete = models_delete,
    .model_patch = models_patch,
    .job_insert = jobs_insert,
    .job_get = jobs_get,
    .job_list = jobs_list,
    .job_claim = job_changes_claim,
    .job_update = job_changes_update,
    .job_move = job_changes_move,
    .job_wish = job_changes_wish,
    .job_delete = jobs_delete,
    .job_queue_position = jobs_queue_position,
    .job_count = jobs_count,
    .job_recover = job_changes_recover,
    .job_succeed = job_changes_succeed,
    .checkpoint_commit = checkpoints_commit,
    .checkpoint_latest = checkpoints_latest,
    .metrics_append = curves_append,
    .metrics_read = curves_read,
    .events_append = events_append,
    .events_read = events_read,
    .key_insert = keys_insert,
    .key_get = keys_get,
    .key_list = keys_list,
    .key_delete = keys_delete,
    .backup = inspect_backup,
    .check = inspect_check,
    .stats_get = inspect_stats,
};

enum err engine_write(struct store *store, queue_work *work, void *argument,
                      struct err_info *info)
{
    return queue_call(&engine_of(store)->queue, work, argument, info);
}

enum err engine_read(struct store *store,
                     enum err (*work)(struct connection *connection, void *argument),
                     void *argument)
{
    struct readers *readers = &engine_of(store)->readers;
    struct connection *connection;
    enum err code = readers_take(readers, &connection);
    if (code)
        return code;
    code = work(connection, argument);
    readers_give(readers, connection);
    return code;
}

/* ---- opening ---- */

/* Again from inside SQLite, since the log may know better than the file's header. */
static enum err check_identity(struct connection *connection, const char *path,
                               struct err_info *info)
{
    int64_t id = 0;
    enum err code = connection_integer(connection, "PRAGMA application_id", &id);
    if (!code && id != MIGRATE_APPLICATION_ID)
        return err_set(info, ERR_WRONG_STORE,
                       "%s is not a store: it is a database of another program.", path);
    return code;
}

static enum err quick_check(struct connection *connection, const char *path,
                            struct err_info *info)
{
    char line[200] = "";
    struct query query = query_start(connection, "PRAGMA quick_check(1)");
    if (query_next(&query))
        query_copy(&query, 0, line, sizeof line);
    enum err code = query_end(&query);
    if (code || strcmp(line, "ok") == 0)
        return code;
    return err_set(info, ERR_INTEGRITY,
                   "%s is damaged (%s); restore a backup, or save what can be saved with "
                   "sqlite3's .recover.",
                   path, line);
}

static enum err use_log(struct connection *connection)
{
    char mode[16] = "";
    struct query query = query_start(connection, "PRAGMA journal_mode=WAL");
    if (query_next(&query))
        query_copy(&query, 0, mode, sizeof mode);
    enum err code = query_end(&query);
    return code ? code : strcmp(mode, "wal") == 0 ? ERR_OK : ERR_IO;
}

static enum err read_accounts(struct engine *engine)
{
    int64_t used = 0, next = 0;
    struct connection *connection = &engine->queue.connection;
    enum err code = connection_integer(
        connection, "SELECT coalesce(sum(bytes), 0) FROM object WHERE state = 1", &used);
    if (!code)
        code = connection_integer(
            connection,
            "SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'object'",
            &next);
    atomic_store(&engine->used_bytes, (uint64_t)used);
    atomic_store(&engine->next_object, next);
    return code;
}

static enum err prepare(struct engine *engine, struct err_info *info)
{
    struct connection *connection = &engine->queue.connection;
    enum err code = connection_open(connection, engine->path, ROLE_WRITER, info);
    if (code)
        return code;
    code = check_identity(connection, engine->path, info);
    if (!code)
        code = quick_check(connection, engine->path, info);
    if (!code)
        code = migrate_run(connection, engine->path, migrate_steps, info);
    if (!code)
        code = use_log(connection);
    if (!code)
        code = drops_sweep(connection);
    if (!code)
        code = read_accounts(engine);
    if (code) {
        err_set(info, code, "The store %s cannot be opened: %s (%s).", engine->path,
                err_text(code), sqlite3_errmsg(connection->handle));
        connection_close(connection);
    }
    return code;
}

static void free_engine(struct engine *engine)
{
    readers_fini(&engine->readers);
    drops_fini(&engine->drops);
    if (engine->lock_fd >= 0)
        close(engine->lock_fd);
    free(engine->path);
    free(engine);
}

static enum err new_engine(const struct store_settings *settings, struct engine **out)
{
    struct engine *engine = calloc(1, sizeof *engine);
    char *path = settings->path ? strdup(settings->path) : NULL;
    *out = engine;
    if (!engine || !path || sodium_init() < 0) {
        free(engine);
        free(path);
        return ERR_NO_MEMORY;
    }
    engine->store.ops = &sqlite_ops;
    engine->path = path;
    engine->lock_fd = -1;
    engine->corpus_bytes = settings->corpus_bytes;
    engine->total_bytes = settings->total_bytes;
    readers_init(&engine->readers, path);
    drops_init(&engine->drops);
    engine->queue.tend = drops_tend;
    engine->queue.tend_context = &engine->drops;
    return ERR_OK;
}

enum err sqlite_store_open(const struct store_settings *settings, struct store **out,
                           struct err_info *info)
{
    struct engine *engine;
    *out = NULL;
    enum err code = new_engine(settings, &engine);
    if (code)
        return err_set(info, code, "The store cannot be opened: %s.", err_text(code));
    code = file_claim(engine->path, settings->create, &engine->lock_fd, info);
    if (!code)
        code = prepare(engine, info);
    if (!code)
        code = queue_start(&engine->queue);
    if (code) {
        free_engine(engine);
        return err_finish(info, code);
    }
    *out = &engine->store;
    return ERR_OK;
}

static void engine_close(struct store *store)
{
    struct engine *engine = engine_of(store);
    /* Readers end before the last checkpoint, and the writer's connection ends last. */
    readers_fini(&engine->readers);
    readers_init(&engine->readers, engine->path);
    queue_stop(&engine->queue);
    free_engine(engine);
}

/* SPDX-License-Identifier: MIT */
/* Opening and closing. The order of opening: claim the file (is it ours, is nobody else
 * there), open the writing connection, quick check, migrate, sweep what was half-done,
 * start the writer thread. Nothing is changed before the file is known to be a store of a
 * format this program knows. Closing goes the other way round; the writing connection
 * goes last, so that no other one ever moves the log. */
#include "storage/sqlite/sqlite_engine.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storage/sqlite/checkpoint_table.h"
#include "storage/sqlite/corpus_table.h"
#include "storage/sqlite/curve_table.h"
#include "storage/sqlite/event_table.h"
#include "storage/sqlite/index_table.h"
#include "storage/sqlite/store_file.h"
#include "storage/sqlite/inspect.h"
#include "storage/sqlite/job_changes.h"
#include "storage/sqlite/job_object_table.h"
#include "storage/sqlite/job_table.h"
#include "storage/sqlite/key_table.h"
#include "storage/sqlite/migrate.h"
#include "storage/sqlite/model_table.h"
#include "storage/sqlite/object_reader.h"
#include "storage/sqlite/statement.h"
#include "storage/sqlite/object_upload.h"

static void close_engine(struct store *store);

static const struct store_ops sqlite_ops = {
    .close = close_engine,
    .upload_begin = object_upload_begin,
    .upload_write = object_upload_write,
    .upload_size = object_upload_size,
    .upload_limit = object_upload_limit,
    .upload_abort = object_upload_abort,
    .object_open = object_reader_open,
    .object_size = object_reader_size,
    .object_read = object_reader_read,
    .object_close = object_reader_close,
    .corpus_commit = corpus_table_commit,
    .corpus_get = corpus_table_get,
    .corpus_list = corpus_table_list,
    .corpus_delete = corpus_table_delete,
    .model_commit = model_table_commit,
    .model_get = model_table_get,
    .model_list = model_table_list,
    .model_delete = model_table_delete,
    .model_patch = model_table_patch,
    .index_commit = index_table_commit,
    .job_insert = job_table_insert,
    .job_insert_given = job_table_insert_given,
    .job_get = job_table_get,
    .job_list = job_table_list,
    .job_claim = job_changes_claim,
    .job_update = job_changes_update,
    .job_move = job_changes_move,
    .job_wish = job_changes_wish,
    .job_delete = job_table_delete,
    .job_queue_position = job_table_queue_position,
    .job_count = job_table_count,
    .job_recover = job_changes_recover,
    .job_object = job_object_table_get,
    .job_succeed = job_changes_succeed,
    .checkpoint_commit = checkpoint_table_commit,
    .checkpoint_latest = checkpoint_table_latest,
    .metrics_append = curve_table_append,
    .metrics_read = curve_table_read,
    .events_append = event_table_append,
    .events_read = event_table_read,
    .key_insert = key_table_insert,
    .key_get = key_table_get,
    .key_list = key_table_list,
    .key_delete = key_table_delete,
    .backup = inspect_backup,
    .check = inspect_check,
    .stats_get = inspect_stats,
};

void sqlite_engine_freed(struct sqlite_engine *engine, uint64_t bytes)
{
    atomic_fetch_sub(&engine->used_bytes, bytes);
    object_drops_wake(&engine->drops);
}

enum err sqlite_engine_write(struct store *store, write_work *work, void *argument,
                             struct err_info *info)
{
    return write_queue_call(&sqlite_engine_of(store)->queue, work, argument, info);
}

enum err sqlite_engine_read(struct store *store,
                            enum err (*work)(struct database *connection, void *argument),
                            void *argument)
{
    struct reader_pool *readers = &sqlite_engine_of(store)->readers;
    struct database *connection;
    enum err code = reader_pool_take(readers, &connection);
    if (code)
        return code;
    code = work(connection, argument);
    reader_pool_give(readers, connection);
    return code;
}

/* ---- opening ---- */

/* Again from inside SQLite, since the log may know better than the file's header. */
static enum err check_identity(struct database *connection, const char *path,
                               struct err_info *info)
{
    int64_t id = 0;
    enum err code = database_integer(connection, "PRAGMA application_id", &id);
    if (!code && id != MIGRATE_APPLICATION_ID)
        return err_set(info, ERR_WRONG_STORE,
                       "%s is not a store: it is a database of another program.", path);
    return code;
}

static enum err quick_check(struct database *connection, const char *path,
                            struct err_info *info)
{
    char line[200] = "";
    struct statement query = statement_start(connection, "PRAGMA quick_check(1)");
    if (statement_next(&query))
        statement_copy(&query, 0, line, sizeof line);
    enum err code = statement_end(&query);
    if (code || strcmp(line, "ok") == 0)
        return code;
    return err_set(info, ERR_INTEGRITY,
                   "%s is damaged (%s); restore a backup, or save what can be saved with "
                   "sqlite3's .recover.",
                   path, line);
}

static enum err use_log(struct database *connection)
{
    char mode[16] = "";
    struct statement query = statement_start(connection, "PRAGMA journal_mode=WAL");
    if (statement_next(&query))
        statement_copy(&query, 0, mode, sizeof mode);
    enum err code = statement_end(&query);
    return code ? code : strcmp(mode, "wal") == 0 ? ERR_OK : ERR_IO;
}

static enum err read_accounts(struct sqlite_engine *engine)
{
    int64_t used = 0, next = 0;
    struct database *connection = &engine->queue.connection;
    enum err code = database_integer(
        connection, "SELECT coalesce(sum(bytes), 0) FROM object WHERE state = 1", &used);
    if (!code)
        code = database_integer(
            connection,
            "SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'object'",
            &next);
    atomic_store(&engine->used_bytes, (uint64_t)used);
    atomic_store(&engine->next_object, next);
    return code;
}

static enum err prepare(struct sqlite_engine *engine, struct err_info *info)
{
    struct database *connection = &engine->queue.connection;
    enum err code = database_open(connection, engine->path, ROLE_WRITER, info);
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
        code = object_drops_sweep(connection);
    if (!code)
        code = read_accounts(engine);
    if (code) {
        err_set(info, code, "The store %s cannot be opened: %s (%s).", engine->path,
                err_text(code), sqlite3_errmsg(connection->handle));
        database_close(connection);
    }
    return code;
}

static void free_engine(struct sqlite_engine *engine)
{
    reader_pool_fini(&engine->readers);
    object_drops_fini(&engine->drops);
    if (engine->lock_fd >= 0)
        close(engine->lock_fd);
    free(engine->path);
    free(engine);
}

static enum err new_engine(const struct store_settings *settings,
                           struct sqlite_engine **out)
{
    struct sqlite_engine *engine = calloc(1, sizeof *engine);
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
    reader_pool_init(&engine->readers, path);
    object_drops_init(&engine->drops);
    engine->queue.tend = object_drops_tend;
    engine->queue.tend_context = &engine->drops;
    return ERR_OK;
}

static enum err check_version(struct database *connection, void *argument)
{
    return database_integer(connection, "PRAGMA user_version", argument);
}

static enum err open_to_read(struct sqlite_engine *engine, struct err_info *info)
{
    int64_t version = 0, wanted = migrate_version(migrate_steps);
    enum err code = store_file_examine(engine->path, info);
    if (!code)
        code = sqlite_engine_read(&engine->store, check_version, &version);
    if (!code && version != wanted)
        code = err_set(info, ERR_WRONG_STORE,
                       "%s has format %lld and this program wants %lld; let firthd serve "
                       "it once to bring it up to date.",
                       engine->path, (long long)version, (long long)wanted);
    if (!code)
        write_queue_refuse(&engine->queue);
    return code;
}

static enum err open_to_write(struct sqlite_engine *engine, bool create,
                              struct err_info *info)
{
    enum err code = store_file_claim(engine->path, create, &engine->lock_fd, info);
    if (!code)
        code = prepare(engine, info);
    return code ? code : write_queue_start(&engine->queue);
}

enum err sqlite_store_open(const struct store_settings *settings, struct store **out,
                           struct err_info *info)
{
    struct sqlite_engine *engine;
    *out = NULL;
    enum err code = new_engine(settings, &engine);
    if (code)
        return err_set(info, code, "The store cannot be opened: %s.", err_text(code));
    code = settings->read_only ? open_to_read(engine, info)
                               : open_to_write(engine, settings->create, info);
    if (code) {
        free_engine(engine);
        return err_finish(info, code);
    }
    *out = &engine->store;
    return ERR_OK;
}

static void close_engine(struct store *store)
{
    struct sqlite_engine *engine = sqlite_engine_of(store);
    /* Readers end before the last checkpoint, and the writer's connection ends last. */
    reader_pool_fini(&engine->readers);
    reader_pool_init(&engine->readers, engine->path);
    write_queue_stop(&engine->queue);
    free_engine(engine);
}

/* SPDX-License-Identifier: MIT */
/* A backup is VACUUM INTO on a connection of its own: one snapshot, read while others
 * write, into a file of another name that is synced and then given its own, so a backup
 * that is there is whole. It has a deadline, since a reader this long keeps the
 * write-ahead log growing.
 *
 * A check trusts nothing: the structure of the file by SQLite's integrity check, and then
 * every object by the checksums of its chunks and its SHA-256, since SQLite itself has no
 * checksum on its pages. */
#include "storage/sqlite/inspect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "storage/sqlite/sqlite_engine.h"
#include "storage/sqlite/store_file.h"
#include "storage/sqlite/object_reader.h"
#include "storage/sqlite/statement.h"

enum { INSTRUCTIONS_BETWEEN_LOOKS = 20000 };
static const double least_seconds = 60, slowest_bytes_per_second = 5e6;

/* ---- copies ---- */

static int is_late(void *deadline)
{
    return clock_monotonic() > *(const double *)deadline;
}

static enum err vacuum_into(struct database *connection, const char *to)
{
    struct statement query = statement_start(connection, "VACUUM INTO ?");
    statement_put_text(&query, to);
    return statement_run(&query);
}

static enum err copy_to(const char *from, const char *to, struct err_info *info)
{
    struct database connection;
    double deadline = clock_monotonic() + least_seconds +
                      (double)store_file_size(from, "") / slowest_bytes_per_second;
    enum err code = database_open(&connection, from, ROLE_TOOL, info);
    if (code)
        return code;
    sqlite3_progress_handler(connection.handle, INSTRUCTIONS_BETWEEN_LOOKS, is_late,
                             &deadline);
    code = vacuum_into(&connection, to);
    database_close(&connection);
    return code ? code : store_file_sync(to);
}

/* Without replacing what may have come there meanwhile. */
static enum err give_name(const char *temporary, const char *to)
{
    if (link(temporary, to) != 0)
        return access(to, F_OK) == 0 ? ERR_EXISTS : ERR_IO;
    unlink(temporary);
    return store_file_sync_folder(to);
}

enum err inspect_copy(const char *from, const char *to, struct err_info *info)
{
    char temporary[4096];
    int size = snprintf(temporary, sizeof temporary, "%s.part", to);
    if (!*to || size < 0 || (size_t)size >= sizeof temporary ||
        strncmp(to, "file:", 5) == 0 || to[0] == ':')
        return err_set(info, ERR_INVALID, "The copy's path is not usable.");
    if (access(to, F_OK) == 0)
        return err_set(info, ERR_EXISTS, "%s exists already; name a new file.", to);
    unlink(temporary);
    enum err code = copy_to(from, temporary, info);
    if (!code)
        code = give_name(temporary, to);
    if (code) {
        unlink(temporary);
        err_set(info, code, "The copy to %s could not be made: %s.", to, err_text(code));
    }
    return code;
}

/* No lock is taken: the reading connection sees one snapshot, whoever writes meanwhile.
 */
enum err sqlite_store_copy(const char *from, const char *to, struct err_info *info)
{
    enum err code = store_file_examine(from, info);
    return code ? err_finish(info, code) : inspect_copy(from, to, info);
}

enum err inspect_backup(struct store *store, const char *path, struct err_info *info)
{
    return inspect_copy(sqlite_engine_of(store)->path, path, info);
}

/* ---- checks ---- */

struct report {
    void (*tell)(void *context, const char *what);
    void *context;
    size_t damages;
};

static void tell(struct report *report, const char *what)
{
    report->damages++;
    if (report->tell)
        report->tell(report->context, what);
}

static enum err check_structure(struct sqlite_engine *engine, struct report *report,
                                struct err_info *info)
{
    struct database connection;
    enum err code = database_open(&connection, engine->path, ROLE_TOOL, info);
    if (code)
        return code;
    struct statement query = statement_start(&connection, "PRAGMA integrity_check(20)");
    while (statement_next(&query)) {
        char line[300];
        statement_copy(&query, 0, line, sizeof line);
        if (strcmp(line, "ok") != 0)
            tell(report, line);
    }
    code = statement_end(&query);
    database_close(&connection);
    if (code == ERR_INTEGRITY)
        tell(report, "the structure of the file is damaged");
    return code == ERR_INTEGRITY ? ERR_OK : code;
}

struct owned {
    int64_t object;
    char owner[160]; /* "corpus news", "model news-3", "checkpoint 400 of job-…" */
};

struct inventory {
    struct owned *owned;
    size_t count, capacity;
};

static enum err take_inventory(struct database *connection, void *argument)
{
    struct inventory *inventory = argument;
    enum err code = ERR_OK;
    struct statement query = statement_start(
        connection,
        "SELECT object, 'corpus ' || name FROM corpus"
        " UNION ALL SELECT object, 'model ' || name FROM model"
        " UNION ALL SELECT object, 'checkpoint ' || checkpoint.step || ' of ' ||"
        " coalesce(job.id, 'no job') FROM checkpoint LEFT JOIN job"
        " ON job.serial = checkpoint.job"
        " UNION ALL SELECT model_index.object, 'index of model ' || model.name"
        " FROM model_index JOIN model ON model.serial = model_index.model"
        " UNION ALL SELECT object, iif(role = 0, 'text of ', 'answer of ') ||"
        " coalesce(job.id, 'no job') FROM job_object LEFT JOIN job"
        " ON job.serial = job_object.job");
    while (!code && statement_next(&query)) {
        code = memory_grow(&inventory->owned, &inventory->capacity, inventory->count + 1,
                           sizeof *inventory->owned);
        if (code)
            break;
        struct owned *owned = &inventory->owned[inventory->count++];
        owned->object = statement_integer(&query, 0);
        statement_copy(&query, 1, owned->owner, sizeof owned->owner);
    }
    enum err ended = statement_end(&query);
    return code ? code : ended;
}

struct presence {
    int64_t object;
    bool named;
};

static enum err still_named(struct database *connection, void *argument)
{
    struct presence *presence = argument;
    struct statement query = statement_start(
        connection, "SELECT 1 FROM corpus WHERE object = ?1"
                    " UNION ALL SELECT 1 FROM model WHERE object = ?1"
                    " UNION ALL SELECT 1 FROM model_index WHERE object = ?1"
                    " UNION ALL SELECT 1 FROM checkpoint WHERE object = ?1"
                    " UNION ALL SELECT 1 FROM job_object WHERE object = ?1");
    statement_put_integer(&query, presence->object);
    presence->named = statement_next(&query);
    return statement_end(&query);
}

/* An object that is gone is damage only if something still names it. */
static enum err check_missing(struct store *store, const struct owned *owned,
                              struct report *report)
{
    char line[240];
    struct presence presence = {.object = owned->object};
    enum err code = sqlite_engine_read(store, still_named, &presence);
    if (!code && presence.named) {
        snprintf(line, sizeof line, "%s: its object %lld is missing", owned->owner,
                 (long long)owned->object);
        tell(report, line);
    }
    return code;
}

static enum err check_object(struct store *store, const struct owned *owned,
                             struct report *report)
{
    char line[240];
    struct store_object *object;
    int64_t chunk = -1;
    enum err code = object_reader_open(store, owned->object, &object);
    if (code == ERR_NOT_FOUND)
        return check_missing(store, owned, report);
    if (!code) {
        code = object_reader_verify(object, &chunk);
        object_reader_close(object);
    }
    if (code != ERR_INTEGRITY)
        return code;
    if (chunk >= 0)
        snprintf(line, sizeof line, "%s: object %lld, chunk %lld fails its checksum",
                 owned->owner, (long long)owned->object, (long long)chunk);
    else
        snprintf(line, sizeof line, "%s: object %lld does not match its SHA-256",
                 owned->owner, (long long)owned->object);
    tell(report, line);
    return ERR_OK;
}

enum err inspect_check(struct store *store, void (*told)(void *context, const char *what),
                       void *context, struct err_info *info)
{
    struct report report = {told, context, 0};
    struct inventory inventory = {0};
    enum err code = check_structure(sqlite_engine_of(store), &report, info);
    if (!code)
        code = sqlite_engine_read(store, take_inventory, &inventory);
    for (size_t i = 0; !code && i < inventory.count; i++)
        code = check_object(store, &inventory.owned[i], &report);
    free(inventory.owned);
    if (!code && report.damages > 0)
        code = err_set(info, ERR_INTEGRITY, "%zu damaged place%s found in the store.",
                       report.damages, report.damages == 1 ? " was" : "s were");
    return err_finish(info, code);
}

/* ---- figures ---- */

static enum err count_rows(struct database *connection, void *argument)
{
    struct store_stats *stats = argument;
    struct statement query = statement_start(
        connection, "SELECT (SELECT count(*) FROM object) -"
                    " (SELECT count(*) FROM object WHERE state <> 1),"
                    " (SELECT coalesce(sum(bytes), 0) FROM object WHERE state = 1),"
                    " (SELECT count(*) FROM object WHERE state = 0),"
                    " (SELECT count(*) FROM corpus), (SELECT count(*) FROM model),"
                    " (SELECT count(*) FROM job)");
    if (statement_next(&query)) {
        stats->objects = statement_unsigned(&query, 0);
        stats->object_bytes = statement_unsigned(&query, 1);
        stats->staging_objects = statement_unsigned(&query, 2);
        stats->corpora = statement_unsigned(&query, 3);
        stats->models = statement_unsigned(&query, 4);
        stats->jobs = statement_unsigned(&query, 5);
    }
    return statement_end(&query);
}

enum err inspect_stats(struct store *store, struct store_stats *stats)
{
    struct sqlite_engine *engine = sqlite_engine_of(store);
    stats->file_bytes = store_file_size(engine->path, "");
    stats->wal_bytes = store_file_size(engine->path, "-wal");
    stats->writer_queue = write_queue_length(&engine->queue);
    stats->commits = atomic_load(&engine->queue.commits);
    stats->writes = atomic_load(&engine->queue.writes);
    stats->failed = atomic_load(&engine->queue.failed);
    return sqlite_engine_read(store, count_rows, stats);
}

/* SPDX-License-Identifier: MIT */
/* The shape of a store is counted by user_version. A migration is one transaction, so it
 * happened wholly or not at all; and since a wrong step could still do harm, an existing
 * store is copied first. */
#include "storage/sqlite/migrate.h"

#include <stdio.h>

#include "storage/sqlite/inspect.h"

int64_t migrate_version(const char *const *steps)
{
    int64_t version = 0;
    while (steps[version])
        version++;
    return version;
}

static enum err copy_first(const char *path, int64_t wanted, struct err_info *info)
{
    char copy[4096];
    int size = snprintf(copy, sizeof copy, "%s.before-v%lld", path, (long long)wanted);
    if (size < 0 || (size_t)size >= sizeof copy)
        return err_set(info, ERR_LIMIT, "The path of the store is too long.");
    enum err code = inspect_copy(path, copy, info);
    /* A copy is there already when an earlier try was cut off after it. */
    return code == ERR_EXISTS ? ERR_OK : code;
}

static enum err run_steps(struct database *connection, const char *const *steps,
                          int64_t version)
{
    char pragma[64];
    enum err code = database_run(connection, "BEGIN IMMEDIATE");
    for (; !code && steps[version]; version++)
        code = database_run(connection, steps[version]);
    snprintf(pragma, sizeof pragma, "PRAGMA user_version=%lld", (long long)version);
    if (!code)
        code = database_run(connection, pragma);
    if (!code)
        code = database_run(connection, "COMMIT");
    if (code && !sqlite3_get_autocommit(connection->handle)) {
        enum err ignored = database_run(connection, "ROLLBACK");
        (void)ignored;
    }
    return code;
}

enum err migrate_run(struct database *connection, const char *path,
                     const char *const *steps, struct err_info *info)
{
    int64_t version = 0, wanted = migrate_version(steps);
    struct err_info none = {.code = ERR_OK}, *detail = info ? info : &none;
    enum err code = database_integer(connection, "PRAGMA user_version", &version);
    if (code || version == wanted)
        return code;
    if (version < 0 || version > wanted)
        return err_set(info, ERR_WRONG_STORE,
                       "%s was written by a newer version of firthd (its format is %lld, "
                       "this program knows up to %lld); use that version.",
                       path, (long long)version, (long long)wanted);
    if (version > 0)
        code = copy_first(path, wanted, detail);
    if (!code)
        code = run_steps(connection, steps, version);
    if (code)
        err_set(info, code,
                "%s could not be brought to format %lld: %s. It is unchanged.", path,
                (long long)wanted, err_text(code));
    return code;
}

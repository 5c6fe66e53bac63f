/* SPDX-License-Identifier: MIT */
/* Opening a connection with everything off that the store does not use, so that a file
 * made by somebody hostile can do no more than fail; keeping prepared statements; and
 * sorting SQLite's error codes by what must happen next.
 *
 * A failed sync or write (FATAL) is never tried again: after it the kernel may have
 * dropped the pages while reporting later syncs as fine. A full disk is different: SQLite
 * has rolled back, nothing is lost, and it heals when there is space again. */
#include "storage/sqlite/database.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool is_space(int errno_value)
{
    return errno_value == ENOSPC || errno_value == EDQUOT || errno_value == EFBIG;
}

static bool is_sync(int code)
{
    return code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC ||
           code == SQLITE_IOERR_TRUNCATE || code == SQLITE_IOERR_CLOSE;
}

static enum err meaning(const struct database *connection)
{
    int code = connection->fault;
    switch (code & 0xff) {
    case SQLITE_FULL:
        return ERR_NO_SPACE;
    case SQLITE_NOMEM:
        return ERR_NO_MEMORY;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_UNAVAILABLE;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_INTEGRITY;
    case SQLITE_INTERRUPT:
        return ERR_TIMEOUT;
    case SQLITE_TOOBIG:
        return ERR_LIMIT;
    case SQLITE_CANTOPEN:
        return is_space(connection->fault_errno) ? ERR_NO_SPACE : ERR_IO;
    case SQLITE_IOERR:
        if (code == SQLITE_IOERR_NOMEM)
            return ERR_NO_MEMORY;
        return is_space(connection->fault_errno) && !is_sync(code) ? ERR_NO_SPACE
                                                                   : ERR_IO;
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return ERR_IO;
    default:
        return ERR_INTERNAL;
    }
}

enum err database_failed(struct database *connection, int code)
{
    if (!connection->fault) {
        int extended =
            connection->handle ? sqlite3_extended_errcode(connection->handle) : code;
        connection->fault = (extended & 0xff) == (code & 0xff) ? extended : code;
        connection->fault_errno =
            (code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN
                ? sqlite3_system_errno(connection->handle)
                : 0;
    }
    return meaning(connection);
}

void database_forgive(struct database *connection)
{
    connection->fault = 0;
    connection->fault_errno = 0;
}

enum database_verdict database_judge(const struct database *connection)
{
    int code = connection->fault;
    if (code == 0)
        return VERDICT_FINE;
    switch (meaning(connection)) {
    case ERR_NO_SPACE:
    case ERR_NO_MEMORY:
        return VERDICT_RETRY;
    case ERR_UNAVAILABLE:
        return VERDICT_BUSY;
    case ERR_IO:
        return code == SQLITE_IOERR_READ || code == SQLITE_IOERR_SHORT_READ
                   ? VERDICT_RETRY
                   : VERDICT_FATAL;
    default:
        return VERDICT_FINE;
    }
}

sqlite3_stmt *database_statement(struct database *connection, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    for (size_t i = 0; i < connection->cached; i++)
        if (connection->cache[i].sql == sql)
            return connection->cache[i].statement;
    if (connection->cached == DATABASE_STATEMENTS_MAX) {
        connection->fault = connection->fault ? connection->fault : SQLITE_INTERNAL;
        return NULL;
    }
    int code = sqlite3_prepare_v3(connection->handle, sql, -1, SQLITE_PREPARE_PERSISTENT,
                                  &statement, NULL);
    if (code != SQLITE_OK) {
        database_failed(connection, code);
        return NULL;
    }
    connection->cache[connection->cached].sql = sql;
    connection->cache[connection->cached++].statement = statement;
    return statement;
}

enum err database_run(struct database *connection, const char *sql)
{
    int code = sqlite3_exec(connection->handle, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? ERR_OK : database_failed(connection, code);
}

enum err database_integer(struct database *connection, const char *sql, int64_t *value)
{
    sqlite3_stmt *statement;
    *value = 0;
    int code = sqlite3_prepare_v2(connection->handle, sql, -1, &statement, NULL);
    if (code != SQLITE_OK)
        return database_failed(connection, code);
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *value = sqlite3_column_int64(statement, 0);
    enum err result = code == SQLITE_ROW || code == SQLITE_DONE
                          ? ERR_OK
                          : database_failed(connection, code);
    sqlite3_finalize(statement);
    return result;
}

static void set_limits(sqlite3 *handle, enum database_role role)
{
    sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    sqlite3_limit(handle, SQLITE_LIMIT_LENGTH, DATABASE_VALUE_MAX);
    sqlite3_limit(handle, SQLITE_LIMIT_SQL_LENGTH, 100000);
    sqlite3_limit(handle, SQLITE_LIMIT_COLUMN, 64);
    sqlite3_limit(handle, SQLITE_LIMIT_EXPR_DEPTH, 40);
    sqlite3_limit(handle, SQLITE_LIMIT_COMPOUND_SELECT, 10);
    sqlite3_limit(handle, SQLITE_LIMIT_VARIABLE_NUMBER, 64);
    sqlite3_limit(handle, SQLITE_LIMIT_TRIGGER_DEPTH, 1);
    sqlite3_limit(handle, SQLITE_LIMIT_WORKER_THREADS, 0);
    sqlite3_limit(handle, SQLITE_LIMIT_ATTACHED, role == ROLE_TOOL ? 1 : 0);
    sqlite3_busy_timeout(handle, DATABASE_BUSY_MS);
}

#define COMMON_PRAGMAS                                                                   \
    "PRAGMA cell_size_check=ON; PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY;"           \
    "PRAGMA wal_autocheckpoint=0;"

static const char *role_pragmas(enum database_role role)
{
    switch (role) {
    case ROLE_WRITER:
        return COMMON_PRAGMAS
            "PRAGMA foreign_keys=ON; PRAGMA cache_size=-8192; PRAGMA secure_delete=FAST;"
            "PRAGMA synchronous=FULL; PRAGMA journal_size_limit=67108864;";
    case ROLE_READER:
        return COMMON_PRAGMAS "PRAGMA query_only=ON; PRAGMA cache_size=-2048;";
    case ROLE_TOOL:
        return COMMON_PRAGMAS "PRAGMA cache_size=-8192;";
    case ROLE_MAKER:
        return COMMON_PRAGMAS "PRAGMA synchronous=FULL;";
    }
    return COMMON_PRAGMAS;
}

enum err database_open(struct database *connection, const char *path,
                       enum database_role role, struct err_info *info)
{
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                (role == ROLE_READER || role == ROLE_TOOL ? SQLITE_OPEN_READONLY
                                                          : SQLITE_OPEN_READWRITE);
    *connection = (struct database){.handle = NULL};
    int code = sqlite3_open_v2(path, &connection->handle, flags, NULL);
    if (code != SQLITE_OK) {
        enum err failure = database_failed(connection, code);
        err_set(info, failure, "The store %s cannot be opened: %s.", path,
                sqlite3_errstr(code));
        database_close(connection);
        return failure;
    }
    set_limits(connection->handle, role);
    database_empty_log_at_close(connection, role == ROLE_MAKER);
    enum err failure = database_run(connection, role_pragmas(role));
    if (failure) {
        err_set(info, failure, "The store %s cannot be read: %s.", path,
                sqlite3_errmsg(connection->handle));
        database_close(connection);
    }
    return failure;
}

void database_empty_log_at_close(struct database *connection, bool empty)
{
    sqlite3_db_config(connection->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !empty, NULL);
}

void database_close(struct database *connection)
{
    for (size_t i = 0; i < connection->cached; i++)
        sqlite3_finalize(connection->cache[i].statement);
    connection->cached = 0;
    if (connection->handle)
        sqlite3_close(connection->handle);
    connection->handle = NULL;
}

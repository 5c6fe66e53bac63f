/* SPDX-License-Identifier: MIT */
/* One hardened SQLite connection with its prepared statements, and what its error codes
 * mean to the store. Used by one thread at a time. */
#ifndef FIRTH_STORAGE_SQLITE_DATABASE_H
#define FIRTH_STORAGE_SQLITE_DATABASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sqlite3.h>

#include "base/err.h"

#define DATABASE_STATEMENTS_MAX 160u
enum {
    DATABASE_BUSY_MS = 4000,      /* a foreign lock is waited for this long */
    DATABASE_VALUE_MAX = 16 << 20 /* bytes of one value or row */
};

struct database {
    sqlite3 *handle;
    int fault;       /* the first SQLite error (extended) since database_forgive */
    int fault_errno; /* errno of the system call behind it, 0 when none */
    struct {
        const char *sql; /* compared by address: a literal of the calling code */
        sqlite3_stmt *statement;
    } cache[DATABASE_STATEMENTS_MAX];
    size_t cached;
};

/* WRITER: the one that changes things. READER: statement_only. TOOL: opened read-only,
 * for long work on one snapshot (backup, check). MAKER: makes the file. */
enum database_role { ROLE_WRITER, ROLE_READER, ROLE_TOOL, ROLE_MAKER };

/* A WRITER leaves the log alone when it is closed, unless database_empty_log_at_close. */
MUST_CHECK enum err database_open(struct database *connection, const char *path,
                                  enum database_role role, struct err_info *info);
void database_close(struct database *connection);
void database_empty_log_at_close(struct database *connection, bool empty);

/* The statement for `sql` (a string literal), kept for the next time; NULL on failure. */
sqlite3_stmt *database_statement(struct database *connection, const char *sql);

/* Runs a script without results. */
MUST_CHECK enum err database_run(struct database *connection, const char *sql);

/* The first value of the first row of a query without parameters. */
MUST_CHECK enum err database_integer(struct database *connection, const char *sql,
                                     int64_t *value);

/* Notes what SQLite answered and returns its meaning; `code` is neither OK, ROW nor DONE.
 */
enum err database_failed(struct database *connection, int code);
void database_forgive(struct database *connection);

/* What the noted fault asks of the writer. */
enum database_verdict {
    VERDICT_FINE,  /* no fault, or one of that operation alone */
    VERDICT_RETRY, /* the transaction is spoilt (no space, no memory), the file is not */
    VERDICT_BUSY,  /* somebody else holds the lock */
    VERDICT_FATAL  /* a write or sync failed: what is on disk is unknown */
};
enum database_verdict database_judge(const struct database *connection);

#endif

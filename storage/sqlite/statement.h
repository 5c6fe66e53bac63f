/* SPDX-License-Identifier: MIT */
/* Putting values into a statement and rows out of it. The first error sticks, so a run of
 * calls is checked once, by statement_end:
 *     struct statement query = statement_start(connection, "SELECT … WHERE name = ?");
 *     statement_put_text(&query, name);
 *     if (statement_next(&query)) … statement_integer(&query, 0) …
 *     return statement_end(&query);
 * Texts put in must live until statement_end. A statement is not started again before its
 * end. */
#ifndef FIRTH_STORAGE_SQLITE_STATEMENT_H
#define FIRTH_STORAGE_SQLITE_STATEMENT_H

#include <stddef.h>
#include <stdint.h>

#include "storage/sqlite/database.h"

struct statement {
    struct database *connection;
    sqlite3_stmt *statement; /* borrowed; NULL after a failed start */
    enum err failed;
    int put; /* parameters given so far */
};

struct statement statement_start(struct database *connection, const char *sql);
void statement_put_integer(struct statement *query, int64_t value);
void statement_put_unsigned(struct statement *query, uint64_t value); /* as its 64 bits */
void statement_put_real(struct statement *query, double value); /* NAN becomes NULL */
void statement_put_text(struct statement *query,
                        const char *text); /* NULL becomes NULL */
void statement_put_bytes(struct statement *query, const void *bytes, size_t size);

/* True when there is a (next) row. */
bool statement_next(struct statement *query);
int64_t statement_integer(struct statement *query, int column);
uint64_t statement_unsigned(struct statement *query, int column);
double statement_real(struct statement *query, int column); /* NULL becomes NAN */
bool statement_is_null(struct statement *query, int column);
/* Copies a text into a fixed field, cut when too long. */
void statement_copy(struct statement *query, int column, char *field, size_t size);
/* A new copy of a text; NULL for NULL. */
char *statement_text(struct statement *query, int column);
/* Borrowed until the next statement_next or statement_end. */
const void *statement_bytes(struct statement *query, int column, size_t *size);

enum err statement_end(struct statement *query);
/* Runs a statement without results to its end. */
MUST_CHECK enum err statement_run(struct statement *query);

/* Where a page of a list, newest first, begins: the serial number that `sql` finds for
 * the name `after`, INT64_MAX for "", or the error `absent`. */
MUST_CHECK enum err statement_page_start(struct database *connection, const char *sql,
                                         const char *after, enum err absent,
                                         int64_t *serial);

#endif

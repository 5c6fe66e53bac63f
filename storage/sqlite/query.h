/* SPDX-License-Identifier: MIT */
/* Putting values into a statement and rows out of it. The first error sticks, so a run of
 * calls is checked once, by query_end:
 *     struct query query = query_start(connection, "SELECT … WHERE name = ?");
 *     query_put_text(&query, name);
 *     if (query_next(&query)) … query_integer(&query, 0) …
 *     return query_end(&query);
 * Texts put in must live until query_end. A statement is not started again before its
 * end. */
#ifndef FIRTH_STORAGE_SQLITE_QUERY_H
#define FIRTH_STORAGE_SQLITE_QUERY_H

#include <stddef.h>
#include <stdint.h>

#include "storage/sqlite/connection.h"

struct query {
    struct connection *connection;
    sqlite3_stmt *statement; /* borrowed; NULL after a failed start */
    enum err failed;
    int put; /* parameters given so far */
};

struct query query_start(struct connection *connection, const char *sql);
void query_put_integer(struct query *query, int64_t value);
void query_put_unsigned(struct query *query, uint64_t value); /* as its 64 bits */
void query_put_real(struct query *query, double value);       /* NAN becomes NULL */
void query_put_text(struct query *query, const char *text);   /* NULL becomes NULL */
void query_put_bytes(struct query *query, const void *bytes, size_t size);

/* True when there is a (next) row. */
bool query_next(struct query *query);
int64_t query_integer(struct query *query, int column);
uint64_t query_unsigned(struct query *query, int column);
double query_real(struct query *query, int column); /* NULL becomes NAN */
bool query_is_null(struct query *query, int column);
/* Copies a text into a fixed field, cut when too long. */
void query_copy(struct query *query, int column, char *field, size_t size);
/* A new copy of a text; NULL for NULL. */
char *query_text(struct query *query, int column);
/* Borrowed until the next query_next or query_end. */
const void *query_bytes(struct query *query, int column, size_t *size);

enum err query_end(struct query *query);
/* Runs a statement without results to its end. */
MUST_CHECK enum err query_run(struct query *query);

#endif

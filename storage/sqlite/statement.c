/* SPDX-License-Identifier: MIT */
/* Binding, stepping and reading with one sticky error. */
#include "storage/sqlite/statement.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct statement statement_start(struct database *connection, const char *sql)
{
    struct statement query = {connection, database_statement(connection, sql), ERR_OK, 0};
    if (!query.statement)
        query.failed = database_failed(connection, connection->fault);
    return query;
}

static void settle(struct statement *query, int code)
{
    if (code != SQLITE_OK && !query->failed)
        query->failed = database_failed(query->connection, code);
}

void statement_put_integer(struct statement *query, int64_t value)
{
    if (!query->failed)
        settle(query, sqlite3_bind_int64(query->statement, ++query->put, value));
}

void statement_put_unsigned(struct statement *query, uint64_t value)
{
    statement_put_integer(query, (int64_t)value);
}

void statement_put_real(struct statement *query, double value)
{
    if (!query->failed)
        settle(query, isnan(value)
                          ? sqlite3_bind_null(query->statement, ++query->put)
                          : sqlite3_bind_double(query->statement, ++query->put, value));
}

void statement_put_text(struct statement *query, const char *text)
{
    if (!query->failed)
        settle(query, text ? sqlite3_bind_text(query->statement, ++query->put, text, -1,
                                               SQLITE_STATIC)
                           : sqlite3_bind_null(query->statement, ++query->put));
}

void statement_put_bytes(struct statement *query, const void *bytes, size_t size)
{
    if (!query->failed)
        settle(query, sqlite3_bind_blob64(query->statement, ++query->put,
                                          size ? bytes : "", size, SQLITE_STATIC));
}

bool statement_next(struct statement *query)
{
    if (query->failed)
        return false;
    int code = sqlite3_step(query->statement);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        settle(query, code);
    return code == SQLITE_ROW;
}

int64_t statement_integer(struct statement *query, int column)
{
    return sqlite3_column_int64(query->statement, column);
}

uint64_t statement_unsigned(struct statement *query, int column)
{
    return (uint64_t)sqlite3_column_int64(query->statement, column);
}

double statement_real(struct statement *query, int column)
{
    return statement_is_null(query, column)
               ? (double)NAN
               : sqlite3_column_double(query->statement, column);
}

bool statement_is_null(struct statement *query, int column)
{
    return sqlite3_column_type(query->statement, column) == SQLITE_NULL;
}

void statement_copy(struct statement *query, int column, char *field, size_t size)
{
    const char *text = (const char *)sqlite3_column_text(query->statement, column);
    size_t length = text ? strnlen(text, size - 1) : 0;
    if (length > 0)
        memcpy(field, text, length);
    field[length] = '\0';
}

char *statement_text(struct statement *query, int column)
{
    if (statement_is_null(query, column))
        return NULL;
    const char *text = (const char *)sqlite3_column_text(query->statement, column);
    char *copy = text ? strdup(text) : NULL;
    if (!copy && !query->failed)
        query->failed = ERR_NO_MEMORY;
    return copy;
}

const void *statement_bytes(struct statement *query, int column, size_t *size)
{
    const void *bytes = sqlite3_column_blob(query->statement, column);
    *size = (size_t)sqlite3_column_bytes(query->statement, column);
    return bytes;
}

enum err statement_end(struct statement *query)
{
    if (query->statement) {
        sqlite3_reset(query->statement);
        sqlite3_clear_bindings(query->statement);
    }
    query->statement = NULL;
    return query->failed;
}

enum err statement_run(struct statement *query)
{
    while (statement_next(query))
        ;
    return statement_end(query);
}

enum err statement_page_start(struct database *connection, const char *sql,
                              const char *after, enum err absent, int64_t *serial)
{
    *serial = INT64_MAX;
    if (!*after)
        return ERR_OK;
    struct statement query = statement_start(connection, sql);
    statement_put_text(&query, after);
    bool found = statement_next(&query);
    if (found)
        *serial = statement_integer(&query, 0);
    enum err code = statement_end(&query);
    return code ? code : found ? ERR_OK : absent;
}

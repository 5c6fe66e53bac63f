/* SPDX-License-Identifier: MIT */
/* Binding, stepping and reading with one sticky error. */
#include "storage/sqlite/query.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct query query_start(struct connection *connection, const char *sql)
{
    struct query query = {connection, connection_statement(connection, sql), ERR_OK, 0};
    if (!query.statement)
        query.failed = connection_failed(connection, connection->fault);
    return query;
}

static void settle(struct query *query, int code)
{
    if (code != SQLITE_OK && !query->failed)
        query->failed = connection_failed(query->connection, code);
}

void query_put_integer(struct query *query, int64_t value)
{
    if (!query->failed)
        settle(query, sqlite3_bind_int64(query->statement, ++query->put, value));
}

void query_put_unsigned(struct query *query, uint64_t value)
{
    query_put_integer(query, (int64_t)value);
}

void query_put_real(struct query *query, double value)
{
    if (!query->failed)
        settle(query, isnan(value)
                          ? sqlite3_bind_null(query->statement, ++query->put)
                          : sqlite3_bind_double(query->statement, ++query->put, value));
}

void query_put_text(struct query *query, const char *text)
{
    if (!query->failed)
        settle(query, text ? sqlite3_bind_text(query->statement, ++query->put, text, -1,
                                               SQLITE_STATIC)
                           : sqlite3_bind_null(query->statement, ++query->put));
}

void query_put_bytes(struct query *query, const void *bytes, size_t size)
{
    if (!query->failed)
        settle(query, sqlite3_bind_blob64(query->statement, ++query->put,
                                          size ? bytes : "", size, SQLITE_STATIC));
}

bool query_next(struct query *query)
{
    if (query->failed)
        return false;
    int code = sqlite3_step(query->statement);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        settle(query, code);
    return code == SQLITE_ROW;
}

int64_t query_integer(struct query *query, int column)
{
    return sqlite3_column_int64(query->statement, column);
}

uint64_t query_unsigned(struct query *query, int column)
{
    return (uint64_t)sqlite3_column_int64(query->statement, column);
}

double query_real(struct query *query, int column)
{
    return query_is_null(query, column) ? (double)NAN
                                        : sqlite3_column_double(query->statement, column);
}

bool query_is_null(struct query *query, int column)
{
    return sqlite3_column_type(query->statement, column) == SQLITE_NULL;
}

void query_copy(struct query *query, int column, char *field, size_t size)
{
    const char *text = (const char *)sqlite3_column_text(query->statement, column);
    size_t length = text ? strnlen(text, size - 1) : 0;
    if (length > 0)
        memcpy(field, text, length);
    field[length] = '\0';
}

char *query_text(struct query *query, int column)
{
    if (query_is_null(query, column))
        return NULL;
    const char *text = (const char *)sqlite3_column_text(query->statement, column);
    char *copy = text ? strdup(text) : NULL;
    if (!copy && !query->failed)
        query->failed = ERR_NO_MEMORY;
    return copy;
}

const void *query_bytes(struct query *query, int column, size_t *size)
{
    const void *bytes = sqlite3_column_blob(query->statement, column);
    *size = (size_t)sqlite3_column_bytes(query->statement, column);
    return bytes;
}

enum err query_end(struct query *query)
{
    if (query->statement) {
        sqlite3_reset(query->statement);
        sqlite3_clear_bindings(query->statement);
    }
    query->statement = NULL;
    return query->failed;
}

enum err query_run(struct query *query)
{
    while (query_next(query))
        ;
    return query_end(query);
}

/* SPDX-License-Identifier: MIT */
/* A corpus is a row that names an object. Replacing one is a delete and an insert in one
 * transaction; the old object lives on for those who have it open. A replaced corpus
 * counts as new and comes first in the list. */
#include "storage/sqlite/corpus_table.h"

#include <string.h>

#include "base/clock.h"
#include "storage/sqlite/statement.h"
#include "storage/sqlite/object_upload.h"

struct commit {
    struct store_upload *upload;
    const char *name;
    enum corpus_kind kind;
    uint64_t lines;
    struct corpus_row row;
    bool replaced;
    uint64_t freed;
};

/* Takes the row called `name` away and unlinks its object. */
static enum err remove_row(struct database *connection, const char *name, bool *was_there,
                           uint64_t *freed)
{
    int64_t object = 0;
    struct statement query =
        statement_start(connection, "DELETE FROM corpus WHERE name = ? RETURNING object");
    statement_put_text(&query, name);
    *was_there = false;
    while (statement_next(&query)) {
        *was_there = true;
        object = statement_integer(&query, 0);
    }
    enum err code = statement_end(&query);
    return code || !*was_there ? code : object_drops_unlink(connection, object, freed);
}

static enum err insert_row(struct database *connection, const struct corpus_row *row)
{
    struct statement query = statement_start(
        connection, "INSERT INTO corpus (name, kind, lines, created_ms, object)"
                    " VALUES (?, ?, ?, ?, ?)");
    statement_put_text(&query, row->name);
    statement_put_integer(&query, row->kind);
    statement_put_unsigned(&query, row->lines);
    statement_put_integer(&query, row->created_ms);
    statement_put_integer(&query, row->object);
    return statement_run(&query);
}

static enum err commit_work(struct database *connection, void *argument,
                            struct err_info *info)
{
    struct commit *commit = argument;
    struct object_upload_object object;
    (void)info;
    commit->freed = 0;
    enum err code = object_upload_make_ready(connection, commit->upload, &object);
    if (!code)
        code = remove_row(connection, commit->name, &commit->replaced, &commit->freed);
    if (code)
        return code;
    commit->row = (struct corpus_row){.kind = commit->kind,
                                      .bytes = object.bytes,
                                      .lines = commit->lines,
                                      .created_ms = clock_wall_ms(),
                                      .object = object.object};
    memcpy(commit->row.name, commit->name, strlen(commit->name) + 1);
    memcpy(commit->row.sha256, object.sha256, sizeof object.sha256);
    return insert_row(connection, &commit->row);
}

enum err corpus_table_commit(struct store_upload *upload, const char *name,
                             enum corpus_kind kind, uint64_t lines,
                             struct corpus_row *row, bool *replaced,
                             struct err_info *info)
{
    struct commit commit = {.upload = upload, .name = name, .kind = kind, .lines = lines};
    uint64_t quota = sqlite_engine_of(upload->store)->corpus_bytes,
             size = object_upload_size(upload);
    if (quota && size > quota) {
        object_upload_abort(upload);
        return err_set(info, ERR_LIMIT,
                       "A corpus may have %llu bytes here; this one has %llu.",
                       (unsigned long long)quota, (unsigned long long)size);
    }
    enum err code =
        object_upload_commit(upload, commit_work, &commit, &commit.freed, info);
    if (!code) {
        *row = commit.row;
        *replaced = commit.replaced;
    }
    return code;
}

#define COLUMNS                                                                          \
    "name, kind, sha256, bytes, lines, created_ms, object"                               \
    " FROM corpus JOIN object ON object.id = corpus.object "

static void read_row(struct statement *query, struct corpus_row *row)
{
    *row = (struct corpus_row){.kind = (enum corpus_kind)statement_integer(query, 1),
                               .bytes = statement_unsigned(query, 3),
                               .lines = statement_unsigned(query, 4),
                               .created_ms = statement_integer(query, 5),
                               .object = statement_integer(query, 6)};
    statement_copy(query, 0, row->name, sizeof row->name);
    statement_copy(query, 2, row->sha256, sizeof row->sha256);
}

struct get {
    const char *name;
    struct corpus_row *row;
};

static enum err get_work(struct database *connection, void *argument)
{
    struct get *get = argument;
    struct statement query =
        statement_start(connection, "SELECT " COLUMNS "WHERE name = ?");
    statement_put_text(&query, get->name);
    bool found = statement_next(&query);
    if (found)
        read_row(&query, get->row);
    enum err code = statement_end(&query);
    return code ? code : found ? ERR_OK : ERR_CORPUS_NOT_FOUND;
}

enum err corpus_table_get(struct store *store, const char *name, struct corpus_row *row)
{
    struct get get = {name, row};
    return sqlite_engine_read(store, get_work, &get);
}

struct list {
    const char *after;
    size_t limit;
    struct corpus_row *rows;
    size_t *count;
    bool *has_more;
};

static enum err list_work(struct database *connection, void *argument)
{
    struct list *list = argument;
    int64_t before;
    enum err code =
        statement_page_start(connection, "SELECT serial FROM corpus WHERE name = ?",
                             list->after, ERR_CORPUS_NOT_FOUND, &before);
    if (code)
        return code;
    struct statement query = statement_start(
        connection, "SELECT " COLUMNS "WHERE serial < ? ORDER BY serial DESC LIMIT ?");
    statement_put_integer(&query, before);
    statement_put_integer(&query, (int64_t)list->limit + 1);
    while (statement_next(&query)) {
        if (*list->count == list->limit) {
            *list->has_more = true;
            break;
        }
        read_row(&query, &list->rows[(*list->count)++]);
    }
    return statement_end(&query);
}

enum err corpus_table_list(struct store *store, const char *after, size_t limit,
                           struct corpus_row *rows, size_t *count, bool *has_more)
{
    struct list list = {after, limit, rows, count, has_more};
    return sqlite_engine_read(store, list_work, &list);
}

struct removal {
    const char *name;
    uint64_t freed;
};

static enum err is_in_use(struct database *connection, const char *name, bool *in_use)
{
    struct statement query = statement_start(
        connection, "SELECT 1 FROM job WHERE state IN (0, 1, 2) AND (corpus "
                    "= ?1 OR valid_corpus = ?1)"
                    " LIMIT 1");
    statement_put_text(&query, name);
    *in_use = statement_next(&query);
    return statement_end(&query);
}

static enum err delete_work(struct database *connection, void *argument,
                            struct err_info *info)
{
    struct removal *removal = argument;
    bool was_there = false, in_use = false;
    (void)info;
    removal->freed = 0;
    enum err code = remove_row(connection, removal->name, &was_there, &removal->freed);
    if (!code && !was_there)
        return ERR_CORPUS_NOT_FOUND;
    if (!code)
        code = is_in_use(connection, removal->name, &in_use);
    return code ? code : in_use ? ERR_IN_USE : ERR_OK;
}

enum err corpus_table_delete(struct store *store, const char *name)
{
    struct removal removal = {name, 0};
    struct sqlite_engine *engine = sqlite_engine_of(store);
    enum err code = sqlite_engine_write(store, delete_work, &removal, NULL);
    if (!code)
        sqlite_engine_freed(engine, removal.freed);
    return code;
}

enum err corpus_table_exists(struct database *connection, const char *name, bool *exists)
{
    struct statement query =
        statement_start(connection, "SELECT 1 FROM corpus WHERE name = ?");
    statement_put_text(&query, name);
    *exists = statement_next(&query);
    return statement_end(&query);
}

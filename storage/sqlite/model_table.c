/* SPDX-License-Identifier: MIT */
/* A model is a row that names an object, and aliases are further names that follow the
 * model's name: replacing the model under a name leaves its aliases in place, and moving
 * an alias is one row changed, so there is no moment at which it names nothing. A name is
 * either a model's or an alias, never both. */
#include "storage/sqlite/model_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "storage/sqlite/index_table.h"
#include "storage/sqlite/statement.h"
#include "storage/sqlite/object_upload.h"

/* ---- names ---- */

static enum err name_is_known(struct database *connection, const char *name, bool *model,
                              bool *alias)
{
    struct statement query =
        statement_start(connection, "SELECT EXISTS (SELECT 1 FROM model WHERE name = ?1),"
                                    " EXISTS (SELECT 1 FROM alias WHERE name = ?1)");
    statement_put_text(&query, name);
    *model = *alias = false;
    if (statement_next(&query)) {
        *model = statement_integer(&query, 0) != 0;
        *alias = statement_integer(&query, 1) != 0;
    }
    return statement_end(&query);
}

enum err model_table_name_is_free(struct database *connection, const char *name,
                                  struct err_info *info)
{
    bool model, alias;
    enum err code = name_is_known(connection, name, &model, &alias);
    if (code || (!model && !alias))
        return code;
    return err_set(info, ERR_EXISTS,
                   "%s named \"%s\" exists already; replace it or use "
                   "another name.",
                   model ? "A model" : "An alias", name);
}

static enum err drop_alias(struct database *connection, const char *name)
{
    struct statement query =
        statement_start(connection, "DELETE FROM alias WHERE name = ?");
    statement_put_text(&query, name);
    return statement_run(&query);
}

/* ---- putting in place ---- */

static enum err remove_row(struct database *connection, const char *name, bool *was_there,
                           uint64_t *freed)
{
    int64_t object = 0, serial = 0;
    struct statement query = statement_start(
        connection, "DELETE FROM model WHERE name = ? RETURNING object, serial");
    statement_put_text(&query, name);
    *was_there = false;
    while (statement_next(&query)) {
        *was_there = true;
        object = statement_integer(&query, 0);
        serial = statement_integer(&query, 1);
    }
    enum err code = statement_end(&query);
    if (!code && *was_there)
        code = object_drops_unlink(connection, object, freed);
    return code || !*was_there ? code : index_table_drop(connection, serial, freed);
}

static enum err insert_row(struct database *connection, const struct model_row *row,
                           const struct model_table_placed *placed)
{
    struct statement query = statement_start(
        connection, "INSERT INTO model (name, kind, parameters, vocab_size, created_ms,"
                    " object, job, spec, metrics, metadata)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    statement_put_text(&query, row->name);
    statement_put_text(&query, row->kind);
    statement_put_unsigned(&query, row->parameters);
    statement_put_integer(&query, row->vocab_size);
    statement_put_integer(&query, placed->created_ms);
    statement_put_integer(&query, placed->object);
    statement_put_text(&query, row->job);
    statement_put_text(&query, row->spec ? row->spec : "");
    statement_put_text(&query, row->metrics ? row->metrics : "");
    statement_put_text(&query, row->metadata ? row->metadata : "{}");
    return statement_run(&query);
}

enum err model_table_place(struct database *connection, struct store_upload *upload,
                           const struct model_row *row, bool replace,
                           struct model_table_placed *placed, uint64_t *freed,
                           struct err_info *info)
{
    struct object_upload_object object;
    bool was_there;
    enum err code =
        replace ? ERR_OK : model_table_name_is_free(connection, row->name, info);
    if (!code)
        code = object_upload_make_ready(connection, upload, &object);
    if (!code)
        code = remove_row(connection, row->name, &was_there, freed);
    if (!code)
        code = drop_alias(connection, row->name);
    if (code)
        return code;
    placed->object = object.object;
    placed->bytes = object.bytes;
    placed->created_ms = clock_wall_ms();
    memcpy(placed->digest, object.sha256, sizeof placed->digest);
    return insert_row(connection, row, placed);
}

void model_table_fill(struct model_row *row, const struct model_table_placed *placed)
{
    row->object = placed->object;
    row->bytes = placed->bytes;
    row->created_ms = placed->created_ms;
    memcpy(row->digest, placed->digest, sizeof row->digest);
}

struct commit {
    struct store_upload *upload;
    const struct model_row *row;
    bool replace;
    struct model_table_placed placed;
    uint64_t freed;
};

static enum err commit_work(struct database *connection, void *argument,
                            struct err_info *info)
{
    struct commit *commit = argument;
    commit->freed = 0;
    return model_table_place(connection, commit->upload, commit->row, commit->replace,
                             &commit->placed, &commit->freed, info);
}

enum err model_table_commit(struct store_upload *upload, struct model_row *row,
                            bool replace, struct err_info *info)
{
    struct commit commit = {.upload = upload, .row = row, .replace = replace};
    enum err code =
        object_upload_commit(upload, commit_work, &commit, &commit.freed, info);
    if (!code)
        model_table_fill(row, &commit.placed);
    return code;
}

/* ---- reading ---- */

#define COLUMNS                                                                          \
    "name, kind, object.sha256, object.bytes, parameters, vocab_size, created_ms,"       \
    " model.object, job, spec, metrics, metadata,"                                       \
    " coalesce(model_index.object, 0), coalesce(kept.bytes, 0)"                          \
    " FROM model JOIN object ON object.id = model.object"                                \
    " LEFT JOIN model_index ON model_index.model = model.serial"                         \
    " LEFT JOIN object AS kept ON kept.id = model_index.object "

static enum err read_row(struct statement *query, struct model_row *row)
{
    *row = (struct model_row){.bytes = statement_unsigned(query, 3),
                              .parameters = statement_unsigned(query, 4),
                              .vocab_size = (uint32_t)statement_integer(query, 5),
                              .created_ms = statement_integer(query, 6),
                              .object = statement_integer(query, 7),
                              .index_object = statement_integer(query, 12),
                              .index_bytes = statement_unsigned(query, 13)};
    statement_copy(query, 0, row->name, sizeof row->name);
    statement_copy(query, 1, row->kind, sizeof row->kind);
    statement_copy(query, 2, row->digest, sizeof row->digest);
    statement_copy(query, 8, row->job, sizeof row->job);
    row->spec = statement_text(query, 9);
    row->metrics = statement_text(query, 10);
    row->metadata = statement_text(query, 11);
    return query->failed;
}

static enum err read_aliases(struct database *connection, struct model_row *row)
{
    size_t capacity = 0;
    enum err code = ERR_OK;
    struct statement query = statement_start(
        connection, "SELECT name FROM alias WHERE model = ? ORDER BY name");
    statement_put_text(&query, row->name);
    while (!code && statement_next(&query)) {
        code = memory_grow(&row->aliases, &capacity, row->alias_count + 1,
                           sizeof *row->aliases);
        if (!code)
            statement_copy(&query, 0, row->aliases[row->alias_count++], STORE_NAME_SIZE);
    }
    enum err ended = statement_end(&query);
    return code ? code : ended;
}

struct get {
    const char *name;
    struct model_row *row;
};

static enum err get_work(struct database *connection, void *argument)
{
    struct get *get = argument;
    struct statement query = statement_start(
        connection, "SELECT " COLUMNS "WHERE name = coalesce("
                    "(SELECT model FROM alias WHERE alias.name = ?1), ?1)");
    statement_put_text(&query, get->name);
    bool found = statement_next(&query);
    enum err code = found ? read_row(&query, get->row) : ERR_OK;
    enum err ended = statement_end(&query);
    if (ended || code)
        return ended ? ended : code;
    return found ? read_aliases(connection, get->row) : ERR_MODEL_NOT_FOUND;
}

enum err model_table_get(struct store *store, const char *name, struct model_row *row)
{
    struct get get = {name, row};
    enum err code = sqlite_engine_read(store, get_work, &get);
    if (code)
        model_row_fini(row);
    return code;
}

struct list {
    const char *after;
    size_t limit;
    struct model_row *rows;
    size_t *count;
    bool *has_more;
};

static enum err list_rows(struct database *connection, struct list *list, int64_t before)
{
    enum err code = ERR_OK;
    struct statement query = statement_start(
        connection, "SELECT " COLUMNS "WHERE serial < ? ORDER BY serial DESC LIMIT ?");
    statement_put_integer(&query, before);
    statement_put_integer(&query, (int64_t)list->limit + 1);
    while (!code && statement_next(&query)) {
        if (*list->count == list->limit) {
            *list->has_more = true;
            break;
        }
        code = read_row(&query, &list->rows[(*list->count)++]);
    }
    enum err ended = statement_end(&query);
    return code ? code : ended;
}

static enum err list_work(struct database *connection, void *argument)
{
    struct list *list = argument;
    int64_t before;
    enum err code =
        statement_page_start(connection, "SELECT serial FROM model WHERE name = ?",
                             list->after, ERR_MODEL_NOT_FOUND, &before);
    if (!code)
        code = list_rows(connection, list, before);
    for (size_t i = 0; !code && i < *list->count; i++)
        code = read_aliases(connection, &list->rows[i]);
    return code;
}

enum err model_table_list(struct store *store, const char *after, size_t limit,
                          struct model_row *rows, size_t *count, bool *has_more)
{
    struct list list = {after, limit, rows, count, has_more};
    enum err code = sqlite_engine_read(store, list_work, &list);
    for (size_t i = 0; code && i < *count; i++)
        model_row_fini(&rows[i]);
    if (code)
        *count = 0;
    return code;
}

/* ---- changing ---- */

struct removal {
    const char *name;
    uint64_t freed;
};

static enum err delete_work(struct database *connection, void *argument,
                            struct err_info *info)
{
    struct removal *removal = argument;
    bool was_there;
    (void)info;
    removal->freed = 0;
    enum err code = remove_row(connection, removal->name, &was_there, &removal->freed);
    if (code || !was_there)
        return code ? code : ERR_MODEL_NOT_FOUND;
    struct statement query =
        statement_start(connection, "DELETE FROM alias WHERE model = ?");
    statement_put_text(&query, removal->name);
    return statement_run(&query);
}

enum err model_table_delete(struct store *store, const char *name)
{
    struct removal removal = {name, 0};
    struct sqlite_engine *engine = sqlite_engine_of(store);
    enum err code = sqlite_engine_write(store, delete_work, &removal, NULL);
    if (!code)
        sqlite_engine_freed(engine, removal.freed);
    return code;
}

struct patch {
    const char *name, *metadata;
    const char (*aliases)[STORE_NAME_SIZE];
    size_t alias_count;
};

static enum err put_alias(struct database *connection, const char *alias,
                          const char *model, struct err_info *info)
{
    bool is_model, is_alias;
    enum err code = name_is_known(connection, alias, &is_model, &is_alias);
    if (!code && is_model)
        return err_set_field(info, ERR_EXISTS, "/aliases",
                             "\"%s\" is the name of a model, so it cannot be an alias.",
                             alias);
    if (code)
        return code;
    struct statement query = statement_start(
        connection, "INSERT INTO alias (name, model) VALUES (?, ?)"
                    " ON CONFLICT (name) DO UPDATE SET model = excluded.model");
    statement_put_text(&query, alias);
    statement_put_text(&query, model);
    return statement_run(&query);
}

static enum err patch_aliases(struct database *connection, const struct patch *patch,
                              struct err_info *info)
{
    struct statement query =
        statement_start(connection, "DELETE FROM alias WHERE model = ?");
    statement_put_text(&query, patch->name);
    enum err code = statement_run(&query);
    for (size_t i = 0; !code && i < patch->alias_count; i++)
        code = put_alias(connection, patch->aliases[i], patch->name, info);
    return code;
}

static enum err patch_work(struct database *connection, void *argument,
                           struct err_info *info)
{
    const struct patch *patch = argument;
    struct statement query = statement_start(
        connection, "UPDATE model SET metadata = coalesce(?, metadata) WHERE name = ?");
    statement_put_text(&query, patch->metadata);
    statement_put_text(&query, patch->name);
    enum err code = statement_run(&query);
    if (!code && sqlite3_changes(connection->handle) == 0)
        return ERR_MODEL_NOT_FOUND;
    return code || !patch->aliases ? code : patch_aliases(connection, patch, info);
}

enum err model_table_patch(struct store *store, const char *name, const char *metadata,
                           const char (*aliases)[STORE_NAME_SIZE], size_t alias_count,
                           struct err_info *info)
{
    struct patch patch = {name, metadata, aliases, alias_count};
    return sqlite_engine_write(store, patch_work, &patch, info);
}

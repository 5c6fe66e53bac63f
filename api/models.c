/* SPDX-License-Identifier: MIT */
/* Models as resources. What a model is comes from the store; whether it is in memory,
 * from the registry. An alias moves in one transaction of the store, then the registry
 * forgets what names meant: requests that began before finish on the model they have. */
#include "api/models.h"

#include <stdlib.h>

#include "api/fields.h"
#include "api/print_train.h"
#include "api/resource.h"
#include "base/memory.h"
#include "server/server.h"

enum { ALIASES_MAX = 32, METADATA_MAX = 16384 };

enum err models_find(struct exchange *x, struct model_row *row, struct err_info *info)
{
    const char *name = NULL;
    enum err code = resource_name(x, &name, info);
    if (code)
        return code;
    code = store_model_get(exchange_server(x)->store, name, row);
    if (code == ERR_MODEL_NOT_FOUND)
        return err_set(info, code, REGISTRY_NO_MODEL, name);
    return code ? err_finish(info, code) : ERR_OK;
}

enum err models_reply(struct exchange *x, unsigned status, const struct model_row *row)
{
    struct buffer json;
    struct printer printer;
    buffer_init(&json, PRINTER_REPLY_MAX);
    printer_init(&printer, &json);
    print_model(&printer, row, registry_state(exchange_server(x)->registry, row->name));
    return resource_reply_tagged_take(x, status, &json);
}

enum err models_list(struct exchange *x, struct err_info *info)
{
    struct server *server = exchange_server(x);
    struct resource_page page;
    size_t count = 0;
    bool has_more = false;
    enum err code = resource_page_read(x, &page, info);
    if (code)
        return code;
    struct model_row *rows = memory_new_array(page.limit, sizeof *rows);
    if (!rows)
        return err_finish(info, ERR_NO_MEMORY);
    code =
        store_model_list(server->store, page.after, page.limit, rows, &count, &has_more);
    struct buffer json;
    struct printer printer;
    buffer_init(&json, PRINTER_REPLY_MAX);
    printer_init(&printer, &json);
    resource_list_open(&printer);
    for (size_t i = 0; i < count; i++)
        print_model(&printer, &rows[i], registry_state(server->registry, rows[i].name));
    resource_list_close(&printer, has_more, count ? rows[0].name : NULL,
                        count ? rows[count - 1].name : NULL);
    for (size_t i = 0; i < count; i++)
        model_row_fini(&rows[i]);
    free(rows);
    if (code) {
        buffer_fini(&json);
        return err_finish(info, code);
    }
    return resource_reply_tagged_take(x, 200, &json);
}

enum err models_get(struct exchange *x, struct err_info *info)
{
    struct model_row row = {0};
    enum err code = models_find(x, &row, info);
    if (code)
        return code;
    code = models_reply(x, 200, &row);
    model_row_fini(&row);
    return code;
}

enum err models_delete(struct exchange *x, struct err_info *info)
{
    struct server *server = exchange_server(x);
    struct model_row row = {0};
    enum err code = models_find(x, &row, info);
    if (code)
        return code;
    code = store_model_delete(server->store, row.name);
    if (!code)
        registry_forget(server->registry, row.name);
    model_row_fini(&row);
    return code ? err_finish(info, code) : exchange_reply_empty(x, 204);
}

/* ---- patch ---- */

static enum err read_aliases(json_t *array, char (*aliases)[STORE_NAME_SIZE],
                             struct field_errors *errors)
{
    enum err code = ERR_OK;
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *item = json_array_get(array, i);
        const char *text = json_string_value(item);
        char pointer[32];
        (void)snprintf(pointer, sizeof pointer, "/aliases/%zu", i);
        if (text && fields_is_name(text, json_string_length(item)))
            (void)snprintf(aliases[i], STORE_NAME_SIZE, "%s", text);
        else
            code = field_errors_add(errors, pointer,
                                    "must be a name: 1 to 64 of a-z, 0-9, '.', '_', '-'");
        for (size_t j = 0; text && j < i; j++)
            if (strcmp(aliases[j], text) == 0)
                code = field_errors_add(errors, pointer, "is there twice");
    }
    return code;
}

struct patch {
    json_t *aliases, *metadata;
};

static enum err read_patch(struct exchange *x, struct patch *patch, char **metadata,
                           char (*aliases)[STORE_NAME_SIZE], struct err_info *info)
{
    static const struct field fields[] = {
        {.name = "aliases",
         .type = FIELD_ARRAY,
         .offset = offsetof(struct patch, aliases),
         .minimum = 0,
         .maximum = ALIASES_MAX},
        {.name = "metadata",
         .type = FIELD_OBJECT,
         .offset = offsetof(struct patch, metadata)},
    };
    struct field_errors *errors = exchange_errors(x);
    json_t *body = NULL;
    enum err code = exchange_json(x, &body, info);
    if (!code)
        code = fields_read(body, "", fields, sizeof fields / sizeof fields[0], false,
                           patch, errors);
    if (code)
        return code;
    if (!patch->aliases && !patch->metadata)
        return field_errors_add(errors, "", "give aliases, metadata or both");
    if (patch->aliases)
        code = read_aliases(patch->aliases, aliases, errors);
    if (code || !patch->metadata)
        return code;
    *metadata = json_dumps(patch->metadata, JSON_COMPACT);
    if (!*metadata || strlen(*metadata) > METADATA_MAX)
        return field_errors_add(errors, "/metadata", "at most %d bytes of JSON",
                                METADATA_MAX);
    return ERR_OK;
}

enum err models_patch(struct exchange *x, struct err_info *info)
{
    struct server *server = exchange_server(x);
    struct model_row row = {0};
    struct patch patch = {0};
    char aliases[ALIASES_MAX][STORE_NAME_SIZE];
    char *metadata = NULL;
    enum err code = models_find(x, &row, info);
    if (code)
        return code;
    code = read_patch(x, &patch, &metadata, aliases, info);
    if (!code)
        code = store_model_patch(server->store, row.name, metadata,
                                 patch.aliases ? (const char(*)[STORE_NAME_SIZE])aliases
                                               : NULL,
                                 json_array_size(patch.aliases), info);
    free(metadata);
    if (!code)
        registry_forget_names(server->registry);
    model_row_fini(&row);
    if (code)
        return err_finish(info, code);
    memset(&row, 0, sizeof row);
    code = models_find(x, &row, info);
    if (code)
        return code;
    code = models_reply(x, 200, &row);
    model_row_fini(&row);
    return code;
}

/* ---- memory ---- */

enum err models_load(struct exchange *x, struct err_info *info)
{
    struct model_row row = {0};
    struct lease lease;
    enum err code = models_find(x, &row, info);
    if (code)
        return code;
    code = registry_acquire(exchange_server(x)->registry, row.name, &lease, info);
    if (!code) {
        registry_release(&lease);
        code = models_reply(x, 200, &row);
    }
    model_row_fini(&row);
    return code ? err_finish(info, code) : ERR_OK;
}

enum err models_unload(struct exchange *x, struct err_info *info)
{
    struct model_row row = {0};
    enum err code = models_find(x, &row, info);
    if (code)
        return code;
    registry_forget(exchange_server(x)->registry, row.name);
    code = models_reply(x, 200, &row);
    model_row_fini(&row);
    return code;
}

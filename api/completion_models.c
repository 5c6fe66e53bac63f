/* SPDX-License-Identifier: MIT */
/* GET /v1/models: what can complete or embed, aliases as models of their own, because a
 * client of this dialect knows a model by one id. */
#include <stdlib.h>

#include "api/completion.h"
#include "api/models.h"
#include "api/printer.h"
#include "base/memory.h"
#include "server/server.h"

static void print_id(struct printer *p, const char *id, const struct model_row *row)
{
    printer_open(p, '{');
    printer_key_text(p, "id", id);
    printer_key_text(p, "object", "model");
    printer_key_integer(p, "created", row->created_ms / 1000);
    printer_key_text(p, "owned_by", "firth");
    printer_close(p, '}');
}

static void print_row(struct printer *p, const struct model_row *row)
{
    const struct kind *kind = kind_find(row->kind);
    if (!kind || !(kind->can & (CAN_SCORE | CAN_VECTORS)))
        return;
    print_id(p, row->name, row);
    for (size_t i = 0; i < row->alias_count; i++)
        print_id(p, row->aliases[i], row);
}

/* Prints one page and moves `after` to its end. */
static enum err print_page(struct printer *p, struct store *store, struct model_row *rows,
                           char *after, bool *has_more)
{
    size_t count = 0;
    enum err code =
        store_model_list(store, after, STORE_LIST_MAX, rows, &count, has_more);
    if (code)
        return code;
    for (size_t i = 0; i < count; i++)
        print_row(p, &rows[i]);
    if (count > 0)
        memcpy(after, rows[count - 1].name, STORE_NAME_SIZE);
    for (size_t i = 0; i < count; i++)
        model_row_fini(&rows[i]);
    memset(rows, 0, STORE_LIST_MAX * sizeof *rows);
    return ERR_OK;
}

enum err completion_models(struct exchange *x, struct err_info *info)
{
    struct model_row *rows = memory_new_array(STORE_LIST_MAX, sizeof *rows);
    char after[STORE_NAME_SIZE] = "";
    bool has_more = true;
    struct buffer json;
    struct printer p;
    enum err code = rows ? ERR_OK : ERR_NO_MEMORY;
    buffer_init(&json, PRINTER_REPLY_MAX);
    printer_init(&p, &json);
    printer_open(&p, '{');
    printer_key_text(&p, "object", "list");
    printer_key(&p, "data");
    printer_open(&p, '[');
    while (!code && has_more)
        code = print_page(&p, exchange_server(x)->store, rows, after, &has_more);
    printer_close(&p, ']');
    printer_close(&p, '}');
    free(rows);
    if (code) {
        buffer_fini(&json);
        return err_finish(info, code);
    }
    return exchange_reply_json_take(x, 200, &json);
}

enum err completion_model(struct exchange *x, struct err_info *info)
{
    struct model_row row = {0};
    struct buffer json;
    struct printer p;
    enum err code = models_find(x, &row, info);
    if (code)
        return code;
    buffer_init(&json, PRINTER_REPLY_MAX);
    printer_init(&p, &json);
    print_id(&p, exchange_variable(x, "name"), &row);
    model_row_fini(&row);
    return exchange_reply_json_take(x, 200, &json);
}

/* SPDX-License-Identifier: MIT */
/* PUT /models/{name}?format= and GET /models/{name}/export?format=. A checkpoint is the
 * stored object itself; other formats are made into a temporary file first, so that they
 * have a length, ranges and no half-sent reply when something goes wrong. Both forms are
 * functions of the model's bytes, which makes the digest a strong entity tag. */
#include <stdlib.h>
#include <string.h>

#include "api/model_transfer.h"
#include "api/models.h"
#include "api/resource.h"
#include "base/spill.h"
#include "server/server.h"

enum { PIECE = 32768 };

static enum err read_format(struct exchange *x, enum model_format *format,
                            struct err_info *info)
{
    const char *name = exchange_query(x, "format");
    if (name && model_transfer_format(name, format))
        return ERR_OK;
    return err_set_field(info, ERR_INVALID, "?format",
                         "format is " MODEL_TRANSFER_FORMATS ".");
}

/* ---- in ---- */

static enum err read_unit(struct exchange *x, struct tokenizer_settings *settings,
                          struct err_info *info)
{
    const char *unit = exchange_query(x, "unit");
    size_t i = unit ? 0 : UNIT_WHITESPACE;
    while (unit && i < UNIT_BPE && strcmp(unit, text_unit_names[i]) != 0)
        i++;
    if (i >= UNIT_BPE)
        return err_set_field(info, ERR_INVALID, "?unit",
                             "unit is word, whitespace or char.");
    *settings = (struct tokenizer_settings){.unit = (enum text_unit)i, .min_count = 1};
    return exchange_query_flag(x, "lowercase", false, &settings->lowercase, info);
}

enum err model_files_put(struct exchange *x, struct err_info *info)
{
    struct server *server = exchange_server(x);
    struct reader reader = exchange_reader(x);
    struct model_row row = {0};
    bool replaced = false;
    struct model_transfer transfer = {
        .most_bytes = (uint64_t)server->settings.model_cache_bytes,
        .scratch = server->scratch,
    };
    enum err code = resource_name(x, &transfer.name, info);
    if (!code)
        code = read_format(x, &transfer.format, info);
    if (!code)
        code = read_unit(x, &transfer.tokenizer, info);
    if (!code)
        code = exchange_query_flag(x, "replace", false, &transfer.replace, info);
    if (!code)
        code =
            model_transfer_in(server->store, &transfer, &reader, &row, &replaced, info);
    if (!code && replaced)
        registry_forget(server->registry, row.name);
    if (!code)
        code = exchange_set_location(x, "/models/%s", row.name);
    if (!code)
        code = models_reply(x, replaced ? 200 : 201, &row);
    model_row_fini(&row);
    return code;
}

/* ---- out ---- */

struct export
{
    struct spill *spill;
    uint64_t offset, left;
    char piece[PIECE];
};

static void export_end(void *state)
{
    struct export *export = state;
    if (export->spill)
        spill_close(export->spill);
    free(export);
}

static enum err export_more(struct exchange *x, void *state, enum pump_next *next,
                            struct err_info *info)
{
    struct export *export = state;
    size_t size = exchange_room(x), got = 0;
    enum err code = ERR_OK;
    size = size < sizeof export->piece ? size : sizeof export->piece;
    size = size < export->left ? size : (size_t) export->left;
    if (size > 0)
        code = spill_read(export->spill, export->offset, export->piece, size, &got);
    if (!code && size > 0 && got == 0)
        code = ERR_IO;
    if (!code && got > 0)
        code = exchange_write(x, export->piece, got);
    export->offset += got;
    export->left -= got;
    *next = export->left > 0 ? PUMP_AGAIN : PUMP_DONE;
    return code ? err_finish(info, code) : ERR_OK;
}

static enum err write_export(struct exchange *x, const char *name,
                             enum model_format format, struct spill *spill,
                             struct err_info *info)
{
    struct lease lease;
    enum err code = registry_acquire(exchange_server(x)->registry, name, &lease, info);
    if (code)
        return err_finish(info, code);
    struct writer writer = spill_writer(spill);
    code = model_transfer_out(lease.model, format, &writer, info);
    registry_release(&lease);
    return code ? err_finish(info, code) : ERR_OK;
}

/* `etag` was held against If-None-Match already. */
static enum err send_made(struct exchange *x, const char *name, enum model_format format,
                          struct err_info *info)
{
    unsigned status = 200;
    struct export *export = calloc(1, sizeof *export);
    if (!export)
        return err_finish(info, ERR_NO_MEMORY);
    enum err code = spill_open(exchange_server(x)->scratch, &export->spill);
    if (!code)
        code = write_export(x, name, format, export->spill, info);
    if (!code)
        code = exchange_range(x, spill_size(export->spill), &export->offset,
                              &export->left, &status);
    if (!code && status != 416)
        code = exchange_open(x, status, model_transfer_type(format), export->left);
    if (code || status == 416) {
        export_end(export);
        return code ? err_finish(info, code) : ERR_OK;
    }
    exchange_pump(x, (struct pump){export_more, export_end, export});
    return ERR_OK;
}

enum err model_files_export(struct exchange *x, struct err_info *info)
{
    struct model_row row = {0};
    enum model_format format = MODEL_FORMAT_CHECKPOINT;
    char etag[STORE_DIGEST_SIZE + 16];
    enum err code = read_format(x, &format, info);
    if (!code)
        code = models_find(x, &row, info);
    if (code)
        return code;
    (void)snprintf(etag, sizeof etag, "%s-%s", row.digest,
                   model_transfer_formats[format]);
    if (format == MODEL_FORMAT_CHECKPOINT)
        code =
            resource_send_object(x, row.object, etag, "application/octet-stream", info);
    else if (!exchange_not_modified(x, etag))
        code = send_made(x, row.name, format, info);
    model_row_fini(&row);
    return code;
}

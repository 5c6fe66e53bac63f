/* SPDX-License-Identifier: MIT */
/* Shared by the handlers. The entity tag of a JSON answer is the digest of its bytes:
 * it changes with every change of the answer, which is what a strong tag promises, and
 * nobody has to remember to bump a version. */
#include "api/resource.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/fields.h"
#include "server/server.h"
#include "storage/digest.h"

enum { LIST_DEFAULT = 20, PIECE = 32768 };

enum err resource_name(struct exchange *x, const char **name, struct err_info *info)
{
    *name = exchange_variable(x, "name");
    if (!fields_is_name(*name, strlen(*name)))
        return err_set_field(info, ERR_INVALID, "/name",
                             "A name is 1 to 64 lower-case letters, digits, '.', '_' and "
                             "'-', and begins with a letter or a digit.");
    return ERR_OK;
}

enum err resource_query_choice(struct exchange *x, const char *name,
                               const char *const *choices, int *choice,
                               struct err_info *info)
{
    const char *text = exchange_query(x, name);
    char list[120], pointer[40];
    int found = text ? fields_find_choice(choices, text) : *choice;
    if (text && found < 0) {
        fields_list_choices(choices, list, sizeof list);
        (void)snprintf(pointer, sizeof pointer, "?%s", name);
        return err_set_field(info, ERR_INVALID, pointer, "%s must be one of: %s", name,
                             list);
    }
    *choice = found;
    return ERR_OK;
}

enum err resource_page_read(struct exchange *x, struct resource_page *page,
                            struct err_info *info)
{
    int64_t limit = LIST_DEFAULT;
    const char *after = exchange_query(x, "after");
    enum err code =
        exchange_query_integer(x, "limit", 1, STORE_LIST_MAX, LIST_DEFAULT, &limit, info);
    if (code)
        return code;
    *page = (struct resource_page){(size_t)limit, after ? after : ""};
    if (strlen(page->after) >= STORE_NAME_SIZE)
        return err_set_field(info, ERR_INVALID, "?after",
                             "after is the last_id of the page before.");
    return ERR_OK;
}

void resource_list_open(struct printer *printer)
{
    printer_open(printer, '{');
    printer_key_text(printer, "object", "list");
    printer_key(printer, "data");
    printer_open(printer, '[');
}

void resource_list_close(struct printer *printer, bool has_more, const char *first,
                         const char *last)
{
    printer_close(printer, ']');
    printer_key_flag(printer, "has_more", has_more);
    printer_key_text(printer, "first_id", first);
    printer_key_text(printer, "last_id", last);
    printer_close(printer, '}');
}

enum err resource_reply_tagged_take(struct exchange *x, unsigned status,
                                    struct buffer *json)
{
    char digest[STORE_DIGEST_SIZE], etag[40];
    if (json->failed)
        return exchange_reply_json_take(x, status, json);
    digest_sha256(span_of(json->bytes, json->size), digest);
    (void)snprintf(etag, sizeof etag, "%.32s", digest);
    if (strcmp(exchange_method(x), "GET") != 0) {
        /* A precondition belongs to reading: a write only tells the new tag. */
        char quoted[48];
        (void)snprintf(quoted, sizeof quoted, "\"%s\"", etag);
        (void)exchange_set_header(x, "ETag", quoted);
    } else if (exchange_not_modified(x, etag)) {
        buffer_fini(json);
        return ERR_OK;
    }
    return exchange_reply_json_take(x, status, json);
}

/* ---- downloads ---- */

struct download {
    struct store_object *object;
    uint64_t offset, left;
    char piece[PIECE];
};

static void download_end(void *state)
{
    struct download *download = state;
    store_object_close(download->object);
    free(download);
}

static enum err download_more(struct exchange *x, void *state, enum pump_next *next,
                              struct err_info *info)
{
    struct download *download = state;
    size_t size = exchange_room(x), got = 0;
    if (size > sizeof download->piece)
        size = sizeof download->piece;
    if (size > download->left)
        size = (size_t)download->left;
    *next = PUMP_AGAIN;
    if (size > 0) {
        enum err code = store_object_read(download->object, download->offset,
                                          download->piece, size, &got);
        if (code)
            return err_finish(info, code);
        if (got == 0)
            return err_set(info, ERR_INTEGRITY, "A stored object ends too early.");
        code = exchange_write(x, download->piece, got);
        if (code)
            return code;
        download->offset += got;
        download->left -= got;
    }
    if (download->left == 0)
        *next = PUMP_DONE;
    return ERR_OK;
}

enum err resource_send_object(struct exchange *x, int64_t object, const char *etag,
                              const char *type, struct err_info *info)
{
    unsigned status = 200;
    uint64_t first = 0, length = 0;
    if (exchange_not_modified(x, etag))
        return ERR_OK;
    struct download *download = calloc(1, sizeof *download);
    if (!download)
        return err_finish(info, ERR_NO_MEMORY);
    enum err code =
        store_object_open(exchange_server(x)->store, object, &download->object);
    if (!code)
        code = exchange_range(x, store_object_size(download->object), &first, &length,
                              &status);
    if (!code && status != 416)
        code = exchange_open(x, status, type, length);
    if (code || status == 416) {
        download_end(download);
        return code ? err_finish(info, code) : ERR_OK;
    }
    download->offset = first;
    download->left = length;
    exchange_pump(x, (struct pump){download_more, download_end, download});
    return ERR_OK;
}

/* SPDX-License-Identifier: MIT */
/* The exchange as its handler sees it: reading the request, making the reply. Nothing
 * here talks to the library; a reply is a record that the loop turns into a response when
 * the handler is done (or, for streams, as soon as it is opened).
 *
 * Exchanges are used again: a loop keeps some spares with their locks, their text arena
 * and their print buffer, so that a small request costs few allocations. */
#include "api/exchange_int.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/prescan.h"
#include "api/printer.h"
#include "api/problem.h"
#include "api/ranks.h"
#include "api/status_map.h"
#include "base/clock.h"
#include "base/memory.h"

enum {
    PARSE_LARGE_BYTES = 65536, /* bodies over this take turns at the parser */
    PARSE_AT_ONCE = 4,
    PRINT_KEPT_BYTES = 65536 /* a print buffer larger than this is not kept */
};

/* ---- life ---- */

/* Empties the records that are too large to be zeroed each time. */
static void reset_records(struct exchange *x)
{
    x->info.code = x->read_info.code = ERR_OK;
    x->info.has_line = x->info.has_offset = false;
    x->read_info.has_line = x->read_info.has_offset = false;
    x->info.pointer[0] = x->info.message[0] = '\0';
    x->read_info.pointer[0] = x->read_info.message[0] = '\0';
    x->target.path = "";
    x->target.authority = NULL;
    x->target.query_count = 0;
}

struct exchange *exchange_new(struct loop *loop)
{
    struct exchange *x = loop->spares;
    if (x) {
        loop->spares = x->next;
        loop->spare_count--;
    } else {
        x = memory_new_array(1, sizeof *x);
        if (!x)
            return NULL;
        lock_init(&x->lock, RANK_API_EXCHANGE);
        condition_init(&x->changed);
        buffer_init(&x->print, PRINTER_REPLY_MAX);
        x->api = loop->api;
        x->loop = loop;
        reset_records(x);
    }
    x->previous = NULL;
    x->next = loop->alive;
    if (x->next)
        x->next->previous = x;
    loop->alive = x;
    x->started = clock_monotonic();
    return x;
}

static void drop_blocks(struct exchange *x)
{
    while (x->blocks) {
        struct text_block *next = x->blocks->next;
        free(x->blocks);
        x->blocks = next;
    }
    x->text_used = 0;
}

/* Frees what one request gathered and zeroes everything but the parts kept. */
static void reset(struct exchange *x)
{
    json_decref(x->json);
    buffer_fini(&x->body);
    buffer_fini(&x->reply.body);
    if (x->print.capacity > PRINT_KEPT_BYTES)
        buffer_fini(&x->print);
    field_errors_fini(&x->errors);
    decode_free(x->decoder);
    free(x->staged);
    buffer_fini(&x->in.bytes);
    buffer_fini(&x->out.bytes);
    drop_blocks(x);
    memset(&x->match, 0,
           offsetof(struct exchange, info) - offsetof(struct exchange, match));
    reset_records(x);
    x->print.maximum = PRINTER_REPLY_MAX;
    buffer_clear(&x->print);
}

void exchange_destroy(struct exchange *x)
{
    reset(x);
    buffer_fini(&x->print);
    condition_fini(&x->changed);
    lock_fini(&x->lock);
    free(x);
}

/* Nobody may find the exchange on the loop's list any more. */
static void leave_list(struct exchange *x)
{
    struct loop *loop = x->loop;
    lock_take(&loop->lock);
    struct exchange **link = &loop->attend;
    while (x->attend_queued && *link && *link != x)
        link = &(*link)->attend_next;
    if (x->attend_queued && *link)
        *link = x->attend_next;
    lock_release(&loop->lock);
}

void exchange_release(struct exchange *x)
{
    struct loop *loop = x->loop;
    if (x->pump_set && x->pump.end)
        x->pump.end(x->pump.state);
    if (x->submitted || x->opened)
        leave_list(x);
    *(x->previous ? &x->previous->next : &loop->alive) = x->next;
    if (x->next)
        x->next->previous = x->previous;
    if (x->counted)
        atomic_fetch_sub(&x->api->busy, 1);
    if (x->reply.sse)
        atomic_fetch_sub(&x->api->streams, 1);
    if (loop->spare_count >= LOOP_SPARES) {
        exchange_destroy(x);
        return;
    }
    reset(x);
    x->next = loop->spares;
    loop->spares = x;
    loop->spare_count++;
}

char *exchange_keep(struct exchange *x, const char *bytes, size_t size)
{
    char *to;
    if (size < sizeof x->text - x->text_used) {
        to = x->text + x->text_used;
        x->text_used += size + 1;
    } else {
        struct text_block *block = malloc(sizeof *block + size + 1);
        if (!block)
            return NULL;
        block->next = x->blocks;
        x->blocks = block;
        to = block->text;
    }
    size_t given = strnlen(bytes, size);
    memcpy(to, bytes, given);
    to[given] = '\0';
    return to;
}

/* ---- the request ---- */

struct server *exchange_server(struct exchange *x)
{
    return x->api->server;
}

const char *exchange_method(const struct exchange *x)
{
    return x->match.head ? "GET" : x->method;
}

const char *exchange_path(const struct exchange *x)
{
    return x->target.path;
}

const char *exchange_request_id(const struct exchange *x)
{
    return x->request_id;
}

bool exchange_is_v1(const struct exchange *x)
{
    return x->v1;
}

const char *exchange_variable(const struct exchange *x, const char *name)
{
    size_t size = strlen(name);
    for (size_t i = 0; i < x->match.variables; i++)
        if (strncmp(x->match.names[i], name, size) == 0 && x->match.names[i][size] == '}')
            return x->variables[i];
    return "";
}

const char *exchange_query(const struct exchange *x, const char *name)
{
    for (size_t i = 0; i < x->target.query_count; i++)
        if (strcmp(x->target.query[i].name, name) == 0)
            return x->target.query[i].value;
    return NULL;
}

enum err exchange_query_integer(const struct exchange *x, const char *name,
                                int64_t minimum, int64_t maximum, int64_t fallback,
                                int64_t *value, struct err_info *info)
{
    char pointer[96], *end;
    const char *text = exchange_query(x, name);
    *value = fallback;
    if (!text)
        return ERR_OK;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    bool digits = (*text >= '0' && *text <= '9') || (*text == '-' && text[1] >= '0');
    if (!digits || *end || errno || number < minimum || number > maximum) {
        snprintf(pointer, sizeof pointer, "?%s", name);
        return err_set_field(info, ERR_INVALID, pointer,
                             "%s must be an integer from %lld to %lld", name,
                             (long long)minimum, (long long)maximum);
    }
    *value = number;
    return ERR_OK;
}

enum err exchange_query_flag(const struct exchange *x, const char *name, bool fallback,
                             bool *value, struct err_info *info)
{
    char pointer[96];
    const char *text = exchange_query(x, name);
    *value = fallback;
    if (!text)
        return ERR_OK;
    bool yes = !*text || strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
    if (!yes && strcmp(text, "false") != 0 && strcmp(text, "0") != 0) {
        snprintf(pointer, sizeof pointer, "?%s", name);
        return err_set_field(info, ERR_INVALID, pointer, "%s must be true or false",
                             name);
    }
    *value = yes;
    return ERR_OK;
}

const char *exchange_header(const struct exchange *x, const char *name)
{
    for (size_t i = 0; i < x->header_count; i++)
        if (strcasecmp(x->headers[i].name, name) == 0)
            return x->headers[i].value;
    return NULL;
}

/* ---- the body ---- */

/* Large bodies take turns, so that memory for their trees stays bounded. */
static void parse_begin(struct api *api, bool large)
{
    if (!large)
        return;
    lock_take(&api->parse_lock);
    while (api->parsing >= PARSE_AT_ONCE)
        condition_wait(&api->parse_free, &api->parse_lock, -1);
    api->parsing++;
    lock_release(&api->parse_lock);
}

static void parse_end(struct api *api, bool large)
{
    if (!large)
        return;
    lock_take(&api->parse_lock);
    api->parsing--;
    condition_signal(&api->parse_free);
    lock_release(&api->parse_lock);
}

enum err exchange_json(struct exchange *x, json_t **body, struct err_info *info)
{
    *body = x->json;
    if (x->json_parsed)
        return ERR_OK;
    if (x->body.size == 0 && (x->match.route->flags & ROUTE_BODY_OPTIONAL))
        return ERR_OK;
    bool large = x->body.size > PARSE_LARGE_BYTES;
    parse_begin(x->api, large);
    enum err code =
        prescan_parse(x->body.bytes ? x->body.bytes : "", x->body.size,
                      (size_t)x->api->server->settings.json_tokens, &x->json, info);
    parse_end(x->api, large);
    x->json_parsed = code == ERR_OK;
    *body = x->json;
    return code;
}

struct span exchange_body(const struct exchange *x)
{
    return span_of(x->body.bytes ? x->body.bytes : "", x->body.size);
}

uint64_t exchange_content_length(const struct exchange *x)
{
    return x->content_length;
}

bool exchange_is_encoded(const struct exchange *x)
{
    return x->coding != DECODE_NONE;
}

/* ---- whole replies ---- */

enum err exchange_set_header(struct exchange *x, const char *name, const char *value)
{
    struct reply *reply = &x->reply;
    if (reply->header_count == EXCHANGE_REPLY_HEADERS_MAX)
        return ERR_INTERNAL;
    for (const char *c = value; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return ERR_INTERNAL;
    struct header *header = &x->reply_headers[reply->header_count];
    header->name = exchange_keep(x, name, strlen(name));
    header->value = exchange_keep(x, value, strlen(value));
    if (!header->name || !header->value)
        return ERR_NO_MEMORY;
    reply->header_count++;
    return ERR_OK;
}

enum err exchange_set_location(struct exchange *x, const char *format, ...)
{
    char location[512];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(location, sizeof location, format, arguments);
    va_end(arguments);
    return size < 0 || (size_t)size >= sizeof location
               ? ERR_INTERNAL
               : exchange_set_header(x, "Location", location);
}

struct buffer *exchange_buffer(struct exchange *x)
{
    return &x->print;
}

enum err exchange_reply_static(struct exchange *x, unsigned status, const char *type,
                               const void *bytes, size_t size)
{
    struct reply *reply = &x->reply;
    reply->kind = REPLY_WHOLE;
    reply->status = status;
    reply->type = type;
    reply->bytes = bytes;
    reply->size = size;
    return ERR_OK;
}

enum err exchange_reply_buffer_take(struct exchange *x, unsigned status, const char *type,
                                    struct buffer *body)
{
    enum err code = body->failed;
    if (code) {
        buffer_clear(body);
        return code;
    }
    if (body == &x->print)
        return exchange_reply_static(x, status, type, body->bytes, body->size);
    buffer_fini(&x->reply.body);
    x->reply.body = *body;
    buffer_init(body, body->maximum);
    return exchange_reply_static(x, status, type, x->reply.body.bytes,
                                 x->reply.body.size);
}

enum err exchange_reply_json_take(struct exchange *x, unsigned status,
                                  struct buffer *json)
{
    return exchange_reply_buffer_take(x, status, "application/json", json);
}

enum err exchange_reply_value_take(struct exchange *x, unsigned status, json_t *value)
{
    struct buffer text;
    buffer_init(&text, PRINTER_REPLY_MAX);
    text.bytes = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    json_decref(value);
    if (!text.bytes)
        return ERR_NO_MEMORY;
    text.size = strlen(text.bytes);
    text.capacity = text.size + 1;
    return exchange_reply_json_take(x, status, &text);
}

enum err exchange_reply_text(struct exchange *x, unsigned status, const char *type,
                             const char *text)
{
    struct buffer copy;
    buffer_init(&copy, PRINTER_REPLY_MAX);
    buffer_append_text(&copy, text);
    return exchange_reply_buffer_take(x, status, type, &copy);
}

enum err exchange_reply_empty(struct exchange *x, unsigned status)
{
    return exchange_reply_static(x, status, NULL, "", 0);
}

void exchange_make_problem(struct exchange *x, unsigned status, const char *code,
                           const char *detail, const struct err_info *info)
{
    struct problem problem = {.status = status,
                              .code = code,
                              .detail = detail,
                              .instance = x->target.path,
                              .request_id = x->request_id,
                              .info = info,
                              .errors = &x->errors,
                              .v1 = x->v1};
    struct buffer text;
    char seconds[16];
    buffer_init(&text, PRINTER_REPLY_MAX);
    problem_print(&problem, &text);
    x->reply.header_count = 0;
    if (exchange_reply_buffer_take(x, status, "application/problem+json", &text))
        exchange_reply_empty(x, status);
    if (status_map_retry_after(status) > 0) {
        snprintf(seconds, sizeof seconds, "%u", status_map_retry_after(status));
        exchange_set_header(x, "Retry-After", seconds);
    }
    if (status == 409)
        exchange_set_header(x, "x-should-retry", "false");
}

void exchange_make_error(struct exchange *x, enum err code, const struct err_info *info)
{
    bool told = info && info->code != ERR_OK && *info->message &&
                strcmp(info->message, err_text(info->code)) != 0;
    const char *detail = told ? info->message : err_text(code);
    char several[sizeof info->message + 40];
    if (x->errors.count == 1 && x->errors.rows && !told)
        detail = "A field is not usable; see errors";
    else if (x->errors.count > 1 && !(told && code == ERR_UNKNOWN_WORDS))
        detail = "Some fields are not usable; see errors";
    else if (x->errors.count > 1) {
        (void)snprintf(several, sizeof several, "%s %zu more: see errors", detail,
                       x->errors.count - 1);
        detail = several;
    }
    exchange_make_problem(x, status_map(code), err_word(code), detail, info);
}

enum err exchange_reply_problem(struct exchange *x, unsigned status, const char *code,
                                const char *format, ...)
{
    char detail[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    exchange_make_problem(x, status, code, detail, NULL);
    return ERR_OK;
}

struct field_errors *exchange_errors(struct exchange *x)
{
    return &x->errors;
}

/* ---- the rest ---- */

bool exchange_cancelled(struct exchange *x)
{
    return atomic_load_explicit(&x->gone, memory_order_relaxed);
}

double exchange_queue_seconds(const struct exchange *x)
{
    return x->queue_seconds;
}

double exchange_compute_seconds(const struct exchange *x)
{
    return clock_monotonic() - x->handler_at;
}

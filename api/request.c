/* SPDX-License-Identifier: MIT */
/* The order of the checks is the design: first what makes the message ambiguous (two
 * lengths, two hosts: the ways of request smuggling, which the library lets pass), then
 * whether it is for us at all, then who asks, then whether we can, then what is asked.
 * A caller without a key learns nothing about routes; a request that is refused never
 * reaches a handler, and its body is swallowed or cut off, never kept. */
#include "api/request.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/gate.h"
#include "api/origin.h"
#include "api/status_map.h"

enum { ID_MAX = 64 };

static void refuse(struct exchange *x, unsigned status, const char *code,
                   const char *detail)
{
    if (x->refused)
        return;
    x->refused = true;
    exchange_make_problem(x, status, code, detail, NULL);
}

/* As refuse, for a request after which the connection cannot be trusted. */
static void refuse_and_close(struct exchange *x, unsigned status, const char *code,
                             const char *detail)
{
    refuse(x, status, code, detail);
    x->close = true;
}

static bool is_token(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (text[i] <= ' ' || text[i] >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", text[i]))
            return false;
    return size > 0;
}

static bool has_control(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (((unsigned char)text[i] < ' ' && text[i] != '\t') || text[i] == 0x7f)
            return true;
    return false;
}

/* Notes a header that is looked at for every request. All of these may come once only: a
 * second one makes the message ambiguous. */
static void note_known(struct exchange *x, const struct header *header, size_t size)
{
    static const struct {
        const char *name;
        size_t size;
    } known[HEADER_COUNT] = {
#define X(symbol, name) [symbol] = {name, sizeof name - 1},
        HEADER_TABLE(X)
#undef X
    };
    for (size_t i = 0; i < HEADER_COUNT; i++)
        if (known[i].size == size && (known[i].name[0] | 32) == (header->name[0] | 32) &&
            strcasecmp(known[i].name, header->name) == 0) {
            if (x->known[i])
                refuse_and_close(x, 400, "duplicate_header",
                                 "A header that may come once came twice");
            x->known[i] = header->value;
            return;
        }
}

/* True when the header lies in the library's memory as one line ended by CR LF does: the
 * name, a NUL for the colon, blanks, the value, two NULs. Version 0.9.75 cuts a value at
 * a NUL byte, drops what was folded onto a second line, and takes a bare LF for a line's
 * end; each leaves another picture, and each means that a proxy may have read another
 * request. */
static bool is_plain_line(const char *name, size_t name_size, const char *value,
                          size_t value_size)
{
    const char *next = name + name_size + 1;
    if (value < next || (size_t)(value - name) > LOOP_MEMORY_LIMIT)
        return false;
    while (next < value && (*next == ' ' || *next == '\t'))
        next++;
    return next == value && value[value_size + 1] == '\0';
}

/* Called by the library for each header. */
static enum MHD_Result copy_header(void *context, enum MHD_ValueKind kind,
                                   const char *name, size_t name_size, const char *value,
                                   size_t value_size)
{
    struct exchange *x = context;
    (void)kind;
    if (x->header_count == EXCHANGE_HEADERS_MAX) {
        refuse_and_close(x, 431, "too_many_headers", "More than 100 headers");
        return MHD_NO;
    }
    bool plain = !x->api->look_at_lines || !value ||
                 is_plain_line(name, name_size, value, value_size);
    if (!value) {
        value = "";
        value_size = 0;
    }
    if (!is_token(name, name_size) || has_control(value, value_size) || !plain) {
        refuse_and_close(x, 400, "malformed_header",
                         "A header has a malformed name, control bytes in its value, or "
                         "a line that does not end in CR LF");
        return MHD_NO;
    }
    while (value_size > 0 &&
           (value[value_size - 1] == ' ' || value[value_size - 1] == '\t'))
        value_size--;
    struct header *header = &x->headers[x->header_count];
    header->name = exchange_keep(x, name, name_size);
    header->value = exchange_keep(x, value, value_size);
    if (!header->name || !header->value) {
        refuse_and_close(x, 503, "out_of_memory", "Not enough memory");
        return MHD_NO;
    }
    x->header_count++;
    note_known(x, header, name_size);
    return MHD_YES;
}

/* H1 to H3: what the length of the body is must be beyond doubt. */
static void check_framing(struct exchange *x)
{
    const char *length = x->known[HEADER_CONTENT_LENGTH];
    const char *transfer = x->known[HEADER_TRANSFER_ENCODING];
    const char *expect = x->known[HEADER_EXPECT];
    uint64_t value = 0;
    if (length && transfer)
        refuse_and_close(x, 400, "ambiguous_length",
                         "Content-Length and Transfer-Encoding exclude each other");
    if (transfer && strcasecmp(transfer, "chunked") != 0)
        refuse_and_close(x, 501, "unsupported_transfer_encoding",
                         "The only Transfer-Encoding known is chunked");
    for (const char *digit = length; digit && *digit; digit++) {
        if (*digit < '0' || *digit > '9' || value > (UINT64_MAX - 9) / 10)
            refuse_and_close(x, 400, "bad_content_length", "Content-Length is no number");
        value = value * 10 + (uint64_t)(*digit - '0');
    }
    x->content_length = transfer ? UINT64_MAX : value;
    x->has_body = transfer || value > 0;
    if (expect && strcasecmp(expect, "100-continue") != 0)
        refuse(x, 417, "expectation_failed", "The only Expect known is 100-continue");
}

static void check_host(struct exchange *x)
{
    const char *host = x->target.authority ? x->target.authority : x->known[HEADER_HOST];
    if (!host || !*host)
        refuse_and_close(x, 400, "missing_host", "The Host header is missing");
    else if (!origin_is_our_host(x->api, host))
        refuse(x, 421, "wrong_host",
               "This server does not answer to that Host; see the setting allowed_hosts");
}

/* The client's id when it is harmless, else one of ours. */
static void choose_request_id(struct exchange *x)
{
    static const char letters[] = "0123456789abcdefghjkmnpqrstvwxyz";
    const char *given = x->known[HEADER_X_REQUEST_ID];
    size_t size = given ? strlen(given) : 0;
    bool safe = size > 0 && size <= ID_MAX;
    for (size_t i = 0; i < size && safe; i++)
        safe = (given[i] >= '0' && given[i] <= '9') ||
               ((given[i] | 32) >= 'a' && (given[i] | 32) <= 'z') ||
               strchr("-_.:", given[i]);
    if (safe) {
        memcpy(x->request_id, given, size + 1);
        return;
    }
    memcpy(x->request_id, "req-", 4);
    uint64_t bits = random_next(&x->loop->random);
    for (size_t i = 4; i < 24; i++) {
        if (i == 16)
            bits = random_next(&x->loop->random);
        x->request_id[i] = letters[bits & 31];
        bits >>= 5;
    }
    x->request_id[24] = '\0';
}

static bool is_safe_method(const char *method)
{
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 ||
           strcmp(method, "OPTIONS") == 0;
}

/* A page of a foreign origin may not change anything here, whatever it sends. */
static void check_origin(struct exchange *x)
{
    const char *origin = x->known[HEADER_ORIGIN], *host = x->known[HEADER_HOST];
    x->vary_origin = origin || *x->api->server->settings.allowed_origins;
    if (!origin)
        return;
    if (origin_is_allowed(x->api, origin))
        x->origin = origin;
    else if (!is_safe_method(x->method) && !(host && origin_is_same(origin, host)))
        refuse(x, 403, "origin_not_allowed",
               "Pages of this origin may not do this; see the setting allowed_origins");
}

static bool is_preflight(const struct exchange *x)
{
    return strcmp(x->method, "OPTIONS") == 0 && x->origin &&
           x->known[HEADER_ACCESS_CONTROL_REQUEST_METHOD];
}

static void check_gate(struct exchange *x)
{
    static const char challenge[] = "Bearer realm=\"firth\"";
    const struct route *route = x->match.route;
    char *key_id = exchange_keep(x, "", STORE_ID_SIZE);
    if (!key_id || is_preflight(x))
        return;
    memset(key_id, 0, STORE_ID_SIZE);
    enum err code =
        gate_pass(x->api->gate, x->connection->loopback, x->known[HEADER_AUTHORIZATION],
                  route && (route->flags & ROUTE_OPEN), route ? route->scope : 0, key_id);
    x->key_id = key_id;
    if (code == ERR_UNAUTHORIZED) {
        refuse(x, 401, err_word(code), err_text(code));
        if (x->reply.status == 401)
            exchange_set_header(x, "WWW-Authenticate", challenge);
    } else if (code == ERR_FORBIDDEN) {
        refuse(x, 403, err_word(code), err_text(code));
    }
}

static void check_phase(struct exchange *x)
{
    bool always = x->match.route && (x->match.route->flags & ROUTE_ALWAYS);
    int phase = atomic_load(&x->api->server->phase);
    if (phase == SERVER_DRAINING || atomic_load(&x->api->draining))
        x->close = true;
    if (always)
        return;
    if (x->connection->refused)
        refuse_and_close(x, 503, "too_many_connections", "Too many connections are open");
    else if (phase == SERVER_STARTING)
        refuse(x, 503, "starting", "The service is starting");
    else if (phase == SERVER_DRAINING || atomic_load(&x->api->draining))
        refuse_and_close(x, 503, "draining", "The service is about to stop");
}

static void answer_options(struct exchange *x, const char *allow)
{
    const char *wanted = x->known[HEADER_ACCESS_CONTROL_REQUEST_HEADERS];
    if (x->refused)
        return;
    x->refused = true; /* the reply is made: no handler */
    exchange_reply_empty(x, 204);
    exchange_set_header(x, "Allow", allow);
    if (!is_preflight(x))
        return;
    exchange_set_header(x, "Access-Control-Allow-Methods", allow);
    exchange_set_header(x, "Access-Control-Max-Age", "600");
    if (wanted && strlen(wanted) <= 1024)
        exchange_set_header(x, "Access-Control-Allow-Headers", wanted);
}

/* 404, 405 and OPTIONS; everything else has a route. */
static void check_route(struct exchange *x)
{
    bool options = strcmp(x->method, "OPTIONS") == 0;
    char allow[64];
    struct buffer text;
    if (x->match.route || x->refused)
        return;
    if (!x->match.path_known && !(options && strcmp(x->target.path, "*") == 0)) {
        bool chat = strncmp(x->target.path, "/v1/chat/", 9) == 0;
        refuse(x, 404, chat ? "chat_not_supported" : "route_not_found",
               chat ? "Chat is not offered; use /v1/completions" : "No such path");
        return;
    }
    buffer_init(&text, sizeof allow - 1);
    if (x->match.path_known)
        route_allow(x->api->routes, x->api->route_count, x->target.path, &text);
    else
        buffer_append_text(&text, "GET, HEAD, PUT, POST, PATCH, DELETE, OPTIONS");
    snprintf(allow, sizeof allow, "%s", text.bytes ? text.bytes : "OPTIONS");
    buffer_fini(&text);
    if (options) {
        answer_options(x, allow);
        return;
    }
    refuse(x, 405, "method_not_allowed", "This path does not have this method");
    exchange_set_header(x, "Allow", allow);
}

/* True when `name` is one of the words of `list`. */
static bool words_have(const char *list, const char *name)
{
    size_t size = strlen(name);
    while (list && *list) {
        size_t length = strcspn(list, " ");
        if (length == size && memcmp(list, name, size) == 0)
            return true;
        list += length + strspn(list + length, " ");
    }
    return false;
}

static void check_query(struct exchange *x)
{
    static const char secrets[] = "key api_key api-key apikey access_token token";
    if (x->refused)
        return;
    for (size_t i = 0; i < x->target.query_count; i++) {
        const char *name = x->target.query[i].name;
        char pointer[96];
        snprintf(pointer, sizeof pointer, "?%.64s", name);
        if (words_have(x->match.route->query, name)) {
            for (size_t j = 0; j < i; j++)
                if (strcmp(x->target.query[j].name, name) == 0)
                    field_errors_add(&x->errors, pointer, "was given twice");
        } else if (words_have(secrets, name)) {
            refuse(x, 400, "key_in_query",
                   "A key belongs into the Authorization header, not into the URL");
        } else if (!x->v1) {
            field_errors_add(&x->errors, pointer,
                             "is not a query parameter of this path%s%s",
                             x->match.route->query ? "; it has " : "",
                             x->match.route->query ? x->match.route->query : "");
        }
    }
    if (x->errors.count > 0)
        refuse(x, 422, err_word(ERR_INVALID), "A query parameter is not usable");
}

static bool is_json_type(const char *type)
{
    size_t size = type ? strcspn(type, "; \t") : 0;
    return (size == 16 && strncasecmp(type, "application/json", size) == 0) ||
           (size > 17 && strncasecmp(type, "application/", 12) == 0 &&
            strncasecmp(type + size - 5, "+json", 5) == 0);
}

static void check_json_body(struct exchange *x)
{
    int64_t limit = x->api->server->settings.json_bytes;
    char detail[120];
    if (!x->has_body && (x->match.route->flags & ROUTE_BODY_OPTIONAL))
        return;
    if (!is_json_type(x->known[HEADER_CONTENT_TYPE])) {
        refuse(x, 415, "unsupported_media_type", "Send Content-Type: application/json");
        return;
    }
    if (x->coding != DECODE_NONE)
        refuse(x, 415, "unsupported_encoding", "A JSON body may not be compressed");
    if (x->content_length == UINT64_MAX || x->content_length <= (uint64_t)limit)
        return;
    snprintf(detail, sizeof detail,
             "The JSON body is larger than %lld bytes (limit json_bytes)",
             (long long)limit);
    refuse(x, 413, err_word(ERR_LIMIT), detail);
}

static void check_body(struct exchange *x)
{
    if (x->refused)
        return;
    unsigned flags = x->match.route->flags;
    x->coding = decode_coding_of(x->known[HEADER_CONTENT_ENCODING]);
    if (flags & ROUTE_JSON)
        check_json_body(x);
    else if (flags & ROUTE_STREAM)
        x->coding == DECODE_UNKNOWN ? refuse(x, 415, "unsupported_encoding",
                                             "Content-Encoding may be gzip or zstd")
                                    : (void)0;
    else if (x->has_body)
        refuse(x, 400, "unexpected_body", "This request may not have a body");
}

static void keep_variables(struct exchange *x)
{
    for (size_t i = 0; i < x->match.variables; i++) {
        const char *value = x->match.values[i];
        x->variables[i] = exchange_keep(x, value, strcspn(value, "/"));
        if (!x->variables[i])
            refuse(x, 503, err_word(ERR_NO_MEMORY), err_text(ERR_NO_MEMORY));
    }
}

void request_judge(struct exchange *x, struct MHD_Connection *mhd, const char *method,
                   const char *version, char *raw_target)
{
    struct err_info info = {0};
    x->method = exchange_keep(x, method, strlen(method));
    x->target.path = "/";
    if (!x->method)
        x->method = "";
    MHD_get_connection_values_n(mhd, MHD_HEADER_KIND, copy_header, x);
    choose_request_id(x);
    if (strncmp(version, "HTTP/1.", 7) != 0)
        refuse_and_close(x, 505, "http_version", "Only HTTP/1.1 and HTTP/1.0 are spoken");
    check_framing(x);
    if (!raw_target || target_parse(raw_target, &x->target, &info)) {
        x->target.path = "/";
        x->target.query_count = 0;
        refuse(x, 400, "bad_target", raw_target ? info.message : "No request target");
    }
    x->v1 = strncmp(x->target.path, "/v1/", 4) == 0;
    check_host(x);
    check_origin(x);
    route_find(x->api->routes, x->api->route_count, x->method, x->target.path, &x->match);
    check_gate(x);
    check_phase(x);
    check_route(x);
    if (x->refused)
        return;
    keep_variables(x);
    check_query(x);
    check_body(x);
}

size_t request_origin_headers(const struct exchange *x, struct header *headers)
{
    size_t count = 0;
    if (x->vary_origin)
        headers[count++] = (struct header){"Vary", "Origin"};
    if (!x->origin)
        return count;
    headers[count++] = (struct header){"Access-Control-Allow-Origin", x->origin};
    headers[count++] = (struct header){
        "Access-Control-Expose-Headers",
        "ETag, Location, Retry-After, X-Request-Id, Content-Range, x-should-retry"};
    return count;
}

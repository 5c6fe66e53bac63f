/* SPDX-License-Identifier: MIT */
/* One request and its reply, as a handler sees it. A handler runs to its end on one
 * thread (which one says its route) and either makes one reply and returns ERR_OK, or
 * returns an error, which becomes the problem+json reply. Every call here is for the
 * handler's thread unless it says otherwise. All strings returned are borrowed and live
 * as long as the exchange; none is NULL unless it says so. */
#ifndef FIRTH_API_EXCHANGE_H
#define FIRTH_API_EXCHANGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/err.h"
#include "base/span.h"

struct exchange;
struct field_errors;
struct server;

/* ---- the request ---- */

struct server *exchange_server(struct exchange *x);
const char *exchange_method(const struct exchange *x); /* "GET" also when HEAD was sent */
const char *exchange_path(const struct exchange *x);   /* decoded */
const char *exchange_request_id(const struct exchange *x);
bool exchange_is_v1(const struct exchange *x); /* the OpenAI dialect, path /v1/… */

/* The value of `{name}` in the route's pattern, decoded; "" when it has none. */
const char *exchange_variable(const struct exchange *x, const char *name);

/* A query parameter, decoded; NULL when not given. Which ones may be given stands in the
 * route; others were refused with 422 before the handler. The typed ones give `fallback`
 * when absent and ERR_INVALID (pointer "?name") when unusable. A flag is true, false, 1,
 * 0 or nothing (= true). */
const char *exchange_query(const struct exchange *x, const char *name);
MUST_CHECK enum err exchange_query_integer(const struct exchange *x, const char *name,
                                           int64_t minimum, int64_t maximum,
                                           int64_t fallback, int64_t *value,
                                           struct err_info *info);
MUST_CHECK enum err exchange_query_flag(const struct exchange *x, const char *name,
                                        bool fallback, bool *value,
                                        struct err_info *info);

/* A request header (any case), NULL when not sent. */
const char *exchange_header(const struct exchange *x, const char *name);

/* ---- the body ---- */

/* ROUTE_JSON: the parsed body, borrowed; parsed at the first call. Nesting, tokens, size,
 * duplicate members and trailing bytes were refused (ERR_SYNTAX, with the place). NULL
 * with ERR_OK when ROUTE_BODY_OPTIONAL and none was sent. */
MUST_CHECK enum err exchange_json(struct exchange *x, json_t **body,
                                  struct err_info *info);
/* ROUTE_JSON: the body as it came. */
struct span exchange_body(const struct exchange *x);

/* Content-Length as sent, UINT64_MAX when not known; without Content-Encoding it is the
 * body's size. */
uint64_t exchange_content_length(const struct exchange *x);
bool exchange_is_encoded(const struct exchange *x);

/* ---- whole replies ---- */

/* Adds a reply header; ERR_INTERNAL when name or value is not clean. Headers set before
 * an error reply are dropped from it. */
enum err exchange_set_header(struct exchange *x, const char *name, const char *value);
enum err exchange_set_location(struct exchange *x, const char *format, ...)
    PRINTF_LIKE(2, 3);

/* A buffer to print a reply into (its maximum PRINTER_REPLY_MAX), empty at the first
 * call; its memory is used again by later requests. Give it to one of the calls below. */
struct buffer *exchange_buffer(struct exchange *x);

/* Each makes the reply and returns ERR_OK, or the error to return. The first takes the
 * buffer's bytes (also on failure) and leaves it empty; a buffer that failed before gives
 * that error. `type` and static bytes must outlive the reply (string constants). */
enum err exchange_reply_buffer_take(struct exchange *x, unsigned status, const char *type,
                                    struct buffer *body);
enum err exchange_reply_json_take(struct exchange *x, unsigned status,
                                  struct buffer *json); /* already printed JSON */
enum err exchange_reply_value_take(struct exchange *x, unsigned status, json_t *value);
enum err exchange_reply_static(struct exchange *x, unsigned status, const char *type,
                               const void *bytes, size_t size);
enum err exchange_reply_text(struct exchange *x, unsigned status, const char *type,
                             const char *text); /* copied */
enum err exchange_reply_empty(struct exchange *x, unsigned status);
/* A problem+json reply with a status and code of its own, where no error code fits. */
enum err exchange_reply_problem(struct exchange *x, unsigned status, const char *code,
                                const char *format, ...) PRINTF_LIKE(4, 5);

/* Sets ETag: "value" (strong). True when If-None-Match has it: the 304 is made already,
 * return ERR_OK. */
MUST_CHECK bool exchange_not_modified(struct exchange *x, const char *etag);

/* What of `size` bytes to send: the whole, or the one range asked for (If-Range against
 * the ETag set before). ERR_OK with *status 200 or 206 and Accept-Ranges, Content-Range
 * set; a range that cannot be is answered 416 and gives *status 416: return ERR_OK. */
MUST_CHECK enum err exchange_range(struct exchange *x, uint64_t size, uint64_t *first,
                                   uint64_t *length, unsigned *status);

/* ---- the rest ---- */

/* True when the work is wanted no more: the client left, or the daemon stops. Cheap; poll
 * it once a token. Any thread. */
bool exchange_cancelled(struct exchange *x);

/* Seconds this request waited for its thread, and seconds since the handler began. */
double exchange_queue_seconds(const struct exchange *x);
double exchange_compute_seconds(const struct exchange *x);

/* The list of bad fields of the 422 reply; see fields.h. */
struct field_errors *exchange_errors(struct exchange *x);

#include "api/exchange_stream.h" /* bodies and replies in pieces */

#endif

/* SPDX-License-Identifier: MIT */
/* The access log is the most frequent line there is, so it is printed without printf into
 * a buffer of the loop and written in larger pieces. What a client sent is escaped and
 * cut; queries and keys are never logged. Labels of the metrics are the route's pattern,
 * a known method or "other", and the status class: clients cannot add to their number. */
#include "api/access.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/exchange_int.h"
#include "api/printer.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"

enum {
    LINES_MAX = 1 << 20,
    LINES_FLUSH = 32768,
    CLASSES = 6 /* 1xx to 5xx, and none */
};
static const char *const methods[] = {"GET",    "HEAD",    "POST",  "PUT",  "PATCH",
                                      "DELETE", "OPTIONS", "TRACE", "other"};
enum { METHODS = sizeof methods / sizeof methods[0] };
static const size_t no_label = SIZE_MAX;

enum err access_init(struct access_log *log, size_t routes)
{
    *log = (struct access_log){.label_count = (routes + METHODS) * CLASSES};
    buffer_init(&log->lines, LINES_MAX);
    log->labels = memory_new_array(log->label_count, sizeof *log->labels);
    for (size_t i = 0; log->labels && i < log->label_count; i++)
        log->labels[i] = no_label;
    return log->labels ? ERR_OK : ERR_NO_MEMORY;
}

void access_fini(struct access_log *log)
{
    access_flush(log);
    buffer_fini(&log->lines);
    free(log->labels);
}

void access_flush(struct access_log *log)
{
    if (log->lines.size == 0)
        return;
    log_write_lines(log->lines.bytes, log->lines.size);
    buffer_clear(&log->lines);
}

static size_t method_index(const char *method)
{
    size_t i = 0;
    while (i < METHODS - 1 && strcmp(methods[i], method) != 0)
        i++;
    return i;
}

static void count(struct access_log *log, const struct exchange *x, double seconds)
{
    struct metrics *metrics = x->api->server->metrics;
    const struct route *route = x->match.route;
    size_t row = route ? (size_t)(route - x->api->routes)
                       : x->api->route_count + method_index(x->method ? x->method : "");
    size_t class = x->reply.status / 100 < CLASSES ? x->reply.status / 100 : 0;
    size_t *label = &log->labels[row * CLASSES + class];
    char text[192];
    if (*label == no_label) {
        snprintf(text, sizeof text, "route=\"%s\",method=\"%s\",status=\"%zuxx\"",
                 route ? route->pattern : "none",
                 route ? route->method
                       : methods[method_index(x->method ? x->method : "")],
                 class);
        *label = metrics_label(metrics, METRIC_HTTP_REQUESTS, text);
    }
    metrics_add(metrics, METRIC_HTTP_REQUESTS, *label, 1);
    metrics_observe(metrics, METRIC_HTTP_SECONDS, seconds);
}

/* ---- the line: built by hand, since it is on the way of every request ---- */

enum { PIECE_MAX = 512 };

static char *put(char *to, const char *text, size_t size)
{
    memcpy(to, text, size);
    return to + size;
}
#define PUT(to, literal) put(to, literal, sizeof literal - 1)

static char *put_integer(char *to, uint64_t value)
{
    char text[24], *next = text + sizeof text;
    do {
        *--next = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return put(to, next, (size_t)(text + sizeof text - next));
}

/* With six decimals. */
static char *put_seconds(char *to, double seconds)
{
    uint64_t micros = seconds > 0 && seconds < 1e9 ? (uint64_t)(seconds * 1e6) : 0;
    to = put_integer(to, micros / 1000000);
    *to++ = '.';
    micros %= 1000000;
    for (uint64_t unit = 100000; unit > 0; unit /= 10)
        *to++ = (char)('0' + micros / unit % 10);
    return to;
}

/* The whole time stamp is made once a second only. */
static char *put_time(struct access_log *log, char *to)
{
    int64_t now = clock_wall_ms(), milliseconds = now % 1000;
    if (now / 1000 != log->second) {
        log->second = now / 1000;
        clock_iso(now, log->time);
    }
    log->time[20] = (char)('0' + milliseconds / 100);
    log->time[21] = (char)('0' + milliseconds / 10 % 10);
    log->time[22] = (char)('0' + milliseconds % 10);
    return put(to, log->time, CLOCK_ISO_SIZE - 1);
}

/* A client's text: escaped and cut. */
static void print_cut(struct buffer *lines, const char *key, const char *text)
{
    struct printer p;
    size_t size = strlen(text);
    printer_init(&p, lines);
    p.comma = true;
    printer_key(&p, key);
    printer_span(&p, span_of(text, size > LOG_VALUE_MAX ? LOG_VALUE_MAX : size));
}

static void print_head(struct access_log *log, const struct exchange *x)
{
    char *start = buffer_reserve(&log->lines, PIECE_MAX), *next = start;
    if (!start)
        return;
    next = PUT(next, "{\"time\":\"");
    next = put_time(log, next);
    next = PUT(next, "\",\"level\":\"info\",\"event\":\"request\",\"request_id\":\"");
    next = put(next, x->request_id, strlen(x->request_id));
    next = PUT(next, "\",\"status\":");
    next = put_integer(next, x->reply.status);
    buffer_wrote(&log->lines, (size_t)(next - start));
}

static void print_tail(struct access_log *log, const struct exchange *x, double seconds,
                       bool complete)
{
    bool whole = x->reply.kind == REPLY_WHOLE && !x->match.head;
    char *start = buffer_reserve(&log->lines, PIECE_MAX), *next = start;
    if (!start)
        return;
    next = PUT(next, ",\"bytes_in\":");
    next = put_integer(next, x->body_bytes);
    next = PUT(next, ",\"bytes_out\":");
    next = put_integer(next, whole ? x->reply.size : x->reply_bytes);
    next = PUT(next, ",\"seconds\":");
    next = put_seconds(next, seconds);
    if (x->submitted) {
        next = PUT(next, ",\"queue_s\":");
        next = put_seconds(next, x->queue_seconds);
        next = PUT(next, ",\"compute_s\":");
        next = put_seconds(next, x->handler_end - x->handler_at);
    }
    if (!complete)
        next = PUT(next, ",\"aborted\":true");
    next = PUT(next, "}\n");
    buffer_wrote(&log->lines, (size_t)(next - start));
}

static void print_line(struct access_log *log, const struct exchange *x, double seconds,
                       bool complete)
{
    print_head(log, x);
    print_cut(&log->lines, "method", x->method ? x->method : "");
    print_cut(&log->lines, "path", x->target.path);
    if (x->key_id && *x->key_id)
        print_cut(&log->lines, "key", x->key_id);
    if (x->known[HEADER_TRACEPARENT])
        print_cut(&log->lines, "traceparent", x->known[HEADER_TRACEPARENT]);
    print_tail(log, x, seconds, complete);
}

void access_note(struct access_log *log, const struct exchange *x, double ended,
                 bool complete)
{
    double seconds = ended - x->started;
    count(log, x, seconds);
    if (!complete)
        metrics_add(x->api->server->metrics, METRIC_CLIENT_ABORTS, 0, 1);
    if (!log_wants(LOG_INFO))
        return;
    print_line(log, x, seconds, complete);
    if (log->lines.failed)
        buffer_clear(&log->lines);
    if (log->lines.size >= LINES_FLUSH)
        access_flush(log);
}

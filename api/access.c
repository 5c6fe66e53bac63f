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
                       : x->api->route_count + method_index(x->method);
    size_t class = x->reply.status / 100 < CLASSES ? x->reply.status / 100 : 0;
    size_t *label = &log->labels[row * CLASSES + class];
    char text[192];
    if (*label == no_label) {
        snprintf(text, sizeof text, "route=\"%s\",method=\"%s\",status=\"%zuxx\"",
                 route ? route->pattern : "none",
                 route ? route->method : methods[method_index(x->method)], class);
        *label = metrics_label(metrics, METRIC_HTTP_REQUESTS, text);
    }
    metrics_add(metrics, METRIC_HTTP_REQUESTS, *label, 1);
    metrics_observe(metrics, METRIC_HTTP_SECONDS, seconds);
}

static void print_cut(struct printer *p, const char *key, const char *text)
{
    size_t size = strlen(text);
    printer_key(p, key);
    printer_span(p, span_of(text, size > LOG_VALUE_MAX ? LOG_VALUE_MAX : size));
}

/* Microseconds are exact enough and print as an integer does. */
static void print_seconds(struct printer *p, const char *key, double seconds)
{
    int64_t micros = (int64_t)(seconds * 1e6);
    printer_key(p, key);
    printer_number(p, (double)micros / 1e6);
}

static void print_line(struct access_log *log, const struct exchange *x, double seconds,
                       bool complete)
{
    struct printer p;
    bool whole = x->reply.kind == REPLY_WHOLE && !x->match.head;
    printer_init(&p, &log->lines);
    printer_open(&p, '{');
    printer_key(&p, "time");
    printer_time(&p, clock_wall_ms());
    printer_key_text(&p, "level", "info");
    printer_key_text(&p, "event", "request");
    printer_key_text(&p, "request_id", x->request_id);
    print_cut(&p, "method", x->method);
    print_cut(&p, "path", x->target.path);
    printer_key_integer(&p, "status", (int64_t)x->reply.status);
    printer_key_integer(&p, "bytes_in", (int64_t)x->body_bytes);
    printer_key_integer(&p, "bytes_out",
                        (int64_t)(whole ? x->reply.size : x->reply_bytes));
    print_seconds(&p, "seconds", seconds);
    if (x->submitted) {
        print_seconds(&p, "queue_s", x->queue_seconds);
        print_seconds(&p, "compute_s",
                      x->handler_end > 0 ? x->handler_end - x->handler_at : 0);
    }
    if (x->key_id && *x->key_id)
        print_cut(&p, "key", x->key_id);
    if (x->known[HEADER_TRACEPARENT])
        print_cut(&p, "traceparent", x->known[HEADER_TRACEPARENT]);
    if (!complete)
        printer_key_flag(&p, "aborted", true);
    printer_close(&p, '}');
    buffer_append_char(&log->lines, '\n');
}

void access_note(struct access_log *log, const struct exchange *x, bool complete)
{
    double seconds = clock_monotonic() - x->started;
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

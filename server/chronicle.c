/* SPDX-License-Identifier: MIT */
/* Two arrays that fill up and are written together. A full array is written early; points
 * of a curve are all kept, but only so many of them become events between two writings,
 * so that a trainer which reports every step does not flood the feeds. */
#include "server/chronicle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/json_text.h"

enum { DATA_MAX = 64 << 10, LOG_LINE_MAX = 2000, METRIC_EVENTS_MAX = 64 };

void chronicle_init(struct chronicle *chronicle, struct store *store, const char *id)
{
    memset(chronicle, 0, sizeof *chronicle);
    chronicle->store = store;
    snprintf(chronicle->id, sizeof chronicle->id, "%s", id);
}

static void clear(struct chronicle *chronicle)
{
    for (size_t i = 0; i < chronicle->event_count; i++)
        free(chronicle->events[i].data);
    chronicle->event_count = 0;
    chronicle->point_count = 0;
    chronicle->metric_events = 0;
}

void chronicle_fini(struct chronicle *chronicle)
{
    clear(chronicle);
}

enum err chronicle_flush(struct chronicle *chronicle, bool *wrote)
{
    enum err points = ERR_OK, events = ERR_OK;
    if (chronicle->point_count)
        points = store_metrics_append(chronicle->store, chronicle->id, chronicle->points,
                                      chronicle->point_count);
    if (chronicle->event_count)
        events = store_events_append(chronicle->store, chronicle->id, chronicle->events,
                                     chronicle->event_count);
    *wrote = chronicle->event_count > 0 && !events;
    clear(chronicle);
    return points ? points : events;
}

static void flush_when_full(struct chronicle *chronicle)
{
    bool wrote;
    if (chronicle->event_count < CHRONICLE_MAX && chronicle->point_count < CHRONICLE_MAX)
        return;
    if (chronicle_flush(chronicle, &wrote))
        return; /* the next writing of the job's state meets the same trouble and tells */
}

/* Takes the buffer's line as an event's data; the buffer is emptied. */
static void add_event(struct chronicle *chronicle, const char *type, struct buffer *line)
{
    size_t size;
    char *data = buffer_release(line, &size);
    if (!data)
        return;
    struct event_row *event = &chronicle->events[chronicle->event_count++];
    *event = (struct event_row){.data = data};
    snprintf(event->type, sizeof event->type, "%s", type);
    flush_when_full(chronicle);
}

void chronicle_state(struct chronicle *chronicle, enum job_state state, unsigned attempt,
                     const struct err_info *info)
{
    struct buffer line;
    buffer_init(&line, DATA_MAX);
    buffer_printf(&line, "{\"state\":\"%s\",\"attempt\":%u", job_state_names[state],
                  attempt);
    if (info && info->code) {
        buffer_printf(&line,
                      ",\"error\":{\"code\":\"%s\",\"message\":", err_word(info->code));
        json_text_append(&line, info->message);
        buffer_append_char(&line, '}');
    }
    buffer_append_char(&line, '}');
    add_event(chronicle, "state", &line);
}

void chronicle_progress(struct chronicle *chronicle,
                        const struct progress_message *progress, double tokens_per_second,
                        double eta_s)
{
    struct buffer line;
    buffer_init(&line, DATA_MAX);
    buffer_append_text(&line, "{\"fraction\":");
    json_text_number(&line, progress->fraction);
    buffer_append_text(&line, ",\"epoch\":");
    json_text_number(&line, progress->epoch);
    buffer_printf(&line, ",\"step\":%llu,\"steps_total\":%llu,\"tokens\":%llu",
                  (unsigned long long)progress->step,
                  (unsigned long long)progress->steps_total,
                  (unsigned long long)progress->tokens);
    buffer_append_text(&line, ",\"tokens_per_second\":");
    json_text_number(&line, tokens_per_second);
    buffer_append_text(&line, ",\"eta_s\":");
    json_text_number(&line, eta_s);
    buffer_append_text(&line, ",\"phase\":");
    json_text_append(&line, progress->phase);
    buffer_append_char(&line, '}');
    add_event(chronicle, "progress", &line);
}

void chronicle_metric(struct chronicle *chronicle, const struct metric_message *metric)
{
    struct metric_point *point = &chronicle->points[chronicle->point_count++];
    *point = (struct metric_point){
        .step = metric->step, .value = metric->value, .at_ms = clock_wall_ms()};
    memcpy(point->series, metric->series, sizeof point->series);
    if (chronicle->metric_events++ < METRIC_EVENTS_MAX) {
        struct buffer line;
        buffer_init(&line, DATA_MAX);
        buffer_append_text(&line, "{\"series\":");
        json_text_append(&line, metric->series);
        buffer_printf(&line,
                      ",\"step\":%llu,\"value\":", (unsigned long long)metric->step);
        json_text_number(&line, metric->value);
        buffer_append_char(&line, '}');
        add_event(chronicle, "metric", &line);
    } else {
        flush_when_full(chronicle);
    }
}

void chronicle_checkpoint(struct chronicle *chronicle, uint64_t step, uint64_t bytes,
                          bool best)
{
    struct buffer line;
    buffer_init(&line, DATA_MAX);
    buffer_printf(&line, "{\"step\":%llu,\"bytes\":%llu,\"best\":%s}",
                  (unsigned long long)step, (unsigned long long)bytes,
                  best ? "true" : "false");
    add_event(chronicle, "checkpoint", &line);
}

static void log_line(struct chronicle *chronicle, struct span text)
{
    char message[LOG_LINE_MAX + 1];
    struct buffer line;
    size_t size = text.size < LOG_LINE_MAX ? text.size : LOG_LINE_MAX;
    memcpy(message, text.bytes, size);
    message[size] = '\0';
    buffer_init(&line, DATA_MAX);
    buffer_append_text(&line, "{\"message\":");
    json_text_append(&line, message);
    buffer_append_char(&line, '}');
    add_event(chronicle, "log", &line);
}

void chronicle_log(struct chronicle *chronicle, struct span text)
{
    while (text.size > 0) {
        const char *end = memchr(text.bytes, '\n', text.size);
        size_t size = end ? (size_t)(end - text.bytes) : text.size;
        if (size > 0)
            log_line(chronicle, span_of(text.bytes, size));
        size += end ? 1 : 0;
        text = span_of(text.bytes + size, text.size - size);
    }
}

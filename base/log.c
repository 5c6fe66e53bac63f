/* SPDX-License-Identifier: MIT */
/* JSON lines on a descriptor. A line is built in a fixed buffer and written by one call,
 * so lines of several threads never mix; control bytes and quotes are escaped, and
 * invalid UTF-8 is replaced, so each line always parses. */
#include "base/log.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json_text.h"

enum { LINE_MAX_BYTES = 8192 };

struct line {
    char text[LINE_MAX_BYTES];
    size_t size;
};

static atomic_int log_level = LOG_INFO;
static atomic_int log_fd = STDERR_FILENO;

void log_set_level(enum log_level level)
{
    atomic_store(&log_level, (int)level);
}

void log_set_fd(int fd)
{
    atomic_store(&log_fd, fd);
}

bool log_wants(enum log_level level)
{
    return (int)level >= atomic_load(&log_level) && level < LOG_SILENT;
}

void log_write_lines(const char *lines, size_t size)
{
    ssize_t ignored = write(atomic_load(&log_fd), lines, size);
    (void)ignored;
}

static void put(struct line *line, const char *text, size_t size)
{
    size_t room = sizeof line->text - line->size;
    if (size >= room)
        return;
    memcpy(line->text + line->size, text, size);
    line->size += size;
}

static void put_escaped(struct line *line, const char *text)
{
    size_t written = 0;
    put(line, "\"", 1);
    while (*text && written < LOG_VALUE_MAX) {
        char piece[JSON_TEXT_PIECE];
        size_t size, length = json_text_piece(text, piece, &size);
        put(line, piece, size);
        text += length;
        written += length;
    }
    put(line, *text ? "…\"" : "\"", *text ? sizeof "…\"" - 1 : 1);
}

static void put_field(struct line *line, const struct log_field *field)
{
    char number[40];
    put(line, ",", 1);
    put_escaped(line, field->name);
    put(line, ":", 1);
    if (field->type == LOG_TEXT) {
        put_escaped(line, field->text ? field->text : "");
        return;
    }
    int size = field->type == LOG_INTEGER
                   ? snprintf(number, sizeof number, "%lld", (long long)field->integer)
               : isfinite(field->number)
                   ? snprintf(number, sizeof number, "%.6g", field->number)
                   : snprintf(number, sizeof number, "null");
    put(line, number, (size_t)size);
}

void log_write(enum log_level level, const char *event, const struct log_field *fields)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};
    if (!log_wants(level))
        return;
    struct line line = {.size = 0};
    char time[CLOCK_ISO_SIZE];
    clock_iso(clock_wall_ms(), time);
    put(&line, "{\"time\":\"", 9);
    put(&line, time, strlen(time));
    put(&line, "\",\"level\":\"", 11);
    put(&line, names[level], strlen(names[level]));
    put(&line, "\",\"event\":", 10);
    put_escaped(&line, event);
    for (const struct log_field *field = fields; field && field->name; field++)
        if (line.size < sizeof line.text - 6 * LOG_VALUE_MAX - 128)
            put_field(&line, field);
    put(&line, "}\n", 2);
    ssize_t ignored = write(atomic_load(&log_fd), line.text, line.size);
    (void)ignored;
}

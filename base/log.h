/* SPDX-License-Identifier: MIT */
/* The structured log: one JSON object a line on standard error. Values are escaped and
 * cut to LOG_VALUE_MAX bytes, so nothing a client sends can forge or flood a line. */
#ifndef FIRTH_BASE_LOG_H
#define FIRTH_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR, LOG_SILENT };

#define LOG_VALUE_MAX 256

struct log_field {
    const char *name; /* NULL ends a list of fields */
    enum { LOG_TEXT, LOG_INTEGER, LOG_NUMBER } type;
    const char *text;
    int64_t integer;
    double number;
};

#define LOG_T(name_, value)                                                              \
    ((struct log_field){.name = (name_), .type = LOG_TEXT, .text = (value)})
#define LOG_I(name_, value)                                                              \
    ((struct log_field){                                                                 \
        .name = (name_), .type = LOG_INTEGER, .integer = (int64_t)(value)})
#define LOG_N(name_, value)                                                              \
    ((struct log_field){.name = (name_), .type = LOG_NUMBER, .number = (value)})

/* Lines below this level are dropped (default LOG_INFO). */
void log_set_level(enum log_level level);

/* Lets pass lines to another descriptor than standard error. */
void log_set_fd(int fd);

/* Writes one line: {"time":…,"level":…,"event":event,fields…}. One write(2) a line;
 * safe from any thread. `fields` ends with a NULL name. Use the macro. */
void log_write(enum log_level level, const char *event, const struct log_field *fields);

/* True when a line of this level would be written. */
bool log_wants(enum log_level level);

/* Writes lines that the caller formatted the same way, in one write(2). */
void log_write_lines(const char *lines, size_t size);

#define LOG_EVENT(level, event, ...)                                                     \
    log_write((level), (event), (const struct log_field[]){__VA_ARGS__, {0}})

#endif

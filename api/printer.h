/* SPDX-License-Identifier: MIT */
/* Printing JSON straight into a buffer: commas by itself, no tree in between. Errors are
 * the buffer's (sticky): check it once at the end, which exchange_reply_json_take does.
 *
 *     printer_open(&p, '{'); printer_key(&p, "model"); printer_text(&p, name); …
 *     printer_close(&p, '}'); */
#ifndef FIRTH_API_PRINTER_H
#define FIRTH_API_PRINTER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/span.h"

#define PRINTER_REPLY_MAX ((size_t)256 << 20) /* the largest reply built in memory */

struct printer {
    struct buffer *out; /* borrowed */
    bool comma;         /* a comma is due before the next value or key */
};

void printer_init(struct printer *printer, struct buffer *out);
void printer_open(struct printer *printer, char bracket);  /* '{' or '[' */
void printer_close(struct printer *printer, char bracket); /* '}' or ']' */
/* `key` is plain ASCII that needs no escaping. */
void printer_key(struct printer *printer, const char *key);
void printer_text(struct printer *printer, const char *text); /* NULL prints null */
/* Bytes that are not UTF-8 come out as U+FFFD. */
void printer_span(struct printer *printer, struct span text);
void printer_integer(struct printer *printer, int64_t value);
void printer_unsigned(struct printer *printer, uint64_t value);
/* The shortest decimal that reads back to the same double (float); null when it is not
 * finite. */
void printer_number(struct printer *printer, double value);
void printer_float(struct printer *printer, float value);
void printer_flag(struct printer *printer, bool value);
void printer_null(struct printer *printer);
void printer_json(struct printer *printer, struct span json); /* already JSON */
/* "2026-01-31T12:00:00.000Z", or null for 0. */
void printer_time(struct printer *printer, int64_t wall_ms);

/* Key and value in one. */
void printer_key_text(struct printer *printer, const char *key, const char *text);
void printer_key_integer(struct printer *printer, const char *key, int64_t value);
void printer_key_number(struct printer *printer, const char *key, double value);
void printer_key_flag(struct printer *printer, const char *key, bool value);

#endif

/* SPDX-License-Identifier: MIT */
/* What is told about each finished request: a line in the log and counts in the metrics.
 * Private to api/; each loop has its own, so nothing is locked. */
#ifndef FIRTH_API_ACCESS_H
#define FIRTH_API_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/err.h"

struct exchange;
struct metrics;

struct access_log {
    struct buffer lines; /* written when it is large, and at every tick */
    size_t *labels;      /* [(routes + ACCESS_METHODS) * ACCESS_CLASSES], made on use */
    size_t label_count;
    int64_t second; /* whose time stamp `time` is */
    char time[CLOCK_ISO_SIZE];
};

MUST_CHECK enum err access_init(struct access_log *log, size_t routes);
void access_fini(struct access_log *log);
/* A request is over since the monotonic second `ended`; `complete` says whether the
 * client got the whole reply. */
void access_note(struct access_log *log, const struct exchange *x, double ended,
                 bool complete);
void access_flush(struct access_log *log);

#endif

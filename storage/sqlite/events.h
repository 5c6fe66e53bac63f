/* SPDX-License-Identifier: MIT */
/* What happened to a job, line by line, for feeds that are read on from any point. */
#ifndef FIRTH_STORAGE_SQLITE_EVENTS_H
#define FIRTH_STORAGE_SQLITE_EVENTS_H

#include "storage/sqlite/engine.h"

enum { EVENTS_KEPT = 20000 };

enum err events_append(struct store *store, const char *job, struct event_row *rows,
                       size_t count);
enum err events_read(struct store *store, const char *job, int64_t after, size_t most,
                     struct event_row **rows, size_t *count);

#endif

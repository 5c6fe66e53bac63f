/* SPDX-License-Identifier: MIT */
/* What happened to a job, line by line, for feeds that are read on from any point. */
#ifndef FIRTH_STORAGE_SQLITE_EVENT_TABLE_H
#define FIRTH_STORAGE_SQLITE_EVENT_TABLE_H

#include "storage/sqlite/sqlite_engine.h"

enum { EVENT_TABLE_KEPT = 20000 };

enum err event_table_append(struct store *store, const char *job, struct event_row *rows,
                            size_t count);
enum err event_table_read(struct store *store, const char *job, int64_t after,
                          size_t most, struct event_row **rows, size_t *count);

#endif

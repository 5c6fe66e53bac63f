/* SPDX-License-Identifier: MIT */
/* Training curves. */
#ifndef FIRTH_STORAGE_SQLITE_CURVE_TABLE_H
#define FIRTH_STORAGE_SQLITE_CURVE_TABLE_H

#include "storage/sqlite/sqlite_engine.h"

enum err curve_table_append(struct store *store, const char *job,
                            const struct metric_point *points, size_t count);
enum err curve_table_read(struct store *store, const char *job, const char *series,
                          uint64_t since_step, size_t most, struct metric_point **points,
                          size_t *count);

#endif

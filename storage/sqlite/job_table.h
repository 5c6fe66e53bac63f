/* SPDX-License-Identifier: MIT */
/* The job queue as rows: entering it, looking at it, leaving it. */
#ifndef FIRTH_STORAGE_SQLITE_JOB_TABLE_H
#define FIRTH_STORAGE_SQLITE_JOB_TABLE_H

#include "storage/sqlite/sqlite_engine.h"

enum err job_table_insert(struct store *store, struct job_row *row, bool replace,
                          size_t most_queued, const char *key, const char *body_sha256,
                          bool *existed, struct err_info *info);
enum err job_table_insert_given(struct store_upload *given, struct job_row *row,
                                size_t most_queued, struct err_info *info);
enum err job_table_get(struct store *store, const char *id, struct job_row *row);
enum err job_table_list(struct store *store, const struct job_filter *filter,
                        const char *after, size_t limit, struct job_row *rows,
                        size_t *count, bool *has_more);
enum err job_table_delete(struct store *store, const char *id);
enum err job_table_queue_position(struct store *store, const char *id, size_t *position);
enum err job_table_count(struct store *store, size_t counts[JOB_STATE_COUNT]);

#endif

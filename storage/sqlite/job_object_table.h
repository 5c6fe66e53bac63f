/* SPDX-License-Identifier: MIT */
/* The objects of jobs: what one was given, what it answers. */
#ifndef FIRTH_STORAGE_SQLITE_JOB_OBJECT_TABLE_H
#define FIRTH_STORAGE_SQLITE_JOB_OBJECT_TABLE_H

#include "storage/sqlite/sqlite_engine.h"

enum err job_object_table_get(struct store *store, const char *id, enum job_role role,
                              int64_t *object);

/* Inside a write: makes the upload's object ready and the job's; `job` is its serial. */
MUST_CHECK enum err job_object_table_place(struct database *connection, int64_t job,
                                           enum job_role role,
                                           struct store_upload *upload);
/* Inside a write: the job's objects are nobody's any more. */
MUST_CHECK enum err job_object_table_drop(struct database *connection, int64_t job,
                                          uint64_t *freed);

#endif

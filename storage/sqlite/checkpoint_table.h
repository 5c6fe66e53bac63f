/* SPDX-License-Identifier: MIT */
/* Training states of jobs. */
#ifndef FIRTH_STORAGE_SQLITE_CHECKPOINT_TABLE_H
#define FIRTH_STORAGE_SQLITE_CHECKPOINT_TABLE_H

#include "storage/sqlite/sqlite_engine.h"

enum err checkpoint_table_commit(struct store_upload *upload, const char *job,
                                 uint64_t fence, uint64_t step, bool best,
                                 struct err_info *info);
enum err checkpoint_table_latest(struct store *store, const char *job, int64_t *object,
                                 uint64_t *step);

#endif

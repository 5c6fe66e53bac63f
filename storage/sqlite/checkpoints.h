/* SPDX-License-Identifier: MIT */
/* Training states of jobs. */
#ifndef FIRTH_STORAGE_SQLITE_CHECKPOINTS_H
#define FIRTH_STORAGE_SQLITE_CHECKPOINTS_H

#include "storage/sqlite/engine.h"

enum err checkpoints_commit(struct store_upload *upload, const char *job, uint64_t fence,
                            uint64_t step, bool best, struct err_info *info);
enum err checkpoints_latest(struct store *store, const char *job, int64_t *object,
                            uint64_t *step);

#endif

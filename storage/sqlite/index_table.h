/* SPDX-License-Identifier: MIT */
/* What is kept beside a model: its index. */
#ifndef FIRTH_STORAGE_SQLITE_INDEX_TABLE_H
#define FIRTH_STORAGE_SQLITE_INDEX_TABLE_H

#include "storage/sqlite/sqlite_engine.h"

enum err index_table_commit(struct store_upload *upload, const char *name,
                            const char *digest, struct err_info *info);

/* Inside a write: the model of this serial is gone, and so is its index, if any. */
MUST_CHECK enum err index_table_drop(struct database *connection, int64_t serial,
                                     uint64_t *freed);

#endif

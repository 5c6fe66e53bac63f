/* SPDX-License-Identifier: MIT */
/* Models by name or alias. */
#ifndef FIRTH_STORAGE_SQLITE_MODEL_TABLE_H
#define FIRTH_STORAGE_SQLITE_MODEL_TABLE_H

#include "storage/sqlite/sqlite_engine.h"

enum err model_table_commit(struct store_upload *upload, struct model_row *row,
                            bool replace, struct err_info *info);
enum err model_table_get(struct store *store, const char *name, struct model_row *row);
enum err model_table_list(struct store *store, const char *after, size_t limit,
                          struct model_row *rows, size_t *count, bool *has_more);
enum err model_table_delete(struct store *store, const char *name);
enum err model_table_patch(struct store *store, const char *name, const char *metadata,
                           const char (*aliases)[STORE_NAME_SIZE], size_t alias_count,
                           struct err_info *info);

/* Inside a write: puts the uploaded object in place under row->name. `placed` takes what
 * is new about the row; `row` itself is not touched. */
struct model_table_placed {
    int64_t object, created_ms;
    uint64_t bytes;
    char digest[STORE_DIGEST_SIZE];
};
MUST_CHECK enum err model_table_place(struct database *connection,
                                      struct store_upload *upload,
                                      const struct model_row *row, bool replace,
                                      struct model_table_placed *placed, uint64_t *freed,
                                      struct err_info *info);
void model_table_fill(struct model_row *row, const struct model_table_placed *placed);

/* Inside a transaction: ERR_EXISTS when `name` is a model's name or alias. */
MUST_CHECK enum err model_table_name_is_free(struct database *connection,
                                             const char *name, struct err_info *info);

#endif

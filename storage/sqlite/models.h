/* SPDX-License-Identifier: MIT */
/* Models by name or alias. */
#ifndef FIRTH_STORAGE_SQLITE_MODELS_H
#define FIRTH_STORAGE_SQLITE_MODELS_H

#include "storage/sqlite/engine.h"

enum err models_commit(struct store_upload *upload, struct model_row *row, bool replace,
                       struct err_info *info);
enum err models_get(struct store *store, const char *name, struct model_row *row);
enum err models_list(struct store *store, const char *after, size_t limit,
                     struct model_row *rows, size_t *count, bool *has_more);
enum err models_delete(struct store *store, const char *name);
enum err models_patch(struct store *store, const char *name, const char *metadata,
                      const char (*aliases)[STORE_NAME_SIZE], size_t alias_count,
                      struct err_info *info);

/* Inside a write: puts the uploaded object in place under row->name. `placed` takes what
 * is new about the row; `row` itself is not touched. */
struct models_placed {
    int64_t object, created_ms;
    uint64_t bytes;
    char digest[STORE_DIGEST_SIZE];
};
MUST_CHECK enum err models_place(struct connection *connection,
                                 struct store_upload *upload, const struct model_row *row,
                                 bool replace, struct models_placed *placed,
                                 uint64_t *freed, struct err_info *info);
void models_fill(struct model_row *row, const struct models_placed *placed);

/* Inside a transaction: ERR_EXISTS when `name` is a model's name or alias. */
MUST_CHECK enum err models_name_is_free(struct connection *connection, const char *name,
                                        struct err_info *info);

#endif

/* SPDX-License-Identifier: MIT */
/* Texts by name. */
#ifndef FIRTH_STORAGE_SQLITE_CORPUS_TABLE_H
#define FIRTH_STORAGE_SQLITE_CORPUS_TABLE_H

#include "storage/sqlite/sqlite_engine.h"

enum err corpus_table_commit(struct store_upload *upload, const char *name,
                             enum corpus_kind kind, uint64_t lines,
                             struct corpus_row *row, bool *replaced,
                             struct err_info *info);
enum err corpus_table_get(struct store *store, const char *name, struct corpus_row *row);
enum err corpus_table_list(struct store *store, const char *after, size_t limit,
                           struct corpus_row *rows, size_t *count, bool *has_more);
enum err corpus_table_delete(struct store *store, const char *name);

/* Inside a transaction. */
MUST_CHECK enum err corpus_table_exists(struct database *connection, const char *name,
                                        bool *exists);

#endif

/* SPDX-License-Identifier: MIT */
/* API keys: their public ids and the SHA-256 of their secrets. */
#ifndef FIRTH_STORAGE_SQLITE_KEY_TABLE_H
#define FIRTH_STORAGE_SQLITE_KEY_TABLE_H

#include "storage/sqlite/sqlite_engine.h"

enum err key_table_insert(struct store *store, struct key_row *row);
enum err key_table_get(struct store *store, const char *id, struct key_row *row);
enum err key_table_list(struct store *store, struct key_row **rows, size_t *count);
enum err key_table_delete(struct store *store, const char *id);

#endif

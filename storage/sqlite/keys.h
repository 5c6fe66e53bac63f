/* SPDX-License-Identifier: MIT */
/* API keys: their public ids and the SHA-256 of their secrets. */
#ifndef FIRTH_STORAGE_SQLITE_KEYS_H
#define FIRTH_STORAGE_SQLITE_KEYS_H

#include "storage/sqlite/engine.h"

enum err keys_insert(struct store *store, struct key_row *row);
enum err keys_get(struct store *store, const char *id, struct key_row *row);
enum err keys_list(struct store *store, struct key_row **rows, size_t *count);
enum err keys_delete(struct store *store, const char *id);

#endif

/* SPDX-License-Identifier: MIT */
/* Care of the whole file: copies, checks, figures. */
#ifndef FIRTH_STORAGE_SQLITE_INSPECT_H
#define FIRTH_STORAGE_SQLITE_INSPECT_H

#include "storage/store.h"

enum err inspect_backup(struct store *store, const char *path, struct err_info *info);
enum err inspect_check(struct store *store,
                       void (*report)(void *context, const char *what), void *context,
                       struct err_info *info);
enum err inspect_stats(struct store *store, struct store_stats *stats);

/* A consistent, synced copy of the store file `from`; ERR_EXISTS when there is a `to`. */
MUST_CHECK enum err inspect_copy(const char *from, const char *to, struct err_info *info);

#endif

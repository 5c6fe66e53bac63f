/* SPDX-License-Identifier: MIT */
/* The store as a file: whose it is, who has it open, and making a new one. */
#ifndef FIRTH_STORAGE_SQLITE_STORE_FILE_H
#define FIRTH_STORAGE_SQLITE_STORE_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Makes sure that `path` is a store this program can use, or makes a new one there, and
 * locks it (until *lock_fd is closed). A file that is not ours is not touched.
 * ERR_WRONG_STORE, ERR_NOT_FOUND, ERR_LOCKED, ERR_IO, ERR_NO_SPACE. */
MUST_CHECK enum err store_file_claim(const char *path, bool create, int *lock_fd,
                                     struct err_info *info);

/* Whether `path` is a store this program can use, without locking it: ERR_WRONG_STORE,
 * ERR_NOT_FOUND, ERR_IO. */
MUST_CHECK enum err store_file_examine(const char *path, struct err_info *info);

/* Syncs a file (and the folder it is in) to disk. Not for a file that is open in SQLite.
 */
MUST_CHECK enum err store_file_sync(const char *path);
MUST_CHECK enum err store_file_sync_folder(const char *path);

/* Bytes of `path` followed by `suffix`; 0 when there is none. */
uint64_t store_file_size(const char *path, const char *suffix);

#endif

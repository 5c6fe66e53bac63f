/* SPDX-License-Identifier: MIT */
/* Bringing a store's shape up to date, and how a file is known as a store. */
#ifndef FIRTH_STORAGE_SQLITE_MIGRATE_H
#define FIRTH_STORAGE_SQLITE_MIGRATE_H

#include "storage/sqlite/database.h"

#define MIGRATE_APPLICATION_ID 0x46697274 /* "Firt" */

/* The SQL of each step, NULL at the end; step i leads to user_version i + 1. */
extern const char *const migrate_steps[];
int64_t migrate_version(const char *const *steps);

/* Runs the steps that are missing in one transaction. A store that is not new is first
 * copied to PATH.before-vN. */
MUST_CHECK enum err migrate_run(struct database *connection, const char *path,
                                const char *const *steps, struct err_info *info);

#endif

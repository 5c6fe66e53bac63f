/* SPDX-License-Identifier: MIT */
/* A job's way from state to state. */
#ifndef FIRTH_STORAGE_SQLITE_JOB_CHANGES_H
#define FIRTH_STORAGE_SQLITE_JOB_CHANGES_H

#include "storage/sqlite/sqlite_engine.h"

enum err job_changes_claim(struct store *store, unsigned lane, struct job_row *row);
enum err job_changes_update(struct store *store, const struct job_row *row);
enum err job_changes_move(struct store *store, const char *id, enum job_state from,
                          enum job_state to);
enum err job_changes_wish(struct store *store, const char *id, bool pause, bool cancel);
enum err job_changes_recover(struct store *store, unsigned most_attempts);
enum err job_changes_succeed(struct store_upload *upload, struct model_row *model,
                             bool replace, const struct job_row *job,
                             struct err_info *info);

#endif

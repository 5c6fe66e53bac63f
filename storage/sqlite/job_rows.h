/* SPDX-License-Identifier: MIT */
/* A job's columns, and finding it. */
#ifndef FIRTH_STORAGE_SQLITE_JOB_ROWS_H
#define FIRTH_STORAGE_SQLITE_JOB_ROWS_H

#include "storage/sqlite/statement.h"
#include "storage/store.h"

/* SELECT JOB_ROWS_COLUMNS FROM job, then job_rows_read: fills a zeroed row. */
#define JOB_ROWS_COLUMNS                                                                 \
    "id, type, kind, model, corpus, valid_corpus, state, spec, metadata, result,"        \
    " fraction, epoch, tokens_per_second, step, steps_total, tokens, best_step,"         \
    " best_loss, error, error_message, created_ms, started_ms, finished_ms, attempts,"   \
    " fence, pause_wanted, cancel_wanted, lane "
MUST_CHECK enum err job_rows_read(struct statement *query, struct job_row *row);

/* What decides whether a change is allowed. ERR_JOB_NOT_FOUND. */
struct job_rows_key {
    int64_t serial;
    enum job_state state;
    uint64_t fence;
};
MUST_CHECK enum err job_rows_find(struct database *connection, const char *id,
                                  struct job_rows_key *key);

/* A new id: "job-" and 26 characters that sort by time. */
void job_rows_new_id(int64_t now_ms, char id[STORE_ID_SIZE]);

#endif

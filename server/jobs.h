/* SPDX-License-Identifier: MIT */
/* The job queue and its supervisor: one long-lived thread that starts a trainer process
 * for each job, feeds it, listens to its frames and alone decides what becomes of it. */
#ifndef FIRTH_SERVER_JOBS_H
#define FIRTH_SERVER_JOBS_H

#include <stdbool.h>

#include "base/err.h"
#include "model/train.h"
#include "storage/store.h"

struct jobs;
struct server;

/* Validates what needs the store and queues. `key`, `metadata` and `body_sha256` may be
 * NULL. Fills the row. Errors as store_job_insert, plus ERR_NOT_FOUND for resume_from. */
MUST_CHECK enum err jobs_submit(struct jobs *jobs, const struct train_spec *spec,
                                const char *metadata, const char *key,
                                const char *body_sha256, struct job_row *row,
                                bool *existed, struct err_info *info);
/* What training would take; nothing is queued. */
MUST_CHECK enum err jobs_estimate(struct jobs *jobs, const struct train_spec *spec,
                                  struct train_estimate *estimate, struct err_info *info);

/* Harmless when repeated; ERR_CONFLICT once finished; ERR_JOB_NOT_FOUND. */
MUST_CHECK enum err jobs_cancel(struct jobs *jobs, const char *id, struct err_info *info);
MUST_CHECK enum err jobs_pause(struct jobs *jobs, const char *id, struct err_info *info);
MUST_CHECK enum err jobs_resume(struct jobs *jobs, const char *id, struct err_info *info);

/* Called (from the supervisor's thread, briefly) whenever a job has new events. */
struct jobs_listener {
    void (*changed)(struct jobs_listener *listener, const char *id);
    struct jobs_listener *next; /* the queue's own */
};
void jobs_listen(struct jobs *jobs, struct jobs_listener *listener);
void jobs_unlisten(struct jobs *jobs, struct jobs_listener *listener);

#endif

/* SPDX-License-Identifier: MIT */
/* /jobs: what trainers do. The event feed stands in job_events.c, the curves in
 * job_metrics.c. */
#ifndef FIRTH_API_JOB_H
#define FIRTH_API_JOB_H

#include "api/exchange.h"
#include "storage/store.h"

enum err job_list(struct exchange *x, struct err_info *info);
enum err job_get(struct exchange *x, struct err_info *info);
enum err job_delete(struct exchange *x, struct err_info *info);
enum err job_cancel(struct exchange *x, struct err_info *info);
enum err job_pause(struct exchange *x, struct err_info *info);
enum err job_resume(struct exchange *x, struct err_info *info);

/* The job the path names; the caller's to _fini on success. ERR_JOB_NOT_FOUND. */
MUST_CHECK enum err job_find(struct exchange *x, struct job_row *row,
                             struct err_info *info);

/* Answers 202 with the job and where it is. */
enum err job_reply_queued(struct exchange *x, const struct job_row *row,
                          struct err_info *info);
/* Whether Accept asks for text/csv before JSON. */
bool job_wants_csv(const struct exchange *x);

enum err job_events_get(struct exchange *x, struct err_info *info);
enum err job_metrics_get(struct exchange *x, struct err_info *info);

#endif

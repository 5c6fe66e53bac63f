/* SPDX-License-Identifier: MIT */
/* Jobs as JSON. */
#ifndef FIRTH_API_PRINT_JOB_H
#define FIRTH_API_PRINT_JOB_H

#include "api/job_view.h"

/* One job as a value. `queue_position` 0: none; `latest`: the newest point of each
 * series; `answer` NULL: the result of a job that answers is left out (null), as in
 * lists.
 */
void print_job(struct printer *p, const struct job_row *job, size_t queue_position,
               const struct metric_point *latest, size_t latest_count,
               const struct job_answer *answer);

#endif

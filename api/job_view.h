/* SPDX-License-Identifier: MIT */
/* How jobs of each work are shown: what was asked, and what a job without a model
 * answers. A row a work, beside those of server/work.h. */
#ifndef FIRTH_API_JOB_VIEW_H
#define FIRTH_API_JOB_VIEW_H

#include "api/printer.h"
#include "base/spill.h"
#include "model/exam.h"
#include "model/maps/map_file.h"
#include "storage/store.h"

/* A stored answer as its work reads it. */
struct job_answer {
    const struct job_view *view; /* NULL: the job has none */
    struct spill *spill;
    union {
        struct map_file map;
        struct exam_marks *marks; /* owned */
    } as;
};

/* Members of an open object: "params", "seed" and the like. */
void job_view_order(struct printer *p, const struct job_row *job);

/* True for a work whose jobs keep an answer. */
bool job_view_answers(const struct job_row *job);

/* Reads the answer of a job that succeeded, and no other's; blocks on the disk. A job
 * without one gives an answer without a view. */
MUST_CHECK enum err job_answer_open(struct store *store, const char *scratch,
                                    const struct job_row *job, struct job_answer *answer,
                                    struct err_info *info);
void job_answer_fini(struct job_answer *answer);

/* The whole result as one value. */
void job_answer_print(struct printer *p, const struct job_row *job,
                      const struct job_answer *answer);
/* The table of a map as text/csv; false where there is nothing of the kind. */
bool job_answer_csv(const struct job_answer *answer, struct buffer *text);

#endif

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
struct metrics;
struct registry;

/* Queues that do not wait for each other: trainings may take hours, answers to questions
 * should not stand behind them. */
enum work_lane { LANE_TRAINING, LANE_ANSWER, LANE_COUNT };

/* What the queue needs; plain data, copied. `registry` and `metrics` may be NULL. */
struct jobs_setup {
    struct store *store;
    struct registry *registry;
    struct metrics *metrics;
    const char *scratch; /* folder of temporary files; copied */
    const char *trainer; /* program of the trainers; NULL: the running one. Borrowed */
    size_t queue_max;    /* jobs that may wait */
    size_t at_once[LANE_COUNT]; /* trainers at the same time */
    unsigned attempts;          /* starts of a job before it has failed */
    double heartbeat_seconds;
    double retry_seconds; /* pause before the second attempt; four times as long each */
};

/* Puts jobs left running by an earlier process back into the queue, starts the
 * supervisor. */
MUST_CHECK enum err jobs_new(const struct jobs_setup *setup, struct jobs **out,
                             struct err_info *info);
/* Takes and starts no more jobs; running trainers hand over a checkpoint and their jobs
 * go back into the queue. Returns at once; trainers that are not through after `seconds`
 * are killed. */
void jobs_drain(struct jobs *jobs, double seconds);
/* Drains, unless that was begun before, waits for it, frees. NULL is fine. */
void jobs_stop(struct jobs *jobs, double seconds);

/* Validates what needs the store and queues; a mixture's spec takes its parts' tokenizer.
 * `key`, `metadata` and `body_sha256` may be
 * NULL. Fills the row. Errors as store_job_insert, plus ERR_NOT_FOUND for resume_from. */
MUST_CHECK enum err jobs_submit(struct jobs *jobs, struct train_spec *spec,
                                const char *metadata, const char *key,
                                const char *body_sha256, struct job_row *row,
                                bool *existed, struct err_info *info);
/* Queues a question to a model. The row comes with type (of the work), kind, model,
 * corpus and spec filled; `given` is the text that the work's needs ask for, without
 * bytes for none. Fills the rest of the row. */
MUST_CHECK enum err jobs_ask(struct jobs *jobs, struct span given, struct job_row *row,
                             struct err_info *info);
/* What training would take; nothing is queued. */
MUST_CHECK enum err jobs_estimate(struct jobs *jobs, struct train_spec *spec,
                                  struct train_estimate *estimate, struct err_info *info);

/* Harmless when repeated; ERR_CONFLICT once finished; ERR_JOB_NOT_FOUND. */
MUST_CHECK enum err jobs_cancel(struct jobs *jobs, const char *id, struct err_info *info);
MUST_CHECK enum err jobs_pause(struct jobs *jobs, const char *id, struct err_info *info);
MUST_CHECK enum err jobs_resume(struct jobs *jobs, const char *id, struct err_info *info);

/* Seconds the job will run on, as far as its row tells; NAN: not known. Tokens left are
 * measured by the speed of the moment, since a run that goes on from a checkpoint has not
 * done itself what is done; a job without tokens takes `spent` seconds for its fraction.
 */
double jobs_seconds_left(const struct job_row *row, double spent);

/* Called (from a thread of the queue's, with a lock held: be brief, ask nothing of the
 * queue) whenever a job has new events or another state. */
struct jobs_listener {
    void (*changed)(struct jobs_listener *listener, const char *id);
    struct jobs_listener *next; /* the queue's own */
};
void jobs_listen(struct jobs *jobs, struct jobs_listener *listener);
/* No call comes after this returns. */
void jobs_unlisten(struct jobs *jobs, struct jobs_listener *listener);

#endif

/* SPDX-License-Identifier: MIT */
/* The one hook through which a long computation talks to the world: it reports, and is
 * told to go on or to stop cleanly. A trainer calls report() at least once a second. */
#ifndef FIRTH_BASE_PROGRESS_H
#define FIRTH_BASE_PROGRESS_H

#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

enum progress_answer {
    PROGRESS_GO_ON,
    PROGRESS_CHECKPOINT, /* hand one over at the next step boundary; said until done */
    PROGRESS_STOP        /* hand over a checkpoint, then return ERR_CANCELLED */
};

struct progress_report {
    double fraction; /* of the whole job, 0 … 1 */
    double epoch;    /* epochs finished, fractional; 0 where there are none */
    uint64_t step, steps_total;
    uint64_t tokens;   /* tokens seen by training so far */
    const char *phase; /* "counting", "estimating", "training", "evaluating" */
};

struct progress {
    void *context;
    enum progress_answer (*report)(void *context, const struct progress_report *report);
    /* A point of a training curve: series "train_loss", "valid_perplexity", … */
    void (*metric)(void *context, const char *series, uint64_t step, double value);
    /* A line for the job's log that the user should see ("discounts fell back to …"). */
    void (*note)(void *context, const char *text);
    /* Takes a whole checkpoint; on success it is durable when the call returns. */
    enum err (*checkpoint)(void *context, uint64_t step, struct span bytes);
};

/* The same calls, doing nothing and going on when `progress` or its member is NULL. */
static inline enum progress_answer progress_report(const struct progress *progress,
                                                   const struct progress_report *report)
{
    return progress && progress->report ? progress->report(progress->context, report)
                                        : PROGRESS_GO_ON;
}

static inline void progress_metric(const struct progress *progress, const char *series,
                                   uint64_t step, double value)
{
    if (progress && progress->metric)
        progress->metric(progress->context, series, step, value);
}

static inline void progress_note(const struct progress *progress, const char *text)
{
    if (progress && progress->note)
        progress->note(progress->context, text);
}

static inline enum err progress_checkpoint(const struct progress *progress, uint64_t step,
                                           struct span bytes)
{
    return progress && progress->checkpoint
               ? progress->checkpoint(progress->context, step, bytes)
               : ERR_OK;
}

#endif

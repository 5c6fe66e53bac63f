/* SPDX-License-Identifier: MIT */
/* The events and curve points of one job on their way into the store, in batches. Event
 * data is one line of JSON, given to clients as it is. */
#ifndef FIRTH_SERVER_CHRONICLE_H
#define FIRTH_SERVER_CHRONICLE_H

#include "base/err.h"
#include "server/messages.h"
#include "storage/store.h"

enum { CHRONICLE_MAX = 256 };

struct chronicle {
    struct store *store;
    char id[STORE_ID_SIZE];
    struct metric_point points[CHRONICLE_MAX];
    struct event_row events[CHRONICLE_MAX];
    size_t point_count, event_count, metric_events;
};

void chronicle_init(struct chronicle *chronicle, struct store *store, const char *id);
void chronicle_fini(struct chronicle *chronicle); /* drops what was not written */

/* `info` may be NULL; its message is told when the code is not ERR_OK. */
void chronicle_state(struct chronicle *chronicle, enum job_state state, unsigned attempt,
                     const struct err_info *info);
void chronicle_progress(struct chronicle *chronicle,
                        const struct progress_message *progress, double tokens_per_second,
                        double eta_s);
void chronicle_metric(struct chronicle *chronicle, const struct metric_message *metric);
void chronicle_checkpoint(struct chronicle *chronicle, uint64_t step, uint64_t bytes,
                          bool best);
/* Text of one or more lines; an event for each. */
void chronicle_log(struct chronicle *chronicle, struct span text);

/* Writes everything out. What cannot be written is dropped: events and curves may be
 * lost with a full disk, states and models may not. *wrote tells of new events. */
MUST_CHECK enum err chronicle_flush(struct chronicle *chronicle, bool *wrote);

#endif

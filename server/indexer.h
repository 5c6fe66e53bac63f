/* SPDX-License-Identifier: MIT */
/* Indexes of approximate search, made on demand: one thread builds them, one at a time,
 * for loaded models whose vectors are too many to be searched one by one. */
#ifndef FIRTH_SERVER_INDEXER_H
#define FIRTH_SERVER_INDEXER_H

#include "base/err.h"
#include "server/registry.h"

struct indexer;

enum index_state {
    INDEX_READY,    /* the model's vectors have one */
    INDEX_BUILDING, /* or waiting to be built */
    INDEX_SMALL,    /* exact search is fast enough: none is made */
    INDEX_FAILED,   /* no memory for it, or it would take too long */
    INDEX_STATE_COUNT
};
extern const char *const index_state_names[INDEX_STATE_COUNT]; /* "ready", … */

struct indexer_setup {
    struct store *store;
    struct registry *registry;
    uint32_t rows_min;    /* fewer vectors get no index */
    double build_seconds; /* a build that takes longer is given up */
    double wait_seconds;  /* at most this long a request waits for one … */
    size_t waiters_max;   /* … and no more requests than these at the same time */
    unsigned threads;     /* of a build */
};

MUST_CHECK enum err indexer_new(const struct indexer_setup *setup, struct indexer **out);
/* Gives up what is being built and wakes everybody who waits. Asking stays allowed. */
void indexer_stop(struct indexer *indexer);
/* Stops; nobody may ask any more. NULL is fine. */
void indexer_free(struct indexer *indexer);

/* Whether the model has an index, and if it should have one and has none, sees to it. May
 * wait as the setup says; *fraction is how far a build has come. Any thread but an HTTP
 * loop. The model must have vectors. */
enum index_state indexer_ask(struct indexer *indexer, const struct lease *lease,
                             double *fraction);

#endif

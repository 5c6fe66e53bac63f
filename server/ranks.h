/* SPDX-License-Identifier: MIT */
/* The order in which this folder's locks are taken: a thread that holds one may only take
 * another of a higher rank. No lock of this folder is held across a call into storage/ or
 * model/. */
#ifndef FIRTH_SERVER_RANKS_H
#define FIRTH_SERVER_RANKS_H

enum {
    RANK_GAUGES = 15,
    RANK_INDEXER = 18,
    RANK_REGISTRY = 20,
    RANK_JOBS = 30,      /* the queue: running jobs and their wishes */
    RANK_LISTENERS = 40, /* who wants to hear of events */
    RANK_BATCHER = 45,
    RANK_POOL = 50,
    RANK_TRAINER = 55, /* the trainer process: its socket */
    RANK_METRICS = 58
};

#endif

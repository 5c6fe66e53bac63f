/* SPDX-License-Identifier: MIT */
/* What the files of the job queue share among themselves: jobs.c (what clients ask for),
 * supervisor.c (the one long-lived thread), runner.c (a thread for each running job),
 * listen.c (what its trainer says). server/README.md draws the states. */
#ifndef FIRTH_SERVER_JOBS_INT_H
#define FIRTH_SERVER_JOBS_INT_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/lock.h"
#include "server/chronicle.h"
#include "server/feed.h"
#include "server/frames.h"
#include "server/jobs.h"
#include "server/messages.h"
#include "server/work.h"

/* What shall become of a running job; a later wish replaces an earlier one, but nothing
 * replaces a cancel. */
enum intent { INTENT_NONE, INTENT_PAUSE, INTENT_REQUEUE, INTENT_CANCEL };

enum runner_stage {
    STAGE_BUSY,        /* preparing, or listening, or waiting to try again */
    STAGE_WANTS_SPAWN, /* asks the supervisor for its trainer */
    STAGE_SPAWNED,
    STAGE_OVER /* the thread may be joined */
};

struct run;

/* One claimed job. What the lock guards says so; the rest belongs to its thread. */
struct runner {
    struct runner *next; /* lock */
    struct jobs *jobs;
    struct run *run; /* owned */
    pthread_t thread;
    struct job_row row;
    struct work_order *order; /* owned; NULL until read */
    struct feed feed;
    int wake_fd; /* eventfd: the intent has changed */
    char id[STORE_ID_SIZE];
    enum intent intent;      /* lock */
    enum runner_stage stage; /* lock */
    enum work_lane lane;
    bool holds_slot; /* lock: counts among those its lane runs at once */
    pid_t pid;
    int socket_fd;
    enum err spawn_error; /* set by the supervisor before STAGE_SPAWNED */
    struct err_info spawn_info;
};

struct jobs {
    struct jobs_setup setup;
    char scratch[MESSAGE_PATH_SIZE];
    struct lock lock;
    struct condition changed; /* anything below */
    struct runner *runners;
    bool claim_wanted, stopping;
    unsigned submitting; /* jobs being inserted whose feed has not begun yet */
    double stop_by;      /* monotonic; when stopping */
    pthread_t supervisor;
    struct lock listeners_lock;
    struct jobs_listener *listeners;
};

/* How listening to a trainer ended. */
enum ending {
    ENDING_NONE,
    ENDING_RESULT,   /* a whole model file or answer, and its result */
    ENDING_ERROR,    /* the trainer said why it could not */
    ENDING_DEATH,    /* the socket closed without a word */
    ENDING_SILENCE,  /* no frames, or no progress, for too long */
    ENDING_PROTOCOL, /* frames that make no sense */
    ENDING_STORE,    /* the store refused what the trainer made */
    ENDING_STALE,    /* another attempt has taken the job over */
    ENDING_STOPPED   /* killed because it did not stop in time */
};

/* One attempt at a job, on its runner's thread. */
struct run {
    struct runner *runner;
    struct jobs *jobs;
    struct chronicle chronicle;
    struct frame_decoder decoder;
    struct store_upload *checkpoint, *artefact; /* being received */
    enum err checkpoint_error;
    uint64_t last_checkpoint_step;
    struct progress_message progress;
    bool progress_new;
    double started, last_frame, last_flush, last_report, kill_at;
    uint64_t reports, tokens, rated_tokens;
    double rated_at, rate; /* tokens a second */
    bool resumes, has_valid_loss, stop_sent;
    enum ending ending;
    struct train_result result;
    struct err_info error;
};

void *supervisor_main(void *jobs);
void supervisor_poke(struct jobs *jobs); /* look for queued jobs */

void *runner_main(void *runner);
/* Lock held. */
void runner_set_intent(struct runner *runner, enum intent intent);
/* Also tells by when all must have stopped (monotonic seconds; infinite while nothing
 * stops). `stop_by` may be NULL. */
enum intent runner_intent(struct runner *runner, double *stop_by);

/* listen.c: tells the trainer what to do, then serves it until something ends it; fills
 * run->ending. */
void listen_hello(struct run *run);
void listen_to_trainer(struct run *run);
enum err listen_flush(struct run *run);

/* jobs.c: tells the listeners, without the lock. */
void jobs_notify(struct jobs *jobs, const char *id);

#endif

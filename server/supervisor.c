/* SPDX-License-Identifier: MIT */
/* The supervisor: one thread from the start of the queue to its end. It claims queued
 * jobs while there are slots, gives each a runner, starts the runners' trainers (a
 * trainer dies with the thread that started it, so that must be this one), and joins
 * runners that are over. It waits on one condition variable and never listens to a
 * trainer itself. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "server/jobs_int.h"
#include "server/metrics.h"
#include "server/spawn.h"

static const double LOOK_EVERY = 30; /* for queued jobs that nobody announced */

void supervisor_poke(struct jobs *jobs)
{
    lock_take(&jobs->lock);
    jobs->claim_wanted = true;
    condition_broadcast(&jobs->changed);
    lock_release(&jobs->lock);
}

static void free_runner(struct runner *runner)
{
    if (!runner)
        return;
    if (runner->wake_fd >= 0)
        close(runner->wake_fd);
    job_row_fini(&runner->row);
    free(runner->order);
    free(runner->run);
    free(runner);
}

/* Everything a job needs before it is claimed, so that a claimed one never lacks it. */
static struct runner *new_runner(struct jobs *jobs, enum work_lane lane)
{
    struct runner *runner = memory_new_array(1, sizeof *runner);
    if (!runner)
        return NULL;
    runner->jobs = jobs;
    runner->lane = lane;
    runner->holds_slot = true;
    runner->run = memory_new_array(1, sizeof *runner->run);
    runner->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!runner->run || runner->wake_fd < 0) {
        free_runner(runner);
        return NULL;
    }
    return runner;
}

static void unlink_runner(struct jobs *jobs, struct runner *runner)
{
    struct runner **link = &jobs->runners;
    while (*link && *link != runner)
        link = &(*link)->next;
    if (*link)
        *link = runner->next;
}

/* Puts a claimed job back whose runner could not be started. */
static void give_back(struct jobs *jobs, struct runner *runner)
{
    runner->row.state = JOB_QUEUED;
    if (store_job_update(jobs->setup.store, &runner->row))
        LOG_EVENT(LOG_ERROR, "job_not_given_back", LOG_T("job", runner->id));
    lock_take(&jobs->lock);
    unlink_runner(jobs, runner);
    lock_release(&jobs->lock);
    free_runner(runner);
}

static bool start_runner(struct jobs *jobs, struct runner *runner)
{
    memcpy(runner->id, runner->row.id, sizeof runner->id);
    lock_take(&jobs->lock);
    runner->next = jobs->runners;
    jobs->runners = runner;
    if (jobs->stopping)
        runner_set_intent(runner, INTENT_REQUEUE);
    int failed = pthread_create(&runner->thread, NULL, runner_main, runner);
    lock_release(&jobs->lock);
    if (failed)
        give_back(jobs, runner);
    return !failed;
}

/* Claims one job and starts it; false when there is none or it could not be. */
static bool claim_one(struct jobs *jobs, enum work_lane lane)
{
    struct runner *runner = new_runner(jobs, lane);
    if (!runner)
        return false;
    enum err code = store_job_claim(jobs->setup.store, lane, &runner->row);
    if (!code)
        return start_runner(jobs, runner);
    if (code != ERR_NOT_FOUND)
        LOG_EVENT(LOG_ERROR, "job_not_claimed", LOG_T("error", err_word(code)));
    free_runner(runner);
    return false;
}

static bool has_slot(const struct jobs *jobs, enum work_lane lane)
{
    size_t taken = 0;
    for (const struct runner *runner = jobs->runners; runner; runner = runner->next)
        taken += runner->holds_slot && runner->lane == lane;
    return taken < jobs->setup.at_once[lane];
}

/* Fills the free slots of every lane. Lock held, released meanwhile. */
static void claim(struct jobs *jobs)
{
    jobs->claim_wanted = false;
    for (int lane = 0; lane < LANE_COUNT; lane++) {
        bool more = true;
        while (more && !jobs->stopping && has_slot(jobs, (enum work_lane)lane)) {
            lock_release(&jobs->lock);
            more = claim_one(jobs, (enum work_lane)lane);
            lock_take(&jobs->lock);
        }
    }
}

static struct runner *find_stage(struct jobs *jobs, enum runner_stage stage)
{
    struct runner *runner = jobs->runners;
    while (runner && runner->stage != stage)
        runner = runner->next;
    return runner;
}

/* Starts the trainer a runner waits for. Lock held, released meanwhile. */
static void spawn_one(struct jobs *jobs, struct runner *runner)
{
    lock_release(&jobs->lock);
    runner->spawn_info = (struct err_info){0};
    runner->spawn_error = spawn_trainer(jobs->setup.trainer, &runner->feed, &runner->pid,
                                        &runner->socket_fd, &runner->spawn_info);
    lock_take(&jobs->lock);
    runner->stage = STAGE_SPAWNED;
    condition_broadcast(&jobs->changed);
}

/* Joins a runner that is over. Lock held, released meanwhile. */
static void bury(struct jobs *jobs, struct runner *runner)
{
    unlink_runner(jobs, runner);
    lock_release(&jobs->lock);
    pthread_join(runner->thread, NULL);
    free_runner(runner);
    lock_take(&jobs->lock);
}

static void count_states(struct jobs *jobs)
{
    size_t counts[JOB_STATE_COUNT];
    struct metrics *metrics = jobs->setup.metrics;
    if (!metrics || store_job_count(jobs->setup.store, counts))
        return;
    for (size_t i = 0; i < JOB_STATE_COUNT; i++)
        metrics_set(metrics, METRIC_JOBS,
                    metrics_label(metrics, METRIC_JOBS, job_state_names[i]),
                    (double)counts[i]);
}

/* One thing that has to be done now; false when there is none. Lock held. */
static bool do_one(struct jobs *jobs, double *looked)
{
    struct runner *runner = find_stage(jobs, STAGE_WANTS_SPAWN);
    if (runner) {
        spawn_one(jobs, runner);
        return true;
    }
    runner = find_stage(jobs, STAGE_OVER);
    if (runner) {
        bury(jobs, runner);
        return true;
    }
    bool due = clock_monotonic() - *looked >= LOOK_EVERY;
    if (jobs->stopping || (!jobs->claim_wanted && !due))
        return false;
    *looked = clock_monotonic();
    claim(jobs);
    lock_release(&jobs->lock);
    count_states(jobs);
    lock_take(&jobs->lock);
    return true;
}

void *supervisor_main(void *argument)
{
    struct jobs *jobs = argument;
    double looked = clock_monotonic();
    lock_take(&jobs->lock);
    while (!jobs->stopping || jobs->runners)
        if (!do_one(jobs, &looked))
            condition_wait(&jobs->changed, &jobs->lock, LOOK_EVERY);
    lock_release(&jobs->lock);
    return NULL;
}

/* SPDX-License-Identifier: MIT */
/* The life of one claimed job: prepare its input, have the supervisor start its trainer,
 * listen, and decide what becomes of the job. Each runs on a thread of its own, so that
 * copying a corpus or storing a model holds up nobody else.
 *
 * What decides: a whole result wins over any wish that came too late; then a wish to
 * cancel, pause or requeue; then what the trainer said; then how it died. A death is
 * tried again after a pause until the attempts are used up; what the trainer itself calls
 * an error would only happen again and ends the job. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "server/jobs_int.h"
#include "server/metrics.h"
#include "server/outcome.h"
#include "server/registry.h"
#include "server/spawn.h"

static const double DEATH_GRACE = 5, RETRY_LONGEST = 60, STORE_RETRY = 1,
                    SUBMIT_WAIT = 0.5;

void runner_set_intent(struct runner *runner, enum intent intent)
{
    if (runner->intent != INTENT_CANCEL)
        runner->intent = intent;
    eventfd_write(runner->wake_fd, 1);
    condition_broadcast(&runner->jobs->changed);
}

enum intent runner_intent(struct runner *runner, double *stop_by)
{
    lock_take(&runner->jobs->lock);
    enum intent intent = runner->intent;
    if (stop_by)
        *stop_by = runner->jobs->stopping ? runner->jobs->stop_by : INFINITY;
    lock_release(&runner->jobs->lock);
    return intent;
}

static bool stop_wanted(void *runner)
{
    return runner_intent(runner, NULL) != INTENT_NONE;
}

/* Waits up to `seconds`, less when something is wanted of the job. */
static void wait_for_intent(struct runner *runner, double seconds)
{
    struct jobs *jobs = runner->jobs;
    double now = clock_monotonic(), until = now + seconds;
    lock_take(&jobs->lock);
    for (; !runner->intent && now < until; now = clock_monotonic())
        condition_wait(&jobs->changed, &jobs->lock, until - now);
    lock_release(&jobs->lock);
}

/* A wish that was stored before this runner could be found by who wished it. */
static void read_wishes(struct runner *runner)
{
    struct job_row row = {0};
    if (!store_job_get(runner->jobs->setup.store, runner->id, &row) &&
        (row.cancel_wanted || row.pause_wanted)) {
        lock_take(&runner->jobs->lock);
        runner_set_intent(runner, row.cancel_wanted ? INTENT_CANCEL : INTENT_PAUSE);
        lock_release(&runner->jobs->lock);
    }
    job_row_fini(&row);
}

/* Whoever submitted the job may still be writing "queued" into its feed. */
static void let_submitter_finish(struct jobs *jobs)
{
    double now = clock_monotonic(), until = now + SUBMIT_WAIT;
    lock_take(&jobs->lock);
    for (; jobs->submitting > 0 && now < until; now = clock_monotonic())
        condition_wait(&jobs->changed, &jobs->lock, until - now);
    lock_release(&jobs->lock);
}

static enum err prepare(struct run *run)
{
    struct runner *runner = run->runner;
    const struct feed_stop stop = {stop_wanted, runner};
    let_submitter_finish(run->jobs);
    read_wishes(runner);
    if (stop_wanted(runner))
        return ERR_CANCELLED;
    struct feed_needs needs = {0};
    enum err code =
        work_order_read(works, runner->row.type, span_of_text(runner->row.spec),
                        &runner->order, &run->error);
    if (code)
        return code;
    runner->order->work->needs(runner->order, &needs);
    return feed_open(run->jobs->setup.store, &needs, runner->id, run->jobs->scratch,
                     &stop, &runner->feed, &run->error);
}

static enum err have_trainer_spawned(struct run *run)
{
    struct runner *runner = run->runner;
    struct jobs *jobs = run->jobs;
    lock_take(&jobs->lock);
    runner->stage = STAGE_WANTS_SPAWN;
    condition_broadcast(&jobs->changed);
    while (runner->stage == STAGE_WANTS_SPAWN)
        condition_wait(&jobs->changed, &jobs->lock, -1);
    runner->stage = STAGE_BUSY;
    lock_release(&jobs->lock);
    if (runner->spawn_error)
        run->error = runner->spawn_info;
    return runner->spawn_error;
}

/* ---- what became of it ---- */

static void say_death(struct run *run, int status, bool memory_was_short)
{
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && memory_was_short)
        err_set(&run->error, ERR_NO_MEMORY,
                "the system ended the trainer because memory was short");
    else if (WIFSIGNALED(status))
        err_set(&run->error, ERR_CRASH, "the trainer was ended by signal %d (SIG%s)",
                WTERMSIG(status), sigabbrev_np(WTERMSIG(status)));
    else if (WEXITSTATUS(status) != 0)
        err_set(&run->error, ERR_CRASH, "the trainer ended with status %d",
                WEXITSTATUS(status));
    else
        err_set(&run->error, ERR_PROTOCOL, "the trainer ended without a result");
}

static void end_trainer(struct run *run, unsigned long long memory_kills)
{
    struct runner *runner = run->runner;
    bool died = run->ending == ENDING_DEATH;
    bool ends_itself =
        died || run->ending == ENDING_RESULT || run->ending == ENDING_ERROR;
    close(runner->socket_fd);
    int status = spawn_reap(runner->pid, ends_itself ? DEATH_GRACE : 0);
    if (died)
        say_death(run, status, spawn_memory_kills() > memory_kills);
    if (died && run->jobs->setup.metrics)
        metrics_add(run->jobs->setup.metrics, METRIC_TRAINER_DEATHS, 0, 1);
}

/* Writes the row until the store takes it; gives up when the job is no longer ours or the
 * daemon stops (the next start finds it running and queues it again). */
static void save(struct run *run)
{
    struct runner *runner = run->runner;
    enum err code;
    while ((code = store_job_update(run->jobs->setup.store, &runner->row)) &&
           code != ERR_CONFLICT && code != ERR_JOB_NOT_FOUND) {
        LOG_EVENT(LOG_ERROR, "job_state_not_stored", LOG_T("job", runner->id),
                  LOG_T("error", err_word(code)));
        lock_take(&run->jobs->lock);
        bool stopping = run->jobs->stopping;
        lock_release(&run->jobs->lock);
        if (stopping)
            break;
        wait_for_intent(runner, STORE_RETRY);
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    }
}

static void log_state(const struct run *run)
{
    const struct job_row *row = &run->runner->row;
    LOG_EVENT(row->state == JOB_FAILED ? LOG_WARNING : LOG_INFO, "job",
              LOG_T("job", row->id), LOG_T("state", job_state_names[row->state]),
              LOG_T("model", row->model), LOG_I("attempt", row->attempts),
              LOG_T("error", row->error ? err_word(row->error) : ""),
              LOG_T("message", row->error ? row->error_message : ""));
}

static void announce(struct run *run)
{
    struct job_row *row = &run->runner->row;
    chronicle_state(&run->chronicle, row->state, row->attempts,
                    row->error ? &run->error : NULL);
    run->progress_new = false;
    if (listen_flush(run))
        LOG_EVENT(LOG_WARNING, "job_events_lost", LOG_T("job", row->id));
    jobs_notify(run->jobs, row->id);
    log_state(run);
}

static void become(struct run *run, enum job_state state)
{
    struct job_row *row = &run->runner->row;
    row->state = state;
    if (job_state_finished(state))
        row->finished_ms = clock_wall_ms();
    if (state == JOB_FAILED || state == JOB_DIVERGED) {
        err_finish(&run->error, run->error.code ? run->error.code : ERR_INTERNAL);
        row->error = run->error.code;
        free(row->error_message);
        row->error_message = strdup(run->error.message);
    }
    save(run);
    announce(run);
}

/* The new model, and the job's success with it. Takes the upload. */
static enum err commit_model(struct run *run, struct store_upload *upload)
{
    struct runner *runner = run->runner;
    struct job_row *row = &runner->row;
    const struct train_spec *spec = &runner->order->as.train;
    struct model_row model = {0};
    row->result = outcome_result_text(&run->result);
    enum err code = row->result ? outcome_model_row(spec, &run->result, runner->id,
                                                    row->metadata, &model)
                                : ERR_NO_MEMORY;
    if (code)
        store_upload_abort(upload);
    else
        code = store_job_succeed(upload, &model, spec->replace, row, &run->error);
    model_row_fini(&model);
    if (!code && run->jobs->setup.registry)
        registry_forget(run->jobs->setup.registry, spec->model);
    return code;
}

/* The answer stays with the job; its row says what was asked. Takes the upload. */
static enum err commit_answer(struct run *run, struct store_upload *upload)
{
    struct job_row *row = &run->runner->row;
    row->result = outcome_sources_text(&run->runner->feed);
    if (row->result)
        return store_job_succeed(upload, NULL, false, row, &run->error);
    store_upload_abort(upload);
    return ERR_NO_MEMORY;
}

/* Stores what the trainer made and the job's success in one transaction. */
static enum err commit_result(struct run *run)
{
    struct job_row *row = &run->runner->row;
    struct store_upload *upload = run->artefact;
    free(row->result);
    row->state = JOB_SUCCEEDED;
    row->fraction = 1;
    row->finished_ms = clock_wall_ms();
    run->artefact = NULL;
    enum err code = run->runner->order->work->makes_model ? commit_model(run, upload)
                                                          : commit_answer(run, upload);
    return code ? err_finish(&run->error, code) : ERR_OK;
}

static void succeed(struct run *run)
{
    struct runner *runner = run->runner;
    chronicle_log(&run->chronicle, span_of_text(run->result.notes));
    run->progress.fraction = 1;
    chronicle_progress(&run->chronicle, &run->progress, run->rate, 0);
    if (listen_flush(run))
        LOG_EVENT(LOG_WARNING, "job_events_lost", LOG_T("job", runner->id));
    enum err code = commit_result(run);
    if (code == ERR_CONFLICT) {
        log_state(run); /* stale: whoever took the job over tells its story */
        return;
    }
    if (code) {
        free(runner->row.result);
        runner->row.result = NULL;
        become(run, JOB_FAILED);
        return;
    }
    announce(run);
}

static void stop_as_wished(struct run *run, enum intent intent)
{
    struct job_row *row = &run->runner->row;
    run->error = (struct err_info){0};
    row->pause_wanted = row->cancel_wanted = false;
    if (intent != INTENT_CANCEL && row->attempts > 0)
        row->attempts--; /* an attempt that was interrupted on purpose does not count */
    become(run, intent == INTENT_CANCEL  ? JOB_CANCELLED
                : intent == INTENT_PAUSE ? JOB_PAUSED
                                         : JOB_QUEUED);
    supervisor_poke(run->jobs);
}

/* Frees the slot, waits, and puts the job back into the queue. */
static void try_again(struct run *run)
{
    struct runner *runner = run->runner;
    double pause = run->jobs->setup.retry_seconds *
                   pow(4, runner->row.attempts > 1 ? runner->row.attempts - 1 : 0);
    char text[600];
    pause = fmin(pause, RETRY_LONGEST);
    snprintf(text, sizeof text, "attempt %u: %s; it is tried again in %.3g s",
             runner->row.attempts, run->error.message, pause);
    LOG_EVENT(LOG_WARNING, "job_attempt_failed", LOG_T("job", runner->id),
              LOG_T("message", text));
    chronicle_log(&run->chronicle, span_of_text(text));
    if (listen_flush(run))
        LOG_EVENT(LOG_WARNING, "job_events_lost", LOG_T("job", runner->id));
    lock_take(&run->jobs->lock);
    runner->holds_slot = false;
    lock_release(&run->jobs->lock);
    supervisor_poke(run->jobs);
    wait_for_intent(runner, pause);
    enum intent intent = runner_intent(runner, NULL);
    if (intent == INTENT_CANCEL || intent == INTENT_PAUSE) {
        stop_as_wished(run, intent);
    } else {
        become(run, JOB_QUEUED);
        supervisor_poke(run->jobs);
    }
}

static bool may_try_again(const struct run *run)
{
    bool died = run->ending == ENDING_DEATH || run->ending == ENDING_SILENCE ||
                run->ending == ENDING_PROTOCOL;
    return died && run->runner->row.attempts < run->jobs->setup.attempts;
}

static void settle(struct run *run)
{
    enum intent intent = runner_intent(run->runner, NULL);
    if (run->ending == ENDING_STALE)
        return;
    if (run->ending == ENDING_RESULT) {
        succeed(run);
    } else if (intent != INTENT_NONE) {
        stop_as_wished(run, intent);
    } else if (run->ending == ENDING_ERROR && run->error.code == ERR_DIVERGED) {
        become(run, JOB_DIVERGED);
    } else if (may_try_again(run)) {
        try_again(run);
    } else {
        if (run->error.code == ERR_CANCELLED)
            run->error =
                (struct err_info){.code = ERR_PROTOCOL,
                                  .message = "the trainer stopped without being asked"};
        become(run, JOB_FAILED);
    }
}

static void run_init(struct run *run, struct runner *runner)
{
    run->runner = runner;
    run->jobs = runner->jobs;
    run->last_flush = clock_monotonic();
    chronicle_init(&run->chronicle, runner->jobs->setup.store, runner->id);
    frame_decoder_init(&run->decoder);
}

static void run_fini(struct run *run)
{
    store_upload_abort(run->checkpoint);
    store_upload_abort(run->artefact);
    frame_decoder_fini(&run->decoder);
    chronicle_fini(&run->chronicle);
    feed_close(&run->runner->feed);
}

static void attempt(struct run *run)
{
    unsigned long long memory_kills = spawn_memory_kills();
    enum err code = prepare(run);
    if (!code) {
        announce(run);
        code = have_trainer_spawned(run);
        if (code)
            run->ending = ENDING_DEATH;
    } else {
        run->ending = ENDING_ERROR;
        err_finish(&run->error, code);
    }
    if (code)
        return;
    listen_hello(run);
    feed_close(&run->runner->feed);
    listen_to_trainer(run);
    end_trainer(run, memory_kills);
}

void *runner_main(void *argument)
{
    struct runner *runner = argument;
    struct run *run = runner->run;
    run_init(run, runner);
    attempt(run);
    settle(run);
    run_fini(run);
    lock_take(&runner->jobs->lock);
    runner->stage = STAGE_OVER;
    runner->holds_slot = false;
    runner->jobs->claim_wanted = true;
    condition_broadcast(&runner->jobs->changed);
    lock_release(&runner->jobs->lock);
    return NULL;
}

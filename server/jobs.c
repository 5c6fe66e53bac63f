/* SPDX-License-Identifier: MIT */
/* What clients may ask of the queue. The store's rows are the truth about jobs; a change
 * of state is a compare-and-set there, so two clients and the supervisor cannot undo each
 * other. Only a running job needs more: its wish is stored first (a daemon that dies now
 * still obeys it later) and then passed to its runner. */
#include "server/jobs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "server/jobs_int.h"
#include "server/ranks.h"
#include "server/registry.h"

enum { SPEC_MAX = 64 << 10, MOVES_MAX = 5 };
/* A daemon that dies is rarely its jobs' fault: so many times more of its deaths than of
 * the trainer's are forgiven. */
enum { DAEMON_DEATHS = 10 };
/* Corpora up to here are estimated as a whole, larger ones from a sample. */
#define ESTIMATE_WHOLE (256ull << 20)
#define ESTIMATE_SAMPLE (64ull << 20)

enum err jobs_new(const struct jobs_setup *setup, struct jobs **out,
                  struct err_info *info)
{
    *out = NULL;
    struct jobs *jobs = memory_new_array(1, sizeof *jobs);
    if (!jobs)
        return err_set(info, ERR_NO_MEMORY, "not enough memory for the job queue");
    jobs->setup = *setup;
    snprintf(jobs->scratch, sizeof jobs->scratch, "%s", setup->scratch);
    lock_init(&jobs->lock, RANK_JOBS);
    lock_init(&jobs->listeners_lock, RANK_LISTENERS);
    condition_init(&jobs->changed);
    jobs->claim_wanted = true;
    enum err code = store_job_recover(setup->store, setup->attempts * DAEMON_DEATHS);
    if (!code && pthread_create(&jobs->supervisor, NULL, supervisor_main, jobs))
        code = ERR_NO_MEMORY;
    if (code) {
        condition_fini(&jobs->changed);
        lock_fini(&jobs->listeners_lock);
        lock_fini(&jobs->lock);
        free(jobs);
        return err_set(info, code, "the job queue could not start: %s", err_text(code));
    }
    *out = jobs;
    return ERR_OK;
}

void jobs_drain(struct jobs *jobs, double seconds)
{
    lock_take(&jobs->lock);
    if (!jobs->stopping) {
        jobs->stopping = true;
        jobs->stop_by = clock_monotonic() + seconds;
        for (struct runner *runner = jobs->runners; runner; runner = runner->next)
            runner_set_intent(runner, INTENT_REQUEUE);
        condition_broadcast(&jobs->changed);
    }
    lock_release(&jobs->lock);
}

void jobs_stop(struct jobs *jobs, double seconds)
{
    if (!jobs)
        return;
    jobs_drain(jobs, seconds);
    pthread_join(jobs->supervisor, NULL);
    condition_fini(&jobs->changed);
    lock_fini(&jobs->listeners_lock);
    lock_fini(&jobs->lock);
    free(jobs);
}

/* ---- listeners ---- */

void jobs_listen(struct jobs *jobs, struct jobs_listener *listener)
{
    lock_take(&jobs->listeners_lock);
    listener->next = jobs->listeners;
    jobs->listeners = listener;
    lock_release(&jobs->listeners_lock);
}

void jobs_unlisten(struct jobs *jobs, struct jobs_listener *listener)
{
    lock_take(&jobs->listeners_lock);
    struct jobs_listener **link = &jobs->listeners;
    while (*link && *link != listener)
        link = &(*link)->next;
    if (*link)
        *link = listener->next;
    lock_release(&jobs->listeners_lock);
}

void jobs_notify(struct jobs *jobs, const char *id)
{
    lock_take(&jobs->listeners_lock);
    for (struct jobs_listener *listener = jobs->listeners; listener;
         listener = listener->next)
        listener->changed(listener, id);
    lock_release(&jobs->listeners_lock);
}

/* Tells the feed of a state that a client's request brought about. */
static void announce(struct jobs *jobs, const char *id, enum job_state state)
{
    struct chronicle *chronicle = malloc(sizeof *chronicle);
    bool wrote = false;
    if (chronicle) {
        chronicle_init(chronicle, jobs->setup.store, id);
        chronicle_state(chronicle, state, 0, NULL);
        if (chronicle_flush(chronicle, &wrote))
            wrote = false; /* the state itself is stored; the feed misses a line */
        chronicle_fini(chronicle);
        free(chronicle);
    }
    jobs_notify(jobs, id);
}

/* ---- submitting ---- */

static enum err check_corpus(struct store *store, const char *name, const char *pointer,
                             struct corpus_row *row, struct err_info *info)
{
    *row = (struct corpus_row){0};
    enum err code = store_corpus_get(store, name, row);
    if (code == ERR_CORPUS_NOT_FOUND)
        return err_set_field(info, code, pointer, "no corpus is named \"%.64s\"", name);
    return code ? err_finish(info, code) : ERR_OK;
}

static enum err check_resume(struct store *store, const struct train_spec *spec,
                             struct err_info *info)
{
    struct job_row row = {0};
    int64_t object;
    uint64_t step;
    enum err code = store_job_get(store, spec->resume_from, &row);
    job_row_fini(&row);
    if (code == ERR_JOB_NOT_FOUND)
        return err_set_field(info, code, "/resume_from", "no job has the id \"%.39s\"",
                             spec->resume_from);
    if (!code)
        code = store_checkpoint_latest(store, spec->resume_from, &object, &step);
    if (code == ERR_NOT_FOUND)
        return err_set_field(info, code, "/resume_from",
                             "job %.39s has left no checkpoint to go on from",
                             spec->resume_from);
    return code ? err_finish(info, code) : ERR_OK;
}

/* Adds up what the models that a mixture is made of have. */
static enum err check_components(struct store *store, const struct train_spec *spec,
                                 struct train_estimate *estimate, struct err_info *info)
{
    const char *names[PARAM_LIST_MAX];
    size_t count = feed_components(spec, names);
    for (size_t i = 0; i < count; i++) {
        struct model_row row = {0};
        char pointer[64];
        enum err code = store_model_get(store, names[i], &row);
        const struct kind *kind = kind_find(row.kind);
        estimate->parameters += row.parameters;
        estimate->bytes += row.bytes;
        estimate->memory_bytes += row.bytes;
        model_row_fini(&row);
        snprintf(pointer, sizeof pointer, "/params/models/%zu", i);
        if (code == ERR_MODEL_NOT_FOUND)
            return err_set_field(info, code, pointer, REGISTRY_NO_MODEL, names[i]);
        if (code)
            return err_finish(info, code);
        if (!kind || !(kind->can & CAN_SCORE))
            return err_set_field(info, ERR_NOT_ABLE, pointer,
                                 "'%.64s' is of the kind %s, which is no language model",
                                 names[i], kind ? kind->name : "of another version");
    }
    return ERR_OK;
}

static enum err check_spec(struct store *store, const struct train_spec *spec,
                           struct corpus_row *corpus, struct train_estimate *estimate,
                           struct err_info *info)
{
    struct corpus_row valid;
    *estimate = (struct train_estimate){0};
    enum err code = check_corpus(store, spec->corpus, "/corpus", corpus, info);
    if (!code && *spec->valid_corpus)
        code = check_corpus(store, spec->valid_corpus, "/valid", &valid, info);
    if (!code && *spec->resume_from)
        code = check_resume(store, spec, info);
    if (!code && spec->kind->check_valid)
        code = spec->kind->check_valid(
            spec, *spec->valid_corpus || spec->valid_fraction > 0, info);
    return code ? code : check_components(store, spec, estimate, info);
}

static bool is_stopping(struct jobs *jobs)
{
    lock_take(&jobs->lock);
    bool stopping = jobs->stopping;
    lock_release(&jobs->lock);
    return stopping;
}

static enum err refuse_when_stopping(struct jobs *jobs, struct err_info *info)
{
    return is_stopping(jobs)
               ? err_set(info, ERR_UNAVAILABLE, "the service is about to stop")
               : ERR_OK;
}

static enum err fill_row(const struct train_spec *spec, const char *metadata,
                         struct job_row *row)
{
    struct buffer text;
    size_t size;
    *row = (struct job_row){.state = JOB_QUEUED, .best_loss = NAN};
    snprintf(row->type, sizeof row->type, "train");
    snprintf(row->kind, sizeof row->kind, "%s", spec->kind->name);
    snprintf(row->model, sizeof row->model, "%s", spec->model);
    snprintf(row->corpus, sizeof row->corpus, "%s", spec->corpus);
    snprintf(row->valid_corpus, sizeof row->valid_corpus, "%s", spec->valid_corpus);
    buffer_init(&text, SPEC_MAX);
    enum err code = train_spec_write(spec, &text);
    row->spec = code ? NULL : buffer_release(&text, &size);
    if (code)
        buffer_fini(&text);
    row->metadata = strdup(metadata ? metadata : "{}");
    return code ? code : row->spec && row->metadata ? ERR_OK : ERR_NO_MEMORY;
}

static void count_submitting(struct jobs *jobs, int change)
{
    lock_take(&jobs->lock);
    jobs->submitting += (unsigned)change;
    condition_broadcast(&jobs->changed);
    lock_release(&jobs->lock);
}

enum err jobs_submit(struct jobs *jobs, struct train_spec *spec, const char *metadata,
                     const char *key, const char *body_sha256, struct job_row *row,
                     bool *existed, struct err_info *info)
{
    struct corpus_row corpus;
    struct train_estimate unused;
    *existed = false;
    *row = (struct job_row){0};
    enum err code = feed_settle_tokenizer(jobs->setup.store, spec);
    if (!code)
        code = fill_row(spec, metadata, row);
    if (!code)
        code = refuse_when_stopping(jobs, info);
    if (!code)
        code = check_spec(jobs->setup.store, spec, &corpus, &unused, info);
    if (code)
        return err_finish(info, code);
    count_submitting(jobs, 1);
    code = store_job_insert(jobs->setup.store, row, spec->replace, jobs->setup.queue_max,
                            key, body_sha256, existed, info);
    if (!code && !*existed)
        announce(jobs, row->id, JOB_QUEUED);
    count_submitting(jobs, -1);
    supervisor_poke(jobs);
    return code ? err_finish(info, code) : ERR_OK;
}

static enum err insert_given(struct jobs *jobs, struct span given, struct job_row *row,
                             struct err_info *info)
{
    struct store_upload *upload = NULL;
    enum err code = store_upload_begin(jobs->setup.store, &upload);
    if (!code)
        code = store_upload_write(upload, given.bytes, given.size);
    if (code) {
        store_upload_abort(upload);
        return code;
    }
    return store_job_insert_given(upload, row, jobs->setup.queue_max, info);
}

enum err jobs_ask(struct jobs *jobs, struct span given, struct job_row *row,
                  struct err_info *info)
{
    bool existed;
    enum err code = refuse_when_stopping(jobs, info);
    if (code)
        return code;
    row->lane = work_find(works, row->type)->lane;
    row->best_loss = NAN;
    count_submitting(jobs, 1);
    code = given.bytes
               ? insert_given(jobs, given, row, info)
               : store_job_insert(jobs->setup.store, row, false, jobs->setup.queue_max,
                                  NULL, NULL, &existed, info);
    if (!code)
        announce(jobs, row->id, JOB_QUEUED);
    count_submitting(jobs, -1);
    supervisor_poke(jobs);
    return code ? err_finish(info, code) : ERR_OK;
}

/* ---- estimating ---- */

static enum err estimate_from(struct jobs *jobs, const struct train_spec *spec,
                              const struct corpus_row *corpus,
                              struct train_estimate *estimate, struct err_info *info)
{
    bool whole = corpus->bytes <= ESTIMATE_WHOLE;
    struct train_input input = {.scratch_directory = jobs->scratch};
    struct spill *text = NULL;
    enum err code =
        feed_copy(jobs->setup.store, corpus->object, whole ? UINT64_MAX : ESTIMATE_SAMPLE,
                  jobs->scratch, NULL, &text);
    if (!code)
        code = spill_map(text, &input.text);
    if (!code && !spec->valid_corpus[0]) /* what is kept aside is not trained on */
        train_split_valid(&spec->tokenizer, input.text, spec->valid_fraction, &input.text,
                          &input.valid);
    if (!code)
        code = spec->kind->estimate(spec, &input, estimate, info);
    if (!code && !whole) {
        double scale = (double)corpus->bytes / (double)ESTIMATE_SAMPLE;
        estimate->seconds *= scale;
        estimate->steps = (uint64_t)((double)estimate->steps * scale);
    }
    spill_close(text);
    return code ? err_finish(info, code) : ERR_OK;
}

enum err jobs_estimate(struct jobs *jobs, struct train_spec *spec,
                       struct train_estimate *estimate, struct err_info *info)
{
    struct corpus_row corpus;
    enum err code = feed_settle_tokenizer(jobs->setup.store, spec);
    if (!code)
        code = check_spec(jobs->setup.store, spec, &corpus, estimate, info);
    if (code)
        return err_finish(info, code);
    if (!spec->kind->estimate) {
        estimate->seconds = NAN; /* nobody knows */
        return ERR_OK;
    }
    return estimate_from(jobs, spec, &corpus, estimate, info);
}

double jobs_seconds_left(const struct job_row *row, double spent)
{
    if (row->tokens > 0 && row->step > 0 && row->steps_total > row->step) {
        double a_step = (double)row->tokens / (double)row->step;
        double left = (double)(row->steps_total - row->step) * a_step;
        return row->tokens_per_second > 0 ? left / row->tokens_per_second : (double)NAN;
    }
    bool known = row->fraction > 0.001 && spent >= 0;
    return known ? spent * (1 - row->fraction) / row->fraction : (double)NAN;
}

/* ---- cancel, pause, resume ---- */

static enum err state_of(struct jobs *jobs, const char *id, enum job_state *state,
                         struct err_info *info)
{
    struct job_row row = {0};
    enum err code = store_job_get(jobs->setup.store, id, &row);
    *state = row.state;
    job_row_fini(&row);
    if (code == ERR_JOB_NOT_FOUND)
        return err_set(info, code, "no job has the id \"%.39s\"", id);
    return code ? err_finish(info, code) : ERR_OK;
}

static enum err refuse(struct err_info *info, const char *id, enum job_state state,
                       const char *what)
{
    return err_set(info, ERR_CONFLICT, "job %.39s has %s and cannot be %s", id,
                   state == JOB_SUCCEEDED ? "succeeded" : "ended", what);
}

static struct runner *find_runner(struct jobs *jobs, const char *id)
{
    struct runner *runner = jobs->runners;
    while (runner && (strcmp(runner->id, id) != 0 || runner->stage == STAGE_OVER))
        runner = runner->next;
    return runner;
}

/* Stores a wish for a running job and tells its runner. */
static enum err wish(struct jobs *jobs, const char *id, enum intent intent)
{
    enum err code = store_job_wish(jobs->setup.store, id, intent == INTENT_PAUSE,
                                   intent == INTENT_CANCEL);
    lock_take(&jobs->lock);
    struct runner *runner = find_runner(jobs, id);
    if (!code && runner && !(intent == INTENT_REQUEUE && runner->intent == INTENT_NONE))
        runner_set_intent(runner, intent);
    lock_release(&jobs->lock);
    return code;
}

/* What a client's request does to a job in each state. */
struct transition {
    enum { REFUSE, NOTHING, MOVE, WISH } does;
    enum job_state to;
    enum intent intent;
};

static enum err change(struct jobs *jobs, const char *id,
                       const struct transition transitions[JOB_STATE_COUNT],
                       const char *what, struct err_info *info)
{
    enum err code = ERR_CONFLICT;
    for (int i = 0; code == ERR_CONFLICT && i < MOVES_MAX; i++) {
        enum job_state state;
        code = state_of(jobs, id, &state, info);
        if (code)
            return code;
        const struct transition *transition = &transitions[state];
        if (transition->does == REFUSE)
            return refuse(info, id, state, what);
        if (transition->does == MOVE) {
            code = store_job_move(jobs->setup.store, id, state, transition->to);
            if (!code)
                announce(jobs, id, transition->to);
        } else if (transition->does == WISH) {
            code = wish(jobs, id, transition->intent);
        }
    }
    if (!code)
        supervisor_poke(jobs);
    return code ? err_finish(info, code) : ERR_OK;
}

enum err jobs_cancel(struct jobs *jobs, const char *id, struct err_info *info)
{
    static const struct transition transitions[JOB_STATE_COUNT] = {
        [JOB_QUEUED] = {MOVE, JOB_CANCELLED, 0},
        [JOB_PAUSED] = {MOVE, JOB_CANCELLED, 0},
        [JOB_INTERRUPTED] = {MOVE, JOB_CANCELLED, 0},
        [JOB_RUNNING] = {WISH, 0, INTENT_CANCEL},
        [JOB_CANCELLED] = {NOTHING, 0, 0},
    };
    return change(jobs, id, transitions, "cancelled", info);
}

enum err jobs_pause(struct jobs *jobs, const char *id, struct err_info *info)
{
    static const struct transition transitions[JOB_STATE_COUNT] = {
        [JOB_QUEUED] = {MOVE, JOB_PAUSED, 0},
        [JOB_RUNNING] = {WISH, 0, INTENT_PAUSE},
        [JOB_PAUSED] = {NOTHING, 0, 0},
        [JOB_INTERRUPTED] = {NOTHING, 0, 0},
    };
    return change(jobs, id, transitions, "paused", info);
}

enum err jobs_resume(struct jobs *jobs, const char *id, struct err_info *info)
{
    static const struct transition transitions[JOB_STATE_COUNT] = {
        [JOB_PAUSED] = {MOVE, JOB_QUEUED, 0},
        [JOB_INTERRUPTED] = {MOVE, JOB_QUEUED, 0},
        [JOB_RUNNING] = {WISH, 0, INTENT_REQUEUE},
        [JOB_QUEUED] = {NOTHING, 0, 0},
    };
    return change(jobs, id, transitions, "resumed", info);
}

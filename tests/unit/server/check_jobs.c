/* SPDX-License-Identifier: MIT */
/* The life of jobs, with a real store and real trainer processes that run a toy: every
 * way to end, to be stopped and to go on. */
#include "tests/support/unit.h"

#include <math.h>
#include <stdatomic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "model/maps/map_order.h"
#include "server/jobs.h"
#include "server/metrics.h"
#include "tests/unit/server/temporary.h"
#include "tests/unit/server/toy.h"

static struct temporary temporary;
static struct store *store;
static struct jobs *jobs;
static struct metrics *metrics;

static double heartbeat = 20;

static void start_jobs(unsigned attempts, size_t at_once)
{
    const struct jobs_setup setup = {.store = store,
                                     .metrics = metrics,
                                     .scratch = temporary.folder,
                                     .queue_max = 10,
                                     .at_once = {at_once, 1},
                                     .attempts = attempts,
                                     .heartbeat_seconds = heartbeat,
                                     .retry_seconds = 0.01};
    ck_assert_int_eq(jobs_new(&setup, &jobs, NULL), ERR_OK);
}

static void setup(void)
{
    temporary_open(&temporary);
    store = temporary.store;
    metrics = metrics_new();
    temporary_put_corpus(&temporary, "book", "one two\nthree\n");
    temporary_put_corpus(&temporary, "held-out", "four\n");
}

static void teardown(void)
{
    jobs_stop(jobs, 10);
    temporary_close(&temporary);
    metrics_free(metrics);
}

static void submit(const char *model, char *id)
{
    struct train_spec spec = temporary_spec(model, "book");
    struct job_row row = {0};
    struct err_info info = {0};
    bool existed;
    ck_assert_msg(jobs_submit(jobs, &spec, NULL, NULL, NULL, &row, &existed, &info) ==
                      ERR_OK,
                  "%s", info.message);
    memcpy(id, row.id, STORE_ID_SIZE);
    job_row_fini(&row);
}

/* Waits until the job is in one of two states; the row must be freed. */
static struct job_row wait_for(const char *id, enum job_state a, enum job_state b)
{
    for (int i = 0; i < 10000; i++) {
        struct job_row row = {0};
        ck_assert_int_eq(store_job_get(store, id, &row), ERR_OK);
        if (row.state == a || row.state == b)
            return row;
        bool ended = job_state_finished(row.state);
        ck_assert_msg(!ended, "%s: %s (%s)", row.model, job_state_names[row.state],
                      row.error_message ? row.error_message : "");
        job_row_fini(&row);
        nanosleep(&(struct timespec){.tv_nsec = 4000000}, NULL);
    }
    ck_abort_msg("job %s never became %s", id, job_state_names[a]);
}

static void wait_for_step(const char *id, uint64_t step)
{
    uint64_t seen = 0;
    for (int i = 0; i < 10000 && seen < step; i++) {
        int64_t object;
        if (store_checkpoint_latest(store, id, &object, &seen))
            seen = 0;
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    ck_assert_uint_ge(seen, step);
}

static char *model_bytes(const char *name, size_t *size)
{
    struct model_row row = {0};
    struct store_object *object;
    ck_assert_int_eq(store_model_get(store, name, &row), ERR_OK);
    char *bytes = calloc(1, row.bytes + 1);
    size_t got;
    *size = 0;
    ck_assert_int_eq(store_object_open(store, row.object, &object), ERR_OK);
    while (*size < row.bytes) {
        ck_assert_int_eq(
            store_object_read(object, *size, bytes + *size, row.bytes - *size, &got),
            ERR_OK);
        ck_assert_uint_gt(got, 0);
        *size += got;
    }
    store_object_close(object);
    model_row_fini(&row);
    return bytes;
}

static void check_model(const char *name, const char *expected)
{
    size_t size;
    char *bytes = model_bytes(name, &size);
    ck_assert_str_eq(bytes, expected);
    free(bytes);
}

/* All events as "type data" lines. */
static void read_events(const char *id, char *text, size_t room)
{
    struct event_row *rows;
    size_t count, at = 0;
    ck_assert_int_eq(store_events_read(store, id, 0, 1000, &rows, &count), ERR_OK);
    for (size_t i = 0; i < count; i++) {
        ck_assert_int_eq(rows[i].id, (int64_t)i + 1);
        at +=
            (size_t)snprintf(text + at, room - at, "%s %s\n", rows[i].type, rows[i].data);
        ck_assert_uint_lt(at, room);
        free(rows[i].data);
    }
    free(rows);
}

struct counting_listener {
    struct jobs_listener listener;
    atomic_int calls;
};

static void count_call(struct jobs_listener *listener, const char *id)
{
    ck_assert(strncmp(id, "job-", 4) == 0);
    atomic_fetch_add(&((struct counting_listener *)listener)->calls, 1);
}

START_TEST(a_job_succeeds_and_tells_its_story)
{
    char id[STORE_ID_SIZE], events[20000];
    struct counting_listener listener = {.listener = {.changed = count_call}};
    start_jobs(3, 1);
    jobs_listen(jobs, &listener.listener);
    submit("step", id);
    struct job_row row = wait_for(id, JOB_SUCCEEDED, JOB_SUCCEEDED);
    ck_assert_str_eq(row.result, "parameters 7\nvocab_size 3\nvalid_perplexity 12.5\n");
    ck_assert_uint_eq(row.attempts, 1);
    ck_assert_uint_eq(row.step, TOY_STEPS);
    ck_assert_uint_eq(row.best_step, TOY_STEPS);
    ck_assert_double_eq_tol(row.best_loss, 1.0 / TOY_STEPS, 1e-12);
    ck_assert_double_eq(row.fraction, 1);
    ck_assert(row.started_ms >= row.created_ms && row.finished_ms >= row.started_ms);
    job_row_fini(&row);
    check_model("step", "went on from 0");

    struct metric_point *points;
    size_t count;
    ck_assert_int_eq(
        store_metrics_read(store, id, "valid_loss", 0, 1000, &points, &count), ERR_OK);
    ck_assert_uint_eq(count, TOY_STEPS);
    ck_assert_uint_eq(points[4].step, 5);
    ck_assert_double_eq(points[4].value, 0.2);
    free(points);

    jobs_stop(jobs, 10);
    jobs = NULL;
    read_events(id, events, sizeof events);
    static const char *const lines[] = {
        "state {\"state\":\"queued\",\"attempt\":0}\n",
        "state {\"state\":\"running\",\"attempt\":1}\n",
        "log {\"message\":\"a note\"}\nlog {\"message\":\"of \\\"two\\\" lines\"}\n",
        "metric {\"series\":\"valid_loss\",\"step\":4,\"value\":0.25}\n",
        "checkpoint {\"step\":20,\"bytes\":8,\"best\":true}\n",
        "progress {\"fraction\":1,",
        "state {\"state\":\"succeeded\",\"attempt\":1}\n",
    };
    const char *at = events;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        at = strstr(at, lines[i]);
        ck_assert_msg(at != NULL, "not in order: %s", lines[i]);
    }
    ck_assert_int_ge(atomic_load(&listener.calls), 3);
}
END_TEST

START_TEST(the_trainer_gets_what_the_spec_names)
{
    struct train_spec spec = temporary_spec("echo-valid", "book");
    struct job_row row = {0};
    char id[STORE_ID_SIZE];
    bool existed;
    start_jobs(1, 1);
    submit("echo", id);
    snprintf(spec.valid_corpus, sizeof spec.valid_corpus, "held-out");
    ck_assert_int_eq(jobs_submit(jobs, &spec, NULL, NULL, NULL, &row, &existed, NULL),
                     ERR_OK);
    struct job_row done = wait_for(id, JOB_SUCCEEDED, JOB_SUCCEEDED);
    job_row_fini(&done);
    done = wait_for(row.id, JOB_SUCCEEDED, JOB_SUCCEEDED);
    job_row_fini(&done);
    job_row_fini(&row);
    check_model("echo", "one two\nthree\n||");
    check_model("echo-valid", "one two\nthree\n|four\n|");
}
END_TEST

START_TEST(a_large_model_file_arrives_whole)
{
    char id[STORE_ID_SIZE];
    size_t size;
    start_jobs(1, 1);
    submit("big", id);
    struct job_row row = wait_for(id, JOB_SUCCEEDED, JOB_SUCCEEDED);
    job_row_fini(&row);
    char *bytes = model_bytes("big", &size);
    ck_assert_uint_eq(size, TOY_BIG);
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != toy_byte(i))
            ck_abort_msg("byte %zu differs", i);
    free(bytes);
}
END_TEST

static const struct failure {
    const char *model;
    enum job_state state;
    enum err error;
    unsigned attempts;
    const char *message;
} failures[] = {
    {"segv", JOB_FAILED, ERR_CRASH, 2, "SIGSEGV"},
    {"exit0", JOB_FAILED, ERR_PROTOCOL, 2, "without a result"},
    {"exit3", JOB_FAILED, ERR_CRASH, 2, "status 3"},
    {"garbage", JOB_FAILED, ERR_PROTOCOL, 2, "damaged frame"},
    {"frozen", JOB_FAILED, ERR_TIMEOUT, 2, "no sign of life"},
    {"bad", JOB_FAILED, ERR_BAD_UTF8, 1, "bad byte at 12"},
    {"diverge", JOB_DIVERGED, ERR_DIVERGED, 1, "step 7"},
    {"unasked", JOB_FAILED, ERR_PROTOCOL, 1, "without being asked"},
};

START_TEST(a_failure_is_named_and_tried_again_when_that_may_help)
{
    const struct failure *failure = &failures[_i];
    char id[STORE_ID_SIZE], other[STORE_ID_SIZE], events[20000];
    if (failure->error == ERR_TIMEOUT)
        heartbeat = 1;
    start_jobs(2, 1);
    submit(failure->model, id);
    submit("echo", other);
    struct job_row row = wait_for(id, failure->state, failure->state);
    ck_assert_str_eq(err_word(row.error), err_word(failure->error));
    ck_assert_msg(strstr(row.error_message, failure->message) != NULL, "%s",
                  row.error_message);
    ck_assert_uint_eq(row.attempts, failure->attempts);
    ck_assert_int_gt(row.finished_ms, 0);
    job_row_fini(&row);
    ck_assert_int_eq(store_model_get(store, failure->model, &(struct model_row){0}),
                     ERR_MODEL_NOT_FOUND);
    row = wait_for(other, JOB_SUCCEEDED, JOB_SUCCEEDED); /* the neighbour is unharmed */
    job_row_fini(&row);
    jobs_stop(jobs, 10);
    jobs = NULL;
    read_events(id, events, sizeof events);
    char word[60];
    snprintf(word, sizeof word, "\"error\":{\"code\":\"%s\"", err_word(failure->error));
    ck_assert_ptr_nonnull(strstr(events, word));
}
END_TEST

START_TEST(a_dead_trainer_goes_on_from_its_checkpoint)
{
    char id[STORE_ID_SIZE];
    start_jobs(2, 1);
    submit("fragile", id);
    struct job_row row = wait_for(id, JOB_SUCCEEDED, JOB_SUCCEEDED);
    ck_assert_uint_eq(row.attempts, 1); /* it got further since: counted anew */
    job_row_fini(&row);
    check_model("fragile", "went on from 10");
}
END_TEST

START_TEST(cancelling_takes_effect_in_every_state)
{
    char running[STORE_ID_SIZE], queued[STORE_ID_SIZE], stubborn[STORE_ID_SIZE];
    start_jobs(1, 1);
    submit("long", running);
    submit("echo", queued);
    wait_for_step(running, 3);
    ck_assert_int_eq(jobs_cancel(jobs, queued, NULL), ERR_OK);
    struct job_row row = wait_for(queued, JOB_CANCELLED, JOB_CANCELLED);
    job_row_fini(&row);
    ck_assert_int_eq(jobs_cancel(jobs, running, NULL), ERR_OK);
    ck_assert_int_eq(jobs_cancel(jobs, running, NULL), ERR_OK);
    row = wait_for(running, JOB_CANCELLED, JOB_CANCELLED);
    ck_assert(row.error == ERR_OK);
    job_row_fini(&row);
    ck_assert_int_eq(jobs_cancel(jobs, running, NULL), ERR_OK); /* repeated: harmless */
    int64_t object;
    uint64_t step;
    ck_assert_int_eq(store_checkpoint_latest(store, running, &object, &step), ERR_OK);
    ck_assert_uint_ge(step, 3);

    submit("stubborn", stubborn);
    row = wait_for(stubborn, JOB_RUNNING, JOB_RUNNING);
    job_row_fini(&row);
    ck_assert_int_eq(jobs_cancel(jobs, stubborn, NULL), ERR_OK);
    row = wait_for(stubborn, JOB_CANCELLED, JOB_CANCELLED);
    job_row_fini(&row);
    ck_assert_int_eq(jobs_cancel(jobs, "job-none", NULL), ERR_JOB_NOT_FOUND);
}
END_TEST

START_TEST(what_has_ended_cannot_be_changed)
{
    char id[STORE_ID_SIZE];
    start_jobs(1, 1);
    submit("echo", id);
    struct job_row row = wait_for(id, JOB_SUCCEEDED, JOB_SUCCEEDED);
    job_row_fini(&row);
    ck_assert_int_eq(jobs_cancel(jobs, id, NULL), ERR_CONFLICT);
    ck_assert_int_eq(jobs_pause(jobs, id, NULL), ERR_CONFLICT);
    ck_assert_int_eq(jobs_resume(jobs, id, NULL), ERR_CONFLICT);
}
END_TEST

START_TEST(a_paused_job_goes_on_where_it_was)
{
    char id[STORE_ID_SIZE], expected[40];
    int64_t object;
    uint64_t step;
    start_jobs(1, 1);
    submit("step-paused", id);
    wait_for_step(id, 2);
    ck_assert_int_eq(jobs_pause(jobs, id, NULL), ERR_OK);
    struct job_row row = wait_for(id, JOB_PAUSED, JOB_PAUSED);
    ck_assert_uint_eq(row.attempts, 0);
    job_row_fini(&row);
    ck_assert_int_eq(jobs_pause(jobs, id, NULL), ERR_OK);
    ck_assert_int_eq(store_checkpoint_latest(store, id, &object, &step), ERR_OK);
    ck_assert_int_eq(jobs_resume(jobs, id, NULL), ERR_OK);
    row = wait_for(id, JOB_SUCCEEDED, JOB_SUCCEEDED);
    job_row_fini(&row);
    snprintf(expected, sizeof expected, "went on from %llu", (unsigned long long)step);
    check_model("step-paused", expected);
}
END_TEST

START_TEST(a_waiting_job_can_be_paused)
{
    char running[STORE_ID_SIZE], id[STORE_ID_SIZE];
    start_jobs(1, 1);
    submit("slow", running);
    submit("echo", id);
    ck_assert_int_eq(jobs_pause(jobs, id, NULL), ERR_OK);
    ck_assert_int_eq(jobs_cancel(jobs, running, NULL), ERR_OK);
    struct job_row row = wait_for(running, JOB_CANCELLED, JOB_CANCELLED);
    job_row_fini(&row);
    row = wait_for(id, JOB_PAUSED, JOB_PAUSED);
    job_row_fini(&row);
    ck_assert_int_eq(jobs_resume(jobs, id, NULL), ERR_OK);
    row = wait_for(id, JOB_SUCCEEDED, JOB_SUCCEEDED);
    job_row_fini(&row);
}
END_TEST

START_TEST(a_drain_queues_running_jobs_for_the_next_start)
{
    char id[STORE_ID_SIZE], later[STORE_ID_SIZE];
    struct train_spec spec = temporary_spec("late", "book");
    struct job_row row = {0};
    bool existed;
    start_jobs(1, 1);
    submit("step-drained", id);
    submit("echo", later);
    wait_for_step(id, 2);
    jobs_drain(jobs, 10);
    ck_assert_int_eq(jobs_submit(jobs, &spec, NULL, NULL, NULL, &row, &existed, NULL),
                     ERR_UNAVAILABLE);
    job_row_fini(&row);
    jobs_stop(jobs, 10);
    row = wait_for(id, JOB_QUEUED, JOB_QUEUED);
    ck_assert_uint_eq(row.attempts, 0);
    job_row_fini(&row);
    start_jobs(1, 1);
    row = wait_for(id, JOB_SUCCEEDED, JOB_SUCCEEDED);
    job_row_fini(&row);
    row = wait_for(later, JOB_SUCCEEDED, JOB_SUCCEEDED);
    job_row_fini(&row);
    size_t size;
    char *bytes = model_bytes("step-drained", &size);
    ck_assert_str_ne(bytes, "went on from 0");
    free(bytes);
}
END_TEST

START_TEST(a_drain_does_not_wait_for_the_stubborn)
{
    char id[STORE_ID_SIZE];
    start_jobs(1, 1);
    submit("stubborn", id);
    struct job_row row = wait_for(id, JOB_RUNNING, JOB_RUNNING);
    job_row_fini(&row);
    jobs_stop(jobs, 1.2);
    jobs = NULL;
    row = wait_for(id, JOB_QUEUED, JOB_QUEUED);
    job_row_fini(&row);
}
END_TEST

START_TEST(a_stale_attempt_cannot_write)
{
    char id[STORE_ID_SIZE];
    start_jobs(5, 1);
    submit("step-stale", id);
    wait_for_step(id, 2);
    /* as a second daemon's start would: the fence rises, the job is queued again */
    ck_assert_int_eq(store_job_recover(store, 100), ERR_OK);
    struct job_row row = wait_for(id, JOB_SUCCEEDED, JOB_SUCCEEDED);
    ck_assert_uint_eq(row.fence, 3); /* claim, recovery, claim */
    job_row_fini(&row);
}
END_TEST

START_TEST(no_more_trainers_than_allowed)
{
    char first[STORE_ID_SIZE], second[STORE_ID_SIZE], third[STORE_ID_SIZE];
    size_t counts[JOB_STATE_COUNT] = {0};
    start_jobs(1, 2);
    submit("slow1", first);
    submit("slow2", second);
    submit("slow3", third);
    struct job_row row = wait_for(first, JOB_RUNNING, JOB_RUNNING);
    job_row_fini(&row);
    row = wait_for(second, JOB_RUNNING, JOB_RUNNING);
    job_row_fini(&row);
    ck_assert_int_eq(store_job_count(store, counts), ERR_OK);
    ck_assert_uint_eq(counts[JOB_QUEUED], 1);
    ck_assert_int_eq(jobs_cancel(jobs, first, NULL), ERR_OK);
    row = wait_for(third, JOB_RUNNING, JOB_RUNNING);
    job_row_fini(&row);
    ck_assert_int_eq(jobs_cancel(jobs, second, NULL), ERR_OK);
    ck_assert_int_eq(jobs_cancel(jobs, third, NULL), ERR_OK);
}
END_TEST

START_TEST(what_is_named_must_exist)
{
    struct train_spec spec = temporary_spec("new", "book");
    struct train_estimate estimate;
    struct job_row row = {0};
    struct err_info info = {0};
    bool existed;
    start_jobs(1, 1);
    snprintf(spec.valid_corpus, sizeof spec.valid_corpus, "nowhere");
    ck_assert_int_eq(jobs_submit(jobs, &spec, NULL, NULL, NULL, &row, &existed, &info),
                     ERR_CORPUS_NOT_FOUND);
    ck_assert_str_eq(info.pointer, "/valid");
    job_row_fini(&row);
    spec = temporary_spec("new", "book");
    info = (struct err_info){0};
    snprintf(spec.resume_from, sizeof spec.resume_from, "job-none");
    ck_assert_int_eq(jobs_submit(jobs, &spec, NULL, NULL, NULL, &row, &existed, &info),
                     ERR_JOB_NOT_FOUND);
    ck_assert_str_eq(info.pointer, "/resume_from");
    job_row_fini(&row);
    spec = temporary_spec("new", "book");
    snprintf(spec.corpus, sizeof spec.corpus, "nowhere");
    ck_assert_int_eq(jobs_estimate(jobs, &spec, &estimate, NULL), ERR_CORPUS_NOT_FOUND);
}
END_TEST

/* ---- jobs that make no model ---- */

static void ask_for_map(const char *model, const char *given, char *id)
{
    struct map_order order = {.settings = maps_defaults(MAPS_PCA), .top = given ? 0 : 5};
    struct job_row row = {.type = "maps", .kind = "glove"};
    struct err_info info = {0};
    struct buffer text;
    size_t size;
    snprintf(order.model, sizeof order.model, "%s", model);
    snprintf(row.model, sizeof row.model, "%s", model);
    buffer_init(&text, 1000);
    ck_assert_int_eq(map_order_write(&order, &text), ERR_OK);
    row.spec = buffer_release(&text, &size);
    enum err code =
        jobs_ask(jobs, given ? span_of_text(given) : span_of(NULL, 0), &row, &info);
    ck_assert_msg(code == ERR_OK, "%s", info.message);
    memcpy(id, row.id, STORE_ID_SIZE);
    job_row_fini(&row);
}

static void check_answer(const char *id, const char *expected)
{
    struct store_object *object;
    int64_t number;
    char bytes[200];
    size_t got;
    ck_assert_int_eq(store_job_object(store, id, JOB_ANSWER, &number), ERR_OK);
    ck_assert_int_eq(store_object_open(store, number, &object), ERR_OK);
    ck_assert_int_eq(store_object_read(object, 0, bytes, sizeof bytes - 1, &got), ERR_OK);
    bytes[got] = '\0';
    ck_assert_str_eq(bytes, expected);
    store_object_close(object);
}

START_TEST(an_answer_stays_with_its_job)
{
    char words[STORE_ID_SIZE], top[STORE_ID_SIZE];
    struct model_row model = {0};
    struct metric_point *points;
    size_t count;
    temporary_put_model(&temporary, "vectors", "the model");
    start_jobs(1, 1);
    ask_for_map("vectors", "one\ntwo", words);
    ask_for_map("vectors", NULL, top);
    struct job_row row = wait_for(words, JOB_SUCCEEDED, JOB_SUCCEEDED);
    ck_assert_int_eq(store_model_get(store, "vectors", &model), ERR_OK);
    ck_assert_msg(strstr(row.result, model.digest) != NULL, "%s", row.result);
    ck_assert_double_eq(row.fraction, 1);
    job_row_fini(&row);
    model_row_fini(&model);
    row = wait_for(top, JOB_SUCCEEDED, JOB_SUCCEEDED);
    job_row_fini(&row);
    check_answer(words, "one\ntwo||the model");
    check_answer(top, "||the model");
    ck_assert_int_eq(
        store_metrics_read(store, words, "kl", UINT64_MAX, 9, &points, &count), ERR_OK);
    ck_assert_uint_eq(count, 1);
    ck_assert_double_eq(points[0].value, 2.5);
    free(points);
}
END_TEST

START_TEST(answers_do_not_wait_for_trainings)
{
    char training[STORE_ID_SIZE], map[STORE_ID_SIZE], behind[STORE_ID_SIZE];
    temporary_put_model(&temporary, "vectors", "v");
    temporary_put_model(&temporary, "slow-vectors", "v");
    start_jobs(1, 1);
    submit("slow-training", training);
    struct job_row row = wait_for(training, JOB_RUNNING, JOB_RUNNING);
    job_row_fini(&row);
    ask_for_map("slow-vectors", "a", map);
    row = wait_for(map, JOB_RUNNING, JOB_RUNNING);
    job_row_fini(&row);
    ask_for_map("vectors", "b", behind);
    row = wait_for(behind, JOB_QUEUED, JOB_QUEUED); /* its lane has one slot */
    job_row_fini(&row);
    ck_assert_int_eq(jobs_cancel(jobs, map, NULL), ERR_OK);
    row = wait_for(map, JOB_CANCELLED, JOB_CANCELLED);
    job_row_fini(&row);
    row = wait_for(behind, JOB_SUCCEEDED, JOB_SUCCEEDED);
    job_row_fini(&row);
    check_answer(behind, "b||v");
}
END_TEST

START_TEST(a_map_is_drawn_anew_after_a_stop)
{
    char id[STORE_ID_SIZE];
    temporary_put_model(&temporary, "slow-vectors", "v");
    start_jobs(3, 1);
    ask_for_map("slow-vectors", "a", id);
    struct job_row row = wait_for(id, JOB_RUNNING, JOB_RUNNING);
    job_row_fini(&row);
    jobs_stop(jobs, 10);
    start_jobs(3, 1);
    row = wait_for(id, JOB_RUNNING, JOB_RUNNING);
    job_row_fini(&row);
    ck_assert_int_eq(jobs_pause(jobs, id, NULL), ERR_OK);
    row = wait_for(id, JOB_PAUSED, JOB_PAUSED);
    job_row_fini(&row);
}
END_TEST

/* There is nothing to save, so nobody waits long for a trainer that does not listen. */
START_TEST(a_map_that_does_not_obey_is_killed)
{
    char id[STORE_ID_SIZE];
    temporary_put_model(&temporary, "stubborn", "v");
    start_jobs(3, 1);
    ask_for_map("stubborn", "a", id);
    struct job_row row = wait_for(id, JOB_RUNNING, JOB_RUNNING);
    job_row_fini(&row);
    ck_assert_int_eq(jobs_pause(jobs, id, NULL), ERR_OK);
    row = wait_for(id, JOB_PAUSED, JOB_PAUSED);
    job_row_fini(&row);
    ck_assert_int_eq(jobs_resume(jobs, id, NULL), ERR_OK);
    row = wait_for(id, JOB_RUNNING, JOB_RUNNING);
    job_row_fini(&row);
    ck_assert_int_eq(jobs_cancel(jobs, id, NULL), ERR_OK);
    row = wait_for(id, JOB_CANCELLED, JOB_CANCELLED);
    job_row_fini(&row);
}
END_TEST

START_TEST(a_map_that_fails_says_why)
{
    char bad[STORE_ID_SIZE], dies[STORE_ID_SIZE], gone[STORE_ID_SIZE];
    temporary_put_model(&temporary, "bad", "v");
    temporary_put_model(&temporary, "segv", "v");
    start_jobs(2, 1);
    ask_for_map("bad", "a", bad);
    ask_for_map("segv", "a", dies);
    ask_for_map("nowhere", "a", gone);
    struct job_row row = wait_for(bad, JOB_FAILED, JOB_FAILED);
    ck_assert_int_eq(row.error, ERR_BAD_UTF8);
    job_row_fini(&row);
    row = wait_for(dies, JOB_FAILED, JOB_FAILED);
    ck_assert_int_eq(row.error, ERR_CRASH);
    ck_assert_uint_eq(row.attempts, 2);
    job_row_fini(&row);
    row = wait_for(gone, JOB_FAILED, JOB_FAILED);
    ck_assert_int_eq(row.error, ERR_MODEL_NOT_FOUND);
    job_row_fini(&row);
}
END_TEST

START_TEST(a_key_gives_the_same_job_again)
{
    struct train_spec spec = temporary_spec("echo", "book");
    struct job_row first = {0}, again = {0};
    bool existed;
    start_jobs(1, 1);
    ck_assert_int_eq(
        jobs_submit(jobs, &spec, "{\"a\":1}", "key", "hash", &first, &existed, NULL),
        ERR_OK);
    ck_assert(!existed);
    struct job_row row = wait_for(first.id, JOB_SUCCEEDED, JOB_SUCCEEDED);
    job_row_fini(&row);
    ck_assert_int_eq(
        jobs_submit(jobs, &spec, "{\"a\":1}", "key", "hash", &again, &existed, NULL),
        ERR_OK);
    ck_assert(existed);
    ck_assert_str_eq(again.id, first.id);
    job_row_fini(&again);
    ck_assert_int_eq(
        jobs_submit(jobs, &spec, "{\"a\":1}", "key", "other", &again, &existed, NULL),
        ERR_IDEMPOTENCY_MISMATCH);
    job_row_fini(&again);
    struct model_row model = {0};
    ck_assert_int_eq(store_model_get(store, "echo", &model), ERR_OK);
    ck_assert_str_eq(model.metadata, "{\"a\":1}");
    ck_assert_str_eq(model.job, first.id);
    ck_assert_str_eq(model.metrics, "valid_perplexity 12.5\n");
    ck_assert_uint_eq(model.parameters, 7);
    model_row_fini(&model);
    job_row_fini(&first);
}
END_TEST

UNIT_SUITE(jobs)
{
    tcase_add_checked_fixture(unit, setup, teardown);
    tcase_add_test(unit, a_job_succeeds_and_tells_its_story);
    tcase_add_test(unit, the_trainer_gets_what_the_spec_names);
    tcase_add_test(unit, a_large_model_file_arrives_whole);
    tcase_add_loop_test(unit, a_failure_is_named_and_tried_again_when_that_may_help, 0,
                        (int)(sizeof failures / sizeof failures[0]));
    tcase_add_test(unit, a_dead_trainer_goes_on_from_its_checkpoint);
    tcase_add_test(unit, cancelling_takes_effect_in_every_state);
    tcase_add_test(unit, what_has_ended_cannot_be_changed);
    tcase_add_test(unit, a_paused_job_goes_on_where_it_was);
    tcase_add_test(unit, a_waiting_job_can_be_paused);
    tcase_add_test(unit, a_drain_queues_running_jobs_for_the_next_start);
    tcase_add_test(unit, a_drain_does_not_wait_for_the_stubborn);
    tcase_add_test(unit, a_stale_attempt_cannot_write);
    tcase_add_test(unit, no_more_trainers_than_allowed);
    tcase_add_test(unit, what_is_named_must_exist);
    tcase_add_test(unit, an_answer_stays_with_its_job);
    tcase_add_test(unit, answers_do_not_wait_for_trainings);
    tcase_add_test(unit, a_map_is_drawn_anew_after_a_stop);
    tcase_add_test(unit, a_map_that_does_not_obey_is_killed);
    tcase_add_test(unit, a_map_that_fails_says_why);
    tcase_add_test(unit, a_key_gives_the_same_job_again);
}

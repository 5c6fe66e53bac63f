/* SPDX-License-Identifier: MIT */
/* The pool: order, a bounded queue, cancelling before and during, and a stop that
 * finishes what was taken. */
#include "tests/support/unit.h"

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>

#include "base/lock.h"
#include "server/pool.h"

struct gate {
    struct lock lock;
    struct condition changed;
    int started, finished;
    bool open;
    int order[64];
};

struct job {
    struct pool_task task;
    struct gate *gate;
    int number;
    bool ran, was_cancelled;
};

static void gate_init(struct gate *gate, bool open)
{
    *gate = (struct gate){.open = open};
    lock_init(&gate->lock, 1);
    condition_init(&gate->changed);
}

static void gate_open(struct gate *gate)
{
    lock_take(&gate->lock);
    gate->open = true;
    condition_broadcast(&gate->changed);
    lock_release(&gate->lock);
}

static void wait_for_start(struct gate *gate, int count)
{
    lock_take(&gate->lock);
    while (gate->started < count)
        condition_wait(&gate->changed, &gate->lock, -1);
    lock_release(&gate->lock);
}

static void run(struct pool_task *task)
{
    struct job *job = (struct job *)task;
    lock_take(&job->gate->lock);
    job->gate->order[job->gate->started++] = job->number;
    condition_broadcast(&job->gate->changed);
    while (!job->gate->open && !atomic_load(&task->cancelled))
        condition_wait(&job->gate->changed, &job->gate->lock, 0.005);
    job->ran = true;
    lock_release(&job->gate->lock);
}

static void done(struct pool_task *task)
{
    struct job *job = (struct job *)task;
    lock_take(&job->gate->lock);
    job->was_cancelled = atomic_load(&task->cancelled);
    job->gate->finished++;
    condition_broadcast(&job->gate->changed);
    lock_release(&job->gate->lock);
}

static struct job job_of(struct gate *gate, int number)
{
    return (struct job){
        .task = {.run = run, .done = done}, .gate = gate, .number = number};
}

START_TEST(one_thread_works_in_order)
{
    struct pool *pool;
    struct gate gate;
    struct job jobs[20];
    gate_init(&gate, false);
    ck_assert_int_eq(pool_new(1, 100, &pool), ERR_OK);
    for (int i = 0; i < 20; i++) {
        jobs[i] = job_of(&gate, i);
        ck_assert_int_eq(pool_submit(pool, &jobs[i].task), ERR_OK);
    }
    gate_open(&gate);
    pool_free(pool);
    ck_assert_int_eq(gate.finished, 20);
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(gate.order[i], i);
        ck_assert(jobs[i].task.started_at >= jobs[i].task.queued_at);
    }
}
END_TEST

START_TEST(a_full_queue_refuses)
{
    struct pool *pool;
    struct gate gate;
    struct job first = job_of(&gate, 0), jobs[4];
    gate_init(&gate, false);
    ck_assert_int_eq(pool_new(1, 3, &pool), ERR_OK);
    ck_assert_int_eq(pool_submit(pool, &first.task), ERR_OK);
    wait_for_start(&gate, 1);
    for (int i = 0; i < 4; i++) {
        jobs[i] = job_of(&gate, i + 1);
        ck_assert_int_eq(pool_submit(pool, &jobs[i].task),
                         i < 3 ? ERR_OK : ERR_QUEUE_FULL);
    }
    ck_assert_uint_eq(pool_waiting(pool), 3);
    gate_open(&gate);
    pool_free(pool);
    ck_assert_int_eq(gate.finished, 4);
    ck_assert(!jobs[3].ran);
}
END_TEST

START_TEST(cancelling_a_waiting_task_takes_it_out)
{
    struct pool *pool;
    struct gate gate;
    struct job jobs[5];
    gate_init(&gate, false);
    ck_assert_int_eq(pool_new(1, 10, &pool), ERR_OK);
    for (int i = 0; i < 4; i++) {
        jobs[i] = job_of(&gate, i);
        ck_assert_int_eq(pool_submit(pool, &jobs[i].task), ERR_OK);
        wait_for_start(&gate, 1);
    }
    pool_cancel(pool, &jobs[3].task); /* the tail: what comes next must still be found */
    ck_assert(jobs[3].was_cancelled);
    ck_assert_uint_eq(pool_waiting(pool), 2);
    jobs[4] = job_of(&gate, 4);
    ck_assert_int_eq(pool_submit(pool, &jobs[4].task), ERR_OK);
    pool_cancel(pool, &jobs[1].task);
    gate_open(&gate);
    pool_free(pool);
    ck_assert_int_eq(gate.started, 3);
    ck_assert_int_eq(gate.order[1], 2);
    ck_assert_int_eq(gate.order[2], 4);
    ck_assert_int_eq(gate.finished, 5);
    ck_assert(!jobs[1].ran && !jobs[3].ran);
}
END_TEST

START_TEST(cancelling_a_running_task_raises_its_flag)
{
    struct pool *pool;
    struct gate gate;
    gate_init(&gate, false);
    struct job running = job_of(&gate, 0), neighbour = job_of(&gate, 1);
    ck_assert_int_eq(pool_new(2, 10, &pool), ERR_OK);
    ck_assert_int_eq(pool_submit(pool, &running.task), ERR_OK);
    ck_assert_int_eq(pool_submit(pool, &neighbour.task), ERR_OK);
    wait_for_start(&gate, 2);
    pool_cancel(pool, &running.task);
    lock_take(&gate.lock);
    while (gate.finished < 1)
        condition_wait(&gate.changed, &gate.lock, -1);
    ck_assert(running.ran && running.was_cancelled);
    ck_assert(!neighbour.ran);
    lock_release(&gate.lock);
    gate_open(&gate);
    pool_free(pool);
    ck_assert(neighbour.ran && !neighbour.was_cancelled);
}
END_TEST

struct late {
    struct pool_task task;
    struct pool *pool;
    struct pool_task last, refused;
    atomic_bool filled; /* the queue */
};

/* Asks until the answer is no longer "full". */
static void submit_again(struct pool_task *task)
{
    struct late *late = (struct late *)task;
    enum err code;
    while (!atomic_load(&late->filled))
        sched_yield();
    do
        code = pool_submit(late->pool, &late->refused);
    while (code == ERR_QUEUE_FULL);
    ck_assert_int_eq(code, ERR_UNAVAILABLE);
}

static void finish_last(struct pool_task *task)
{
    task->next = task; /* seen by the test: it ran although the pool was stopping */
}

static void nothing(struct pool_task *task)
{
    (void)task;
}

START_TEST(a_stopping_pool_takes_no_more)
{
    struct pool *pool;
    ck_assert_int_eq(pool_new(1, 1, &pool), ERR_OK);
    struct late late = {.task = {.run = submit_again, .done = nothing},
                        .pool = pool,
                        .last = {.run = nothing, .done = finish_last},
                        .refused = {.run = nothing, .done = nothing}};
    ck_assert_int_eq(pool_submit(pool, &late.task), ERR_OK);
    while (pool_submit(pool, &late.last))
        sched_yield(); /* until the first one has been taken */
    atomic_store(&late.filled, true);
    pool_free(pool);
    ck_assert_ptr_eq(late.last.next, &late.last);
    ck_assert_int_eq(pool_new(0, 1, &pool), ERR_INVALID);
    ck_assert_ptr_null(pool);
    pool_free(NULL);
}
END_TEST

enum { GUESTS = 6 };

struct guest {
    struct pool_task task;
    struct pool *pool;
    atomic_bool ran, left; /* left: the pool does not touch it any more */
};

static void run_guest(struct pool_task *task)
{
    atomic_store(&((struct guest *)task)->ran, true);
}

static void leave(struct pool_task *task)
{
    atomic_store(&((struct guest *)task)->left, true);
}

/* Waits for all the others, aside. */
static void run_host(struct pool_task *task)
{
    struct guest *guests = (struct guest *)task;
    pool_step_aside(guests[0].pool);
    for (int i = 1; i < GUESTS; i++)
        while (!atomic_load(&guests[i].ran))
            sched_yield();
    pool_step_back(guests[0].pool);
    run_guest(task);
}

START_TEST(who_steps_aside_lets_others_run)
{
    struct pool *pool;
    struct guest guests[GUESTS];
    ck_assert_int_eq(pool_new(1, 10, &pool), ERR_OK);
    ck_assert_uint_eq(pool_threads(pool), 1);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < GUESTS; i++) /* all before the host looks at them */
            guests[i] = (struct guest){
                .task = {.run = i ? run_guest : run_host, .done = leave}, .pool = pool};
        for (int i = 0; i < GUESTS; i++)
            ck_assert_int_eq(pool_submit(pool, &guests[i].task), ERR_OK);
        for (int i = 0; i < GUESTS; i++)
            while (!atomic_load(&guests[i].left))
                sched_yield();
        ck_assert_uint_eq(pool_waiting(pool), 0);
    }
    pool_free(pool);
}
END_TEST

UNIT_SUITE(pool)
{
    tcase_add_test(unit, one_thread_works_in_order);
    tcase_add_test(unit, a_full_queue_refuses);
    tcase_add_test(unit, cancelling_a_waiting_task_takes_it_out);
    tcase_add_test(unit, cancelling_a_running_task_raises_its_flag);
    tcase_add_test(unit, a_stopping_pool_takes_no_more);
    tcase_add_test(unit, who_steps_aside_lets_others_run);
}

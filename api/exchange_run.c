/* SPDX-License-Identifier: MIT */
/* Running handlers and pumps, on the loop or on a pool thread, and the way back: a
 * finished task puts its exchange on the loop's list of those to attend to and writes the
 * loop's eventfd. Putting it there is the last thing the other thread does with the
 * exchange. */
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>

#include "api/exchange_int.h"
#include "base/clock.h"

enum { PUMP_ROOM = 16384 }; /* a pump is worth a thread from this much room on */

/* Lock of the loop held; true when the caller must wake the loop. */
static bool put_on_list(struct exchange *x)
{
    struct loop *loop = x->loop;
    if (!x->attend_queued) {
        x->attend_queued = true;
        x->attend_next = loop->attend;
        loop->attend = x;
    }
    bool wake = !loop->woken;
    loop->woken = true;
    return wake;
}

void exchange_attend(struct exchange *x)
{
    struct loop *loop = x->loop;
    lock_take(&loop->lock);
    bool wake = put_on_list(x);
    lock_release(&loop->lock);
    if (wake)
        eventfd_write(loop->wake_fd, 1);
}

static void task_done(struct pool_task *task)
{
    struct exchange *x =
        (struct exchange *)(void *)((char *)task - offsetof(struct exchange, task));
    struct loop *loop = x->loop;
    lock_take(&loop->lock);
    x->task_active = false;
    bool wake = put_on_list(x);
    lock_release(&loop->lock);
    if (wake)
        eventfd_write(loop->wake_fd, 1);
}

/* Ends an opened stream, unless a pump takes over. */
static void end_stream(struct exchange *x, enum err code, const struct err_info *info)
{
    lock_take(&x->lock);
    bool goes_on = code == ERR_OK && x->pump_set;
    if (code && x->reply.sse && !atomic_load(&x->gone))
        exchange_put_error_event(x, code, info);
    else if (code)
        x->failed = true;
    x->out.ended = !goes_on;
    if (!goes_on)
        x->pump_next = PUMP_DONE;
    lock_release(&x->lock);
    exchange_attend(x);
}

/* Makes sure that there is a reply, whatever the handler did. Where the body could not be
 * read and the handler says no more than that, what reading said is told. */
static void finish(struct exchange *x, enum err code)
{
    bool unread =
        x->read_info.code && (!x->info.code || x->info.code == x->read_info.code);
    const struct err_info *info = unread ? &x->read_info : &x->info;
    if (x->submitted)
        x->handler_end = clock_monotonic();
    if (x->opened)
        end_stream(x, code, info);
    else if (code)
        exchange_make_error(x, code, info);
    else if (x->reply.kind == REPLY_NONE)
        exchange_make_error(x, ERR_INTERNAL, NULL);
}

void exchange_run_inline(struct exchange *x)
{
    x->handler_at = x->started;
    finish(x, x->match.route->handle(x, &x->info));
}

bool exchange_run_try(struct exchange *x)
{
    bool answered = false;
    x->handler_at = x->started;
    enum err code = x->match.route->inline_try(x, &answered, &x->info);
    if (code || answered)
        finish(x, code);
    return code || answered;
}

static struct exchange *exchange_of(struct pool_task *task)
{
    return (struct exchange *)(void *)((char *)task - offsetof(struct exchange, task));
}

static void run_handler(struct pool_task *task)
{
    struct exchange *x = exchange_of(task);
    x->handler_at = clock_monotonic();
    x->queue_seconds = x->handler_at - task->queued_at;
    finish(x,
           atomic_load(&x->gone) ? ERR_CANCELLED : x->match.route->handle(x, &x->info));
}

static void run_pump(struct pool_task *task)
{
    struct exchange *x = exchange_of(task);
    enum pump_next next = PUMP_DONE;
    enum err code = atomic_load(&x->gone)
                        ? ERR_CANCELLED
                        : x->pump.more(x, x->pump.state, &next, &x->info);
    if (code || next == PUMP_DONE) {
        lock_take(&x->lock);
        x->pump_next = PUMP_DONE;
        if (code && x->reply.sse && !atomic_load(&x->gone))
            exchange_put_error_event(x, code, &x->info);
        else if (code)
            x->failed = true;
        x->out.ended = true;
        lock_release(&x->lock);
    } else {
        lock_take(&x->lock);
        if (!x->out.ended) /* draining may have ended it meanwhile */
            x->pump_next = next;
        lock_release(&x->lock);
    }
}

static enum err submit(struct exchange *x, struct pool *pool,
                       void (*run)(struct pool_task *task))
{
    x->task.run = run;
    x->task.done = task_done;
    x->task_pool = pool;
    lock_take(&x->loop->lock);
    x->task_active = true;
    lock_release(&x->loop->lock);
    enum err code = pool_submit(pool, &x->task);
    if (code) {
        lock_take(&x->loop->lock);
        x->task_active = false;
        lock_release(&x->loop->lock);
    }
    return code;
}

enum err exchange_submit(struct exchange *x)
{
    bool computes = x->match.route->flags & ROUTE_COMPUTE;
    x->submitted = true;
    enum err code =
        submit(x, computes ? x->api->server->pool : x->api->desk, run_handler);
    if (code)
        x->submitted = false;
    return code;
}

static bool task_is_active(struct exchange *x)
{
    lock_take(&x->loop->lock);
    bool active = x->task_active;
    lock_release(&x->loop->lock);
    return active;
}

void exchange_cancel(struct exchange *x)
{
    atomic_store(&x->gone, true);
    lock_take(&x->lock);
    condition_broadcast(&x->changed);
    lock_release(&x->lock);
    if (task_is_active(x))
        pool_cancel(x->task_pool, &x->task);
}

void exchange_pump_step(struct exchange *x)
{
    if (!x->pump_set || task_is_active(x))
        return;
    lock_take(&x->lock);
    size_t waiting = x->out.bytes.size - x->out.at;
    bool due =
        !x->out.ended &&
        ((x->pump_next == PUMP_AGAIN && waiting + PUMP_ROOM <= EXCHANGE_PIPE_BYTES) ||
         (x->pump_next == PUMP_WAIT && x->pump_woken));
    if (due)
        x->pump_woken = false;
    lock_release(&x->lock);
    if (!due || submit(x, x->api->desk, run_pump) == ERR_OK)
        return;
    lock_take(&x->lock); /* the desk is full: the next tick tries again */
    x->pump_woken = true;
    lock_release(&x->lock);
}

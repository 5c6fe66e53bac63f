/* SPDX-License-Identifier: MIT */
/* The life of a request on its loop. The library calls serve_request once with the head,
 * once for each piece of the body, once at its end, and again after each resume until a
 * response is queued.
 *
 * While a handler runs elsewhere its connection is suspended (but for streamed bodies and
 * replies, which go on meanwhile); then the library neither times it out nor sees the
 * client leave, so the loop's tick does both. When the library lets go of a connection
 * whose handler still runs, the exchange stays until that handler is done. */
#include "api/serve.h"

#include <stdio.h>
#include <string.h>

#include "api/reply.h"
#include "api/request.h"
#include "base/clock.h"

void *serve_target(void *context, const char *target, struct MHD_Connection *mhd)
{
    struct loop *loop = context;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct connection *connection = info ? info->socket_context : NULL;
    struct exchange *x = connection ? exchange_new(loop) : NULL;
    if (!x)
        return NULL;
    x->raw_target = exchange_keep(x, target, strlen(target));
    x->connection = connection;
    x->mhd = mhd;
    connection->current = x;
    return x;
}

static bool task_is_active(struct exchange *x)
{
    if (!x->submitted && !x->opened) /* an exchange that never left the loop */
        return false;
    lock_take(&x->loop->lock);
    bool active = x->task_active;
    lock_release(&x->loop->lock);
    return active;
}

static void suspend(struct exchange *x)
{
    if (x->suspended)
        return;
    x->suspended = true;
    MHD_suspend_connection(x->mhd);
}

static void refuse(struct exchange *x, enum err code, const char *detail)
{
    struct err_info info = {0};
    err_set(&info, code, "%s", detail ? detail : err_text(code));
    x->refused = true;
    exchange_make_error(x, code, &info);
}

static enum MHD_Result begin(struct exchange *x, struct MHD_Connection *mhd,
                             const char *method, const char *version)
{
    request_judge(x, mhd, method, version, x->raw_target);
    x->stage = STAGE_BODY;
    x->window_at = x->started;
    if (!x->refused) {
        x->counted = !(x->match.route->flags & ROUTE_ALWAYS);
        if (x->counted)
            atomic_fetch_add(&x->api->busy, 1);
        return MHD_YES;
    }
    bool long_body =
        x->content_length != UINT64_MAX && x->content_length > EXCHANGE_DRAIN_BYTES;
    bool waits = x->has_body && x->known[HEADER_EXPECT];
    return x->close || long_body || waits ? reply_queue(x) : MHD_YES;
}

/* A body nobody wants: swallowed up to a limit, so that the reply can follow it. */
static enum MHD_Result swallow(struct exchange *x, size_t size)
{
    x->swallowed += size;
    if (x->swallowed <= EXCHANGE_DRAIN_BYTES)
        return MHD_YES;
    reply_raw(x);
    return MHD_NO;
}

static void collect(struct exchange *x, const char *bytes, size_t size)
{
    size_t limit = (size_t)x->api->server->settings.json_bytes;
    char detail[120];
    x->body.maximum = limit;
    if (buffer_append(&x->body, bytes, size) == ERR_OK)
        return;
    enum err code = x->body.failed;
    buffer_fini(&x->body);
    snprintf(detail, sizeof detail,
             "The JSON body is larger than %zu bytes (limit json_bytes)", limit);
    refuse(x, code, code == ERR_LIMIT ? detail : NULL);
}

static bool submit(struct exchange *x)
{
    enum err code = exchange_submit(x);
    if (code)
        refuse(x, code, NULL);
    return code == ERR_OK;
}

static enum MHD_Result take_body(struct exchange *x, const char *bytes, size_t size)
{
    bool streams = x->match.route && (x->match.route->flags & ROUTE_STREAM);
    x->body_bytes += size;
    x->window_bytes += size;
    if (!x->refused && streams && !x->submitted)
        submit(x);
    if (x->refused || (x->submitted && !task_is_active(x)))
        return swallow(x, size);
    if (!streams)
        collect(x, bytes, size);
    else if (exchange_feed(x, bytes, size))
        suspend(x);
    return MHD_YES;
}

/* The request is whole: answer now, or let a pool thread do it. */
static enum MHD_Result finish_request(struct exchange *x)
{
    const struct route *route = x->match.route;
    x->stage = STAGE_WAIT;
    if (x->refused)
        return reply_queue(x);
    if (route->flags & ROUTE_INLINE) {
        exchange_run_inline(x);
        return reply_queue(x);
    }
    if (route->inline_try && x->body.size <= EXCHANGE_INLINE_BODY && exchange_run_try(x))
        return reply_queue(x);
    if (route->flags & ROUTE_STREAM)
        exchange_feed_end(x);
    if (x->submitted && !task_is_active(x)) /* done before the body was */
        return reply_queue(x);
    if (!x->submitted && !submit(x))
        return reply_queue(x);
    suspend(x);
    return MHD_YES;
}

static bool is_opened(struct exchange *x)
{
    lock_take(&x->lock);
    bool opened = x->opened;
    lock_release(&x->lock);
    return opened;
}

enum MHD_Result serve_request(void *loop, struct MHD_Connection *mhd, const char *url,
                              const char *method, const char *version, const char *bytes,
                              size_t *size, void **state)
{
    struct exchange *x = *state;
    (void)loop, (void)url;
    if (!x)
        return MHD_NO;
    if (x->stage == STAGE_HEAD)
        return begin(x, mhd, method, version);
    if (*size > 0) {
        size_t given = *size;
        *size = 0;
        return take_body(x, bytes, given);
    }
    if (x->stage == STAGE_BODY)
        return finish_request(x);
    if (atomic_load(&x->gone) && !is_opened(x))
        return MHD_NO;
    if (is_opened(x) || !task_is_active(x))
        return reply_queue(x);
    suspend(x);
    return MHD_YES;
}

static void give_back(struct exchange *x, double ended)
{
    const struct route *route = x->match.route;
    access_note(&x->loop->log, x, ended, x->complete);
    if (x->submitted && (route->flags & ROUTE_COMPUTE) && x->handler_end > 0)
        metrics_observe(x->api->server->metrics, METRIC_INFERENCE_SECONDS,
                        x->handler_end - x->handler_at);
    exchange_release(x);
}

void serve_completed(void *loop, struct MHD_Connection *mhd, void **state,
                     enum MHD_RequestTerminationCode code)
{
    struct exchange *x = *state;
    (void)loop, (void)mhd;
    *state = NULL;
    if (!x)
        return;
    struct connection *connection = x->connection;
    connection->current = NULL;
    connection->fresh = false;
    double now = connection->idle_since = clock_monotonic();
    connection->head_since = connection->sampled_at = 0;
    x->connection = NULL;
    x->mhd = NULL;
    x->complete = code == MHD_REQUEST_TERMINATED_COMPLETED_OK && x->queued &&
                  !atomic_load(&x->gone);
    if (task_is_active(x))
        exchange_cancel(x);
    if (!task_is_active(x))
        give_back(x, now);
}

static bool should_resume(struct exchange *x)
{
    bool active = task_is_active(x), gone = atomic_load(&x->gone);
    lock_take(&x->lock);
    size_t in = x->in.bytes.size - x->in.at, out = x->out.bytes.size - x->out.at;
    bool opened = x->opened, out_end = x->out.ended || x->failed || gone;
    bool resume = x->stage == STAGE_BODY   ? !active || in < EXCHANGE_PIPE_BYTES / 2
                  : x->stage == STAGE_WAIT ? !active || opened
                                           : out > 0 || out_end;
    if (resume)
        x->in_paused = false;
    lock_release(&x->lock);
    return resume;
}

void serve_attend(struct exchange *x)
{
    if (!x->mhd) {
        if (!task_is_active(x))
            give_back(x, clock_monotonic());
        return;
    }
    if (x->suspended && should_resume(x)) {
        x->suspended = false;
        x->window_at = clock_monotonic();
        x->window_bytes = 0;
        MHD_resume_connection(x->mhd);
    }
    exchange_pump_step(x);
}

/* SPDX-License-Identifier: MIT */
/* Bodies and replies in pieces: two bounded pipes between the loop and the handler's
 * thread.
 *
 * In: the loop appends what came and suspends the connection while more than
 * EXCHANGE_PIPE_BYTES wait; TCP then slows the sender. The library may still hand over
 * one read buffer after being suspended, so the pipe has room for that. Out: the handler
 * waits while the pipe is full (events never wait: a client that far behind is cut off);
 * the library takes from the other end and is suspended while there is nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/exchange_int.h"
#include "api/problem.h"
#include "api/status_map.h"
#include "base/clock.h"
#include "base/memory.h"

/* ---- a pipe, lock held ---- */

static size_t pipe_waiting(const struct pipe *pipe)
{
    return pipe->bytes.size - pipe->at;
}

static size_t pipe_room(const struct pipe *pipe)
{
    size_t waiting = pipe_waiting(pipe);
    return waiting < EXCHANGE_PIPE_BYTES ? EXCHANGE_PIPE_BYTES - waiting : 0;
}

static enum err pipe_put(struct pipe *pipe, const void *bytes, size_t size)
{
    pipe->bytes.maximum = EXCHANGE_EVENT_BYTES;
    if (pipe->at > EXCHANGE_PIPE_BYTES) {
        buffer_consume(&pipe->bytes, pipe->at);
        pipe->at = 0;
    }
    return buffer_append(&pipe->bytes, bytes, size);
}

static size_t pipe_take(struct pipe *pipe, void *bytes, size_t size)
{
    size_t waiting = pipe_waiting(pipe), taken = size < waiting ? size : waiting;
    if (taken > 0)
        memcpy(bytes, pipe->bytes.bytes + pipe->at, taken);
    pipe->at += taken;
    if (pipe->at == pipe->bytes.size) {
        buffer_clear(&pipe->bytes);
        pipe->at = 0;
    }
    return taken;
}

/* ---- the body ---- */

bool exchange_feed(struct exchange *x, const char *bytes, size_t size)
{
    lock_take(&x->lock);
    bool lost = pipe_put(&x->in, bytes, size) != ERR_OK;
    bool pause = pipe_waiting(&x->in) > EXCHANGE_PIPE_BYTES;
    if (pause) /* taken back by the loop alone: more may come after the pause */
        x->in_paused = true;
    condition_signal(&x->changed);
    lock_release(&x->lock);
    if (lost)
        atomic_store(&x->gone, true);
    return pause;
}

void exchange_feed_end(struct exchange *x)
{
    lock_take(&x->lock);
    x->in.ended = true;
    condition_signal(&x->changed);
    lock_release(&x->lock);
}

/* Bytes as they came. */
static enum err read_raw(struct exchange *x, void *bytes, size_t size, size_t *got)
{
    lock_take(&x->lock);
    while (pipe_waiting(&x->in) == 0 && !x->in.ended && !atomic_load(&x->gone))
        condition_wait(&x->changed, &x->lock, 1.0);
    *got = pipe_take(&x->in, bytes, size);
    bool cut = *got == 0 && !x->in.ended;
    bool resume = x->in_paused && pipe_waiting(&x->in) < EXCHANGE_PIPE_BYTES / 2;
    lock_release(&x->lock);
    if (resume)
        exchange_attend(x);
    return cut ? err_set(&x->read_info, ERR_CANCELLED, "The body was cut off") : ERR_OK;
}

static enum err begin_decoding(struct exchange *x)
{
    x->staged = memory_new_array(EXCHANGE_STAGED_BYTES, 1);
    return x->staged ? decode_new(x->coding, &x->decoder) : ERR_NO_MEMORY;
}

static enum err read_decoded(struct exchange *x, void *bytes, size_t size, size_t *got)
{
    enum err code = x->decoder ? ERR_OK : begin_decoding(x);
    size_t used = 0;
    while (!code && *got == 0) {
        code = decode_step(x->decoder, x->staged + x->staged_at,
                           x->staged_size - x->staged_at, &used, bytes, size, got,
                           &x->read_info);
        x->staged_at += used;
        if (code || *got > 0 || (used > 0 && x->staged_at < x->staged_size))
            continue;
        x->staged_at = 0;
        code = read_raw(x, x->staged, EXCHANGE_STAGED_BYTES, &x->staged_size);
        if (code || x->staged_size > 0)
            continue;
        return decode_is_whole(x->decoder)
                   ? ERR_OK
                   : err_set(&x->read_info, ERR_SYNTAX, "The compressed body is cut off");
    }
    return code;
}

enum err exchange_read(struct exchange *x, void *bytes, size_t size, size_t *got)
{
    *got = 0;
    if (size == 0)
        return ERR_OK;
    return x->coding == DECODE_NONE ? read_raw(x, bytes, size, got)
                                    : read_decoded(x, bytes, size, got);
}

static enum err reader_read(void *context, void *bytes, size_t size, size_t *got)
{
    return exchange_read(context, bytes, size, got);
}

struct reader exchange_reader(struct exchange *x)
{
    return (struct reader){x, reader_read};
}

/* ---- the reply ---- */

enum err exchange_open(struct exchange *x, unsigned status, const char *type,
                       uint64_t length)
{
    x->reply.kind = REPLY_STREAM;
    x->reply.status = status;
    x->reply.type = type;
    x->reply.length = length;
    lock_take(&x->lock);
    x->opened = true;
    x->event_at = clock_monotonic();
    if (x->match.head)
        x->out.ended = true;
    lock_release(&x->lock);
    exchange_attend(x);
    return ERR_OK;
}

enum err exchange_write(struct exchange *x, const void *bytes, size_t size)
{
    const char *next = bytes;
    if (x->match.head)
        return ERR_OK;
    while (size > 0) {
        lock_take(&x->lock);
        while (pipe_room(&x->out) == 0 && !atomic_load(&x->gone))
            condition_wait(&x->changed, &x->lock, 1.0);
        size_t room = pipe_room(&x->out), piece = size < room ? size : room;
        bool was_empty = pipe_waiting(&x->out) == 0;
        bool cut = atomic_load(&x->gone) || pipe_put(&x->out, next, piece);
        lock_release(&x->lock);
        if (cut)
            return ERR_CANCELLED;
        if (was_empty)
            exchange_attend(x);
        next += piece;
        size -= piece;
    }
    return ERR_OK;
}

static enum err writer_write(void *context, const void *bytes, size_t size)
{
    return exchange_write(context, bytes, size);
}

struct writer exchange_writer(struct exchange *x)
{
    return (struct writer){x, writer_write};
}

size_t exchange_room(struct exchange *x)
{
    lock_take(&x->lock);
    size_t room = pipe_room(&x->out);
    lock_release(&x->lock);
    return room;
}

enum err exchange_sse_open(struct exchange *x)
{
    if (atomic_fetch_add(&x->api->streams, 1) >= x->api->server->settings.streams) {
        atomic_fetch_sub(&x->api->streams, 1);
        return err_set(&x->info, ERR_QUEUE_FULL, "Too many event streams are open");
    }
    x->reply.sse = true;
    enum err code = exchange_set_header(x, "Cache-Control", "no-store");
    if (!code)
        code = exchange_set_header(x, "X-Accel-Buffering", "no");
    return code ? code : exchange_open(x, 200, "text/event-stream", EXCHANGE_CHUNKED);
}

/* Appends one event; lock held. Line breaks in the data become several data lines. */
static enum err put_event(struct pipe *pipe, const char *id, const char *type,
                          struct span data)
{
    if (id && *id) {
        pipe_put(pipe, "id: ", 4);
        pipe_put(pipe, id, strcspn(id, "\r\n"));
        pipe_put(pipe, "\n", 1);
    }
    if (type && *type) {
        pipe_put(pipe, "event: ", 7);
        pipe_put(pipe, type, strcspn(type, "\r\n"));
        pipe_put(pipe, "\n", 1);
    }
    for (size_t at = 0, end; at <= data.size; at = end + 1) {
        const char *line_end = memchr(data.bytes + at, '\n', data.size - at);
        end = line_end ? (size_t)(line_end - data.bytes) : data.size;
        pipe_put(pipe, "data: ", 6);
        pipe_put(pipe, data.bytes + at, end - at);
        pipe_put(pipe, "\n", 1);
    }
    return pipe_put(pipe, "\n", 1);
}

enum err exchange_sse_event(struct exchange *x, const char *id, const char *type,
                            struct span data)
{
    if (x->match.head)
        return ERR_OK;
    lock_take(&x->lock);
    bool was_empty = pipe_waiting(&x->out) == 0;
    bool behind = pipe_room(&x->out) == 0, cut = atomic_load(&x->gone) || x->out.ended;
    if (!cut && !behind) {
        behind = put_event(&x->out, id, type, data) != ERR_OK;
        x->event_at = clock_monotonic();
    }
    if (behind) {
        x->failed = true;
        atomic_store(&x->gone, true);
    }
    lock_release(&x->lock);
    if (was_empty || behind)
        exchange_attend(x);
    return cut || behind ? ERR_CANCELLED : ERR_OK;
}

void exchange_put_error_event(struct exchange *x, enum err code,
                              const struct err_info *info)
{
    bool told = info && info->code != ERR_OK && *info->message;
    struct problem problem = {.status = status_map(code),
                              .code = err_word(code),
                              .detail = told ? info->message : err_text(code),
                              .instance = x->target.path,
                              .request_id = x->request_id,
                              .info = info,
                              .v1 = x->v1};
    struct buffer text;
    buffer_init(&text, EXCHANGE_PIPE_BYTES);
    problem_print(&problem, &text);
    if (!text.failed)
        put_event(&x->out, NULL, x->v1 ? NULL : "error", span_of(text.bytes, text.size));
    buffer_fini(&text);
}

void exchange_pump(struct exchange *x, struct pump pump)
{
    lock_take(&x->lock);
    x->pump = pump;
    x->pump_set = true;
    x->pump_next = PUMP_AGAIN;
    lock_release(&x->lock);
}

void exchange_wake(struct exchange *x)
{
    lock_take(&x->lock);
    x->pump_woken = true;
    lock_release(&x->lock);
    exchange_attend(x);
}

/* ---- the library's side ---- */

ssize_t exchange_take(void *context, uint64_t position, char *bytes, size_t size)
{
    struct exchange *x = context;
    lock_take(&x->lock);
    size_t taken = atomic_load(&x->gone) ? 0 : pipe_take(&x->out, bytes, size);
    bool cut = x->failed || atomic_load(&x->gone);
    bool ended = x->out.ended;
    if (taken > 0)
        condition_signal(&x->changed);
    lock_release(&x->lock);
    if (taken > 0) {
        x->progress_at = clock_monotonic();
        x->reply_bytes += taken;
        exchange_pump_step(x);
        return (ssize_t)taken;
    }
    if (cut)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (ended)
        return x->reply.length == EXCHANGE_CHUNKED || position >= x->reply.length
                   ? MHD_CONTENT_READER_END_OF_STREAM
                   : MHD_CONTENT_READER_END_WITH_ERROR;
    x->suspended = true;
    MHD_suspend_connection(x->mhd);
    return 0;
}

/* SPDX-License-Identifier: MIT */
/* Bodies and replies in pieces: the part of exchange.h (which includes this) for what is
 * too large or takes too long to be handed over whole. */
#ifndef FIRTH_API_EXCHANGE_STREAM_H
#define FIRTH_API_EXCHANGE_STREAM_H

#include "api/exchange.h"
#include "base/stream.h"

/* ---- the body ---- */

/* ROUTE_STREAM: reads the body, Content-Encoding gzip or zstd undone. Blocks until there
 * are bytes; *got = 0 at the end. ERR_CANCELLED when the client left, ERR_TIMEOUT when it
 * is too slow, ERR_SYNTAX when a compressed body is damaged. The detail is kept in the
 * exchange: return the code and the reply says it. */
MUST_CHECK enum err exchange_read(struct exchange *x, void *bytes, size_t size,
                                  size_t *got);
struct reader exchange_reader(struct exchange *x); /* the same as a reader */

/* ---- replies in pieces ---- */

#define EXCHANGE_CHUNKED UINT64_MAX

/* Opens a reply whose bytes follow by exchange_write and which ends when the handler
 * returns. An error returned after this cuts the connection, so that the client sees the
 * reply is not whole. `length` is exact, or EXCHANGE_CHUNKED. */
enum err exchange_open(struct exchange *x, unsigned status, const char *type,
                       uint64_t length);
/* Hands over bytes; waits while the buffer (64 KiB) is full. ERR_CANCELLED when the
 * client left or reads nothing for 30 s. */
MUST_CHECK enum err exchange_write(struct exchange *x, const void *bytes, size_t size);
struct writer exchange_writer(struct exchange *x); /* the same as a writer */

/* Opens an event stream (ERR_QUEUE_FULL when `streams` are open). Pings are sent by
 * themselves. An error returned afterwards becomes an `error` event (under /v1 a data
 * line with the error object), then the stream closes. */
enum err exchange_sse_open(struct exchange *x);
/* One event; `id` and `type` may be NULL; `data` is one line. Never waits: a client more
 * than 64 KiB behind is cut off. ERR_CANCELLED when the client left. */
MUST_CHECK enum err exchange_sse_event(struct exchange *x, const char *id,
                                       const char *type, struct span data);

/* A reply that goes on after its handler returned, without holding a thread: downloads
 * and long feeds. Open it (exchange_open or exchange_sse_open), then exchange_pump, then
 * return ERR_OK. `more` runs on a pool thread, writes a piece (at most exchange_room
 * bytes for a download, so that it never waits) and says when to be called again. */
enum pump_next {
    PUMP_AGAIN, /* as soon as there is room */
    PUMP_WAIT,  /* at the next exchange_wake */
    PUMP_DONE   /* the reply is whole */
};
struct pump {
    enum err (*more)(struct exchange *x, void *state, enum pump_next *next,
                     struct err_info *info);
    void (*end)(void *state); /* once, after the last `more`; any thread, must be brief */
    void *state;
};
void exchange_pump(struct exchange *x, struct pump pump);
/* From any thread, until the pump's `end` returns: there is something new. */
void exchange_wake(struct exchange *x);
size_t exchange_room(struct exchange *x);

#endif

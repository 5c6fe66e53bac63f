/* SPDX-License-Identifier: MIT */
/* The inside of an exchange. Private to api/.
 *
 * Who may touch what: members of the first part are filled by the loop before the handler
 * runs and only read afterwards. Those of the handler's part belong to the thread that
 * runs the handler until it is done (or, for `reply`, until exchange_open), then to the
 * loop. The shared part is under `lock`. The loop's part is the loop thread's alone. */
#ifndef FIRTH_API_EXCHANGE_INT_H
#define FIRTH_API_EXCHANGE_INT_H

#include <microhttpd.h>
#include <stdatomic.h>

#include "api/decode.h"
#include "api/exchange.h"
#include "api/exchange_parts.h"
#include "api/fields.h"
#include "api/loop.h"
#include "api/target.h"

struct exchange {
    /* -- kept when the exchange is used again -- */
    struct api *api;
    struct loop *loop;
    struct lock lock;
    struct condition changed;
    struct buffer print; /* exchange_buffer */

    /* -- set before the handler runs; zeroed from here on -- */
    struct route_match match;
    const char *method;
    const char *known[HEADER_COUNT]; /* NULL: not sent */
    const char *variables[ROUTE_VARIABLES_MAX];
    size_t header_count;
    char request_id[65];
    const char *origin; /* to be echoed; NULL: none */
    const char *key_id; /* who asks, for the log */
    bool v1, has_body, vary_origin;
    uint64_t content_length; /* UINT64_MAX when chunked */
    enum decode_coding coding;
    double started; /* when the request line was read */

    /* -- the handler's -- */
    struct buffer body; /* the JSON body */
    json_t *json;
    bool json_parsed;
    struct field_errors errors;
    struct reply reply;
    struct decoder *decoder;
    char *staged; /* [EXCHANGE_STAGED_BYTES] compressed bytes for the decoder */
    size_t staged_at, staged_size;
    double handler_at, handler_end, queue_seconds;
    struct pool_task task;
    struct pool *task_pool;

    /* -- shared, under lock -- */
    struct pipe in, out;
    bool opened, failed; /* exchange_open was called; the stream must be cut */
    bool in_paused, pump_set, pump_woken; /* in_paused: the loop waits for room */
    enum pump_next pump_next;
    struct pump pump;
    double event_at;  /* when the last event or ping was written */
    atomic_bool gone; /* nobody waits for the reply any more */

    /* -- shared, under the loop's lock -- */
    bool task_active; /* between pool_submit and the end of done() */
    bool attend_queued;
    struct exchange *attend_next;

    /* -- the loop's -- */
    enum exchange_stage stage;
    struct MHD_Connection *mhd; /* NULL once the library has let go */
    struct connection *connection;
    struct exchange *next, *previous; /* in the loop's live ones, or in the spares */
    char *raw_target;
    bool suspended, refused, close, counted, queued, complete;
    bool submitted; /* to a pool: from then on others may hold the exchange */
    uint64_t body_bytes, reply_bytes, swallowed, window_bytes;
    double window_at, progress_at;
    struct text_block *blocks;
    size_t text_used;

    /* -- not zeroed: only their beginning says what is valid -- */
    struct err_info info;
    struct err_info read_info; /* what went wrong with the streamed body */
    struct target target;
    struct header reply_headers[EXCHANGE_REPLY_HEADERS_MAX];
    struct header headers[EXCHANGE_HEADERS_MAX];
    char text[EXCHANGE_TEXT_SIZE];
};

struct exchange *exchange_new(struct loop *loop); /* NULL when memory is out */
void exchange_release(struct exchange *x);        /* back to the loop's spares */
void exchange_destroy(struct exchange *x);        /* really frees */
/* Memory that lives as long as the exchange. */
char *exchange_keep(struct exchange *x, const char *bytes, size_t size);
/* Builds the problem reply for an error. */
void exchange_make_problem(struct exchange *x, unsigned status, const char *code,
                           const char *detail, const struct err_info *info);
void exchange_make_error(struct exchange *x, enum err code, const struct err_info *info);

/* ---- exchange_run.c ---- */
void exchange_run_inline(struct exchange *x);
bool exchange_run_try(struct exchange *x); /* inline_try; true when it answered */
MUST_CHECK enum err exchange_submit(struct exchange *x);
void exchange_cancel(struct exchange *x);    /* loop thread */
void exchange_attend(struct exchange *x);    /* any thread: have the loop look at it */
void exchange_pump_step(struct exchange *x); /* when it is due; loop thread */

/* ---- exchange_stream.c ---- */
void exchange_stream_reset(struct exchange *x);
void exchange_put_error_event(struct exchange *x, enum err code,
                              const struct err_info *info);
/* Loop thread: body bytes that came; true when the connection must be paused. */
MUST_CHECK bool exchange_feed(struct exchange *x, const char *bytes, size_t size);
void exchange_feed_end(struct exchange *x);
/* Loop thread: the library asks for reply bytes. */
ssize_t exchange_take(void *context, uint64_t position, char *bytes, size_t size);

#endif

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
#include "api/fields.h"
#include "api/loop.h"
#include "api/target.h"

enum {
    EXCHANGE_HEADERS_MAX = 100,
    EXCHANGE_REPLY_HEADERS_MAX = 24,
    EXCHANGE_TEXT_SIZE = 4096,
    EXCHANGE_INLINE_BODY = 16384,    /* largest body of inline_try */
    EXCHANGE_DRAIN_BYTES = 1048576,  /* swallowed before a refusal */
    EXCHANGE_PIPE_BYTES = 65536,     /* between the loop and a handler, each way */
    EXCHANGE_EVENT_BYTES = 16777216, /* one event on an empty pipe */
    EXCHANGE_STAGED_BYTES = 32768,
    EXCHANGE_PING_SECONDS = 15,
    EXCHANGE_STALL_SECONDS = 30
};

/* The headers looked at for every request; each may come once only. */
#define HEADER_TABLE(X)                                                                  \
    X(HEADER_HOST, "Host")                                                               \
    X(HEADER_CONTENT_LENGTH, "Content-Length")                                           \
    X(HEADER_TRANSFER_ENCODING, "Transfer-Encoding")                                     \
    X(HEADER_CONTENT_TYPE, "Content-Type")                                               \
    X(HEADER_CONTENT_ENCODING, "Content-Encoding")                                       \
    X(HEADER_AUTHORIZATION, "Authorization")                                             \
    X(HEADER_ORIGIN, "Origin")                                                           \
    X(HEADER_EXPECT, "Expect")                                                           \
    X(HEADER_IDEMPOTENCY_KEY, "Idempotency-Key")                                         \
    X(HEADER_X_REQUEST_ID, "X-Request-Id")                                               \
    X(HEADER_TRACEPARENT, "traceparent")                                                 \
    X(HEADER_RANGE, "Range")                                                             \
    X(HEADER_IF_RANGE, "If-Range")                                                       \
    X(HEADER_LAST_EVENT_ID, "Last-Event-ID")                                             \
    X(HEADER_ACCESS_CONTROL_REQUEST_METHOD, "Access-Control-Request-Method")             \
    X(HEADER_ACCESS_CONTROL_REQUEST_HEADERS, "Access-Control-Request-Headers")

enum header_known {
#define X(symbol, name) symbol,
    HEADER_TABLE(X)
#undef X
        HEADER_COUNT
};

enum exchange_stage {
    STAGE_HEAD,  /* the request line is there */
    STAGE_BODY,  /* the head was judged; the body comes in */
    STAGE_WAIT,  /* the request is whole; the handler runs or waits */
    STAGE_REPLY, /* the reply is the library's */
};

enum reply_kind { REPLY_NONE, REPLY_WHOLE, REPLY_STREAM };

struct header {
    const char *name, *value;
};

struct reply {
    enum reply_kind kind;
    unsigned status;
    const char *type;  /* NULL: no Content-Type */
    const void *bytes; /* whole replies: into `body` or static */
    size_t size;
    struct buffer body;
    uint64_t length; /* streams */
    bool sse;
    size_t header_count; /* of reply_headers */
};

struct text_block {
    struct text_block *next;
    char text[];
};

/* A pipe of bytes between two threads, under the exchange's lock. */
struct pipe {
    struct buffer bytes;
    size_t at; /* bytes[at … size) are still to be taken */
    bool ended;
};

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
    bool opened;    /* exchange_open was called */
    bool failed;    /* the stream must be cut */
    bool in_paused; /* the loop waits for room in `in` */
    bool pump_set, pump_woken;
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

/* ---- exchange.c ---- */
struct exchange *exchange_new(struct loop *loop); /* NULL when memory is out */
void exchange_release(struct exchange *x);        /* back to the loop's spares */
void exchange_destroy(struct exchange *x);        /* really frees */
/* Memory that lives as long as the exchange; handler or loop, whoever owns it. */
char *exchange_keep(struct exchange *x, const char *bytes, size_t size);
/* Builds the problem reply for an error. */
void exchange_make_problem(struct exchange *x, unsigned status, const char *code,
                           const char *detail, const struct err_info *info);
void exchange_make_error(struct exchange *x, enum err code, const struct err_info *info);

/* ---- exchange_run.c: running a handler, on whatever thread ---- */
void exchange_run_inline(struct exchange *x);
bool exchange_run_try(struct exchange *x); /* inline_try; true when it answered */
MUST_CHECK enum err exchange_submit(struct exchange *x);
void exchange_cancel(struct exchange *x); /* loop thread */
/* Tells the loop to look at the exchange. Any thread. */
void exchange_attend(struct exchange *x);
/* Submits the pump's next step when it is due; loop thread. */
void exchange_pump_step(struct exchange *x);

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

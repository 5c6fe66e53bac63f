/* SPDX-License-Identifier: MIT */
/* What an exchange is put together from: limits, known headers, the record of a reply,
 * the pipes. Private to api/. */
#ifndef FIRTH_API_EXCHANGE_PARTS_H
#define FIRTH_API_EXCHANGE_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

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

#endif

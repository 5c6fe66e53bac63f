/* SPDX-License-Identifier: MIT */
/* Whole replies are handed over by address: the exchange outlives the response, so
 * nothing is copied. */
#include "api/reply.h"

#include <string.h>
#include <sys/socket.h>

#include "api/request.h"
#include "api/status_map.h"
#include "base/clock.h"

enum { STREAM_BLOCK = 16384, RAW_MAX = 16384 };

static struct MHD_Response *make_response(struct exchange *x)
{
    struct reply *reply = &x->reply;
    if (reply->kind == REPLY_STREAM)
        return MHD_create_response_from_callback(
            reply->length == EXCHANGE_CHUNKED ? MHD_SIZE_UNKNOWN : reply->length,
            STREAM_BLOCK, exchange_take, x, NULL);
    return MHD_create_response_from_buffer(reply->size, (void *)(uintptr_t)reply->bytes,
                                           MHD_RESPMEM_PERSISTENT);
}

static bool add_headers(struct exchange *x, struct MHD_Response *response)
{
    const struct reply *reply = &x->reply;
    struct header for_pages[REQUEST_ORIGIN_HEADERS_MAX];
    size_t count = request_origin_headers(x, for_pages);
    bool fine = MHD_add_response_header(response, "X-Request-Id", x->request_id);
    if (reply->type)
        fine &= MHD_add_response_header(response, "Content-Type", reply->type);
    for (size_t i = 0; i < reply->header_count; i++)
        fine &= MHD_add_response_header(response, x->reply_headers[i].name,
                                        x->reply_headers[i].value);
    if (x->close)
        fine &= MHD_add_response_header(response, "Connection", "close");
    for (size_t i = 0; i < count; i++)
        fine &= MHD_add_response_header(response, for_pages[i].name, for_pages[i].value);
    return fine;
}

enum MHD_Result reply_queue(struct exchange *x)
{
    struct MHD_Response *response = make_response(x);
    enum MHD_Result result = MHD_NO;
    if (!response)
        return MHD_NO;
    if (x->reply.kind == REPLY_STREAM)
        x->progress_at = clock_monotonic();
    x->stage = STAGE_REPLY;
    if (add_headers(x, response))
        result = MHD_queue_response(x->mhd, x->reply.status, response);
    x->queued = result == MHD_YES;
    MHD_destroy_response(response);
    return result;
}

void reply_raw(struct exchange *x)
{
    struct buffer text;
    const struct reply *reply = &x->reply;
    struct header for_pages[REQUEST_ORIGIN_HEADERS_MAX];
    size_t count = request_origin_headers(x, for_pages);
    buffer_init(&text, RAW_MAX);
    buffer_printf(&text,
                  "HTTP/1.1 %u %s\r\nX-Request-Id: %s\r\nConnection: close\r\n"
                  "Content-Length: %zu\r\n",
                  reply->status, status_map_title(reply->status), x->request_id,
                  reply->size);
    if (reply->type)
        buffer_printf(&text, "Content-Type: %s\r\n", reply->type);
    for (size_t i = 0; i < reply->header_count; i++)
        buffer_printf(&text, "%s: %s\r\n", x->reply_headers[i].name,
                      x->reply_headers[i].value);
    for (size_t i = 0; i < count; i++)
        buffer_printf(&text, "%s: %s\r\n", for_pages[i].name, for_pages[i].value);
    buffer_append_text(&text, "\r\n");
    buffer_append(&text, reply->bytes, reply->size);
    if (!text.failed &&
        send(x->connection->fd, text.bytes, text.size, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
        shutdown(x->connection->fd, SHUT_WR);
    buffer_fini(&text);
}

void reply_timeout(int fd)
{
    static const char text[] = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n"
                               "Content-Length: 0\r\n\r\n";
    ssize_t ignored = send(fd, text, sizeof text - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)ignored;
}

/* SPDX-License-Identifier: MIT */
/* An n-gram model draws a million tokens a second; no socket takes their events at that
 * rate. Waiting for the client would give a reader that dawdles an inference thread for
 * as long as it likes, and there are few of those. So the handler runs on, and its events
 * queue up here: the number of tokens of a request is bounded, and so is the queue.
 *
 * Kept events are {size of type, size of data, type, data} one after another. */
#include "api/event_queue.h"

#include <stdlib.h>
#include <string.h>

struct event_queue {
    struct exchange *x;
    struct buffer kept;
    size_t at; /* of the first event not sent yet */
};

struct event_head {
    size_t type_size, data_size; /* the type's with its NUL; 0: none */
};

enum err event_queue_open(struct exchange *x, struct event_queue **out)
{
    struct event_queue *queue = calloc(1, sizeof *queue);
    *out = NULL;
    if (!queue)
        return ERR_NO_MEMORY;
    queue->x = x;
    buffer_init(&queue->kept, EVENT_QUEUE_MAX);
    enum err code = exchange_sse_open(x);
    if (code) {
        event_queue_free(queue);
        return code;
    }
    *out = queue;
    return ERR_OK;
}

void event_queue_free(struct event_queue *queue)
{
    if (!queue)
        return;
    buffer_fini(&queue->kept);
    free(queue);
}

static bool is_empty(const struct event_queue *queue)
{
    return queue->at == queue->kept.size;
}

/* Sends kept events while there is room. */
static enum err send_kept(struct event_queue *queue)
{
    enum err code = ERR_OK;
    while (!code && !is_empty(queue) && exchange_room(queue->x) > 0) {
        struct event_head head;
        const char *next = queue->kept.bytes + queue->at;
        memcpy(&head, next, sizeof head);
        next += sizeof head;
        code = exchange_sse_event(queue->x, NULL, head.type_size ? next : NULL,
                                  span_of(next + head.type_size, head.data_size));
        queue->at += sizeof head + head.type_size + head.data_size;
    }
    if (is_empty(queue)) {
        buffer_clear(&queue->kept);
        queue->at = 0;
    }
    return code;
}

static enum err keep(struct event_queue *queue, const char *type, struct span data)
{
    struct event_head head = {type ? strlen(type) + 1 : 0, data.size};
    if (queue->at > EVENT_QUEUE_MAX / 4) {
        buffer_consume(&queue->kept, queue->at);
        queue->at = 0;
    }
    buffer_append(&queue->kept, &head, sizeof head);
    buffer_append(&queue->kept, type ? type : "", head.type_size);
    buffer_append(&queue->kept, data.bytes, data.size);
    return queue->kept.failed;
}

enum err event_queue_send(struct event_queue *queue, const char *type, struct span data)
{
    enum err code = send_kept(queue);
    if (code)
        return code;
    if (is_empty(queue) && exchange_room(queue->x) > 0)
        return exchange_sse_event(queue->x, NULL, type, data);
    return exchange_cancelled(queue->x) ? ERR_CANCELLED : keep(queue, type, data);
}

static enum err pump_more(struct exchange *x, void *state, enum pump_next *next,
                          struct err_info *info)
{
    struct event_queue *queue = state;
    (void)x, (void)info;
    enum err code = send_kept(queue);
    *next = is_empty(queue) ? PUMP_DONE : PUMP_AGAIN;
    return code;
}

static void pump_end(void *state)
{
    event_queue_free(state);
}

void event_queue_finish_take(struct event_queue *queue)
{
    if (is_empty(queue))
        event_queue_free(queue);
    else
        exchange_pump(queue->x, (struct pump){pump_more, pump_end, queue});
}

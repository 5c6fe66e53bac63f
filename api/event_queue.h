/* SPDX-License-Identifier: MIT */
/* Events of a handler that may make them faster than its client reads: what does not fit
 * into the stream is kept here, and goes out after the handler returned, so that a slow
 * reader never holds an inference thread. For the handler's thread. */
#ifndef FIRTH_API_EVENT_QUEUE_H
#define FIRTH_API_EVENT_QUEUE_H

#include "api/exchange.h"

#define EVENT_QUEUE_MAX ((size_t)32 << 20) /* bytes kept for one client */

struct event_queue;

/* Opens the event stream. */
MUST_CHECK enum err event_queue_open(struct exchange *x, struct event_queue **out);
/* Sends or keeps one event; `type` may be NULL. ERR_CANCELLED when the client left,
 * ERR_LIMIT when it is too far behind. */
MUST_CHECK enum err event_queue_send(struct event_queue *queue, const char *type,
                                     struct span data);
/* Lets the rest go out by itself and gives the queue up. Return ERR_OK after it. */
void event_queue_finish_take(struct event_queue *queue);
/* Gives the queue up with what is in it; NULL is fine. */
void event_queue_free(struct event_queue *queue);

#endif

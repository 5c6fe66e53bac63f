/* SPDX-License-Identifier: MIT */
/* Requests that wait for one model are computed together: what several of them ask of it
 * at the same moment (a step, a distribution, scores) becomes one call of the model. */
#ifndef FIRTH_SERVER_BATCHER_H
#define FIRTH_SERVER_BATCHER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct batcher;
struct lm;
struct metrics;
struct pool;

/* Who asks through a view. */
struct batcher_user {
    struct pool *pool; /* whose task this is; it steps aside during a call */
    /* Whether nobody wants the answer any more: calls then end with ERR_CANCELLED. Quick,
     * takes no locks; NULL: never. */
    bool (*cancelled)(void *context);
    void *context;
};

/* Of a model, which is borrowed and must live as long. `metrics` may be NULL. */
MUST_CHECK enum err batcher_new(const struct lm *lm, struct metrics *metrics,
                                struct batcher **out);
struct batcher *batcher_retain(struct batcher *batcher);
void batcher_release(struct batcher *batcher); /* NULL is fine */

/* Calls that wait for their turn. */
size_t batcher_waiting(struct batcher *batcher);

/* New: the model as one request sees it. Free with ops->free before the batcher; what
 * `user` points to must live as long. An answer may differ from the model's own by the
 * rounding of a batch of another size, and in nothing else. Used by one thread at a time,
 * which must be one of the pool's. */
MUST_CHECK enum err batcher_open(struct batcher *batcher, const struct batcher_user *user,
                                 struct lm **view);

#endif

/* SPDX-License-Identifier: MIT */
/* A neural model reads all its weights for every call, whether it works on one text or on
 * sixteen: together they cost little more than alone. The handlers of requests know
 * nothing of that. Each works on a view, a language model whose calls end here.
 *
 * Calls wait in a queue. When no thread is computing for this model, the next one starts
 * at once: a request that is alone never waits. While one is computing, another starts as
 * soon as its share of the requests in progress is waiting (of two requests one, of
 * sixteen on two cores eight); until then they gather. Whoever starts takes along the
 * calls behind it that ask for the same, up to the batch the model likes, computes for
 * all of them in its own thread, wakes them, and lets the next one start. Steps go before
 * distributions and scores: they are short, and lead requests to where the expensive part
 * can be shared. There is no timer: nobody waits longer than for what is being computed.
 *
 * A call occupies a thread of the pool while it waits, so its task steps aside there and
 * the pool starts the next one. States belong to the requests and stay where they are;
 * a batch is a list of pointers.
 *
 * A cancelled call leaves the queue within POLL_SECONDS; one that is being computed ends
 * with its batch. Long scorings are cut into slices, between which others get their turn
 * and a cancelled one ends. When a batch fails, its calls are tried one by one: nobody
 * gets somebody else's error. */
#include "server/batcher.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/lock.h"
#include "base/memory.h"
#include "model/lm/lm.h"
#include "model/lm/lm_stream.h"
#include "server/metrics.h"
#include "server/pool.h"
#include "server/ranks.h"

enum {
    ROWS_MAX = 64,       /* of a batch made here */
    SHORT_TOKENS = 256,  /* longer scorings share with nobody */
    PREFERRED_MAX = 64,  /* steps before something that came earlier */
    SLICE_TOKENS = 2048, /* of a long scoring, then others may have their turn */
};
static const double POLL_SECONDS = 0.05;

enum operation { ADVANCE, DISTRIBUTION, SCORE };
enum call_state { WAITING, COMPUTING, TAKEN, DONE };

/* One call of a view, on its caller's stack. */
struct call {
    struct call *next;
    enum operation operation;
    size_t count; /* of states or segments */
    bool shares;
    void *const *states;
    const uint32_t *tokens;
    float *const *rows;
    struct lm_segment *segments;
    enum call_state state;
    enum err code;
    struct condition changed;
};

struct batcher {
    const struct lm *lm;
    struct metrics *metrics;
    atomic_uint references;
    struct lock lock;
    struct call *head, **tail; /* those that wait */
    size_t waiting;
    size_t computing; /* threads inside the model, or told to go there */
    size_t requests;  /* views */
    size_t preferred; /* steps that went before others, in a row */
};

struct view {
    struct lm head;
    struct lm_ops ops;
    struct batcher *batcher;
    struct batcher_user user;
};

/* Calls that are computed together. */
struct batch {
    struct call *calls[ROWS_MAX];
    size_t count, rows;
};

enum err batcher_new(const struct lm *lm, struct metrics *metrics, struct batcher **out)
{
    struct batcher *batcher = *out = memory_new_array(1, sizeof *batcher);
    if (!batcher)
        return ERR_NO_MEMORY;
    batcher->lm = lm;
    batcher->metrics = metrics;
    atomic_store(&batcher->references, 1);
    lock_init(&batcher->lock, RANK_BATCHER);
    batcher->tail = &batcher->head;
    return ERR_OK;
}

struct batcher *batcher_retain(struct batcher *batcher)
{
    if (batcher)
        atomic_fetch_add(&batcher->references, 1);
    return batcher;
}

void batcher_release(struct batcher *batcher)
{
    if (!batcher || atomic_fetch_sub(&batcher->references, 1) > 1)
        return;
    lock_fini(&batcher->lock);
    free(batcher);
}

size_t batcher_waiting(struct batcher *batcher)
{
    lock_take(&batcher->lock);
    size_t waiting = batcher->waiting;
    lock_release(&batcher->lock);
    return waiting;
}

/* ---- computing ---- */

static enum err compute_one(const struct lm *lm, const struct call *call)
{
    const struct lm_ops *ops = lm->ops;
    switch (call->operation) {
    case ADVANCE:
        return ops->advance(lm, call->count, call->states, call->tokens);
    case DISTRIBUTION:
        return ops->distribution(lm, call->count, (const void *const *)call->states,
                                 call->rows);
    default:
        return ops->score(lm, call->segments, call->count);
    }
}

static enum err compute_together(const struct lm *lm, const struct batch *batch)
{
    void *states[ROWS_MAX];
    uint32_t tokens[ROWS_MAX];
    float *rows[ROWS_MAX];
    struct lm_segment segments[ROWS_MAX];
    size_t at = 0;
    struct call all = {.operation = batch->calls[0]->operation,
                       .count = batch->rows,
                       .states = states,
                       .tokens = tokens,
                       .rows = rows,
                       .segments = segments};
    for (size_t i = 0; i < batch->count; i++)
        for (size_t j = 0; j < batch->calls[i]->count; j++, at++) {
            const struct call *call = batch->calls[i];
            states[at] = call->states ? call->states[j] : NULL;
            tokens[at] = call->tokens ? call->tokens[j] : 0;
            rows[at] = call->rows ? call->rows[j] : NULL;
            segments[at] = call->segments ? call->segments[j] : (struct lm_segment){0};
        }
    return compute_one(lm, &all);
}

/* Computing states twice would advance them twice: only what leaves them is repeated. */
static void compute(struct batcher *batcher, struct batch *batch)
{
    enum err code = batch->count > 1 ? compute_together(batcher->lm, batch)
                                     : compute_one(batcher->lm, batch->calls[0]);
    bool again = code && batch->count > 1 && batch->calls[0]->operation != ADVANCE;
    for (size_t i = 0; i < batch->count; i++)
        batch->calls[i]->code = again ? compute_one(batcher->lm, batch->calls[i]) : code;
    if (batcher->metrics)
        metrics_observe(batcher->metrics, METRIC_BATCH_ROWS, (double)batch->rows);
}

/* ---- the queue, all with the lock held ---- */

static void take_out(struct batcher *batcher, struct call **link)
{
    struct call *call = *link;
    *link = call->next;
    if (batcher->tail == &call->next)
        batcher->tail = link;
    batcher->waiting--;
}

/* What is computed next: steps come first, since they are short and bring requests to
 * where their distributions can be computed together; but not for ever. */
static struct call **choose_next(struct batcher *batcher)
{
    struct call **link = &batcher->head;
    while (*link && (*link)->operation != ADVANCE)
        link = &(*link)->next;
    bool preferred = *link && batcher->preferred < PREFERRED_MAX;
    batcher->preferred = preferred ? batcher->preferred + 1 : 0;
    return preferred ? link : &batcher->head;
}

/* Lets the next call compute if it is time to; `most` threads may at once. */
static void start_next(struct batcher *batcher, size_t most)
{
    if (!batcher->head || batcher->computing >= most)
        return;
    struct call **link = choose_next(batcher), *next = *link;
    if (batcher->computing > 0 && next->operation != ADVANCE &&
        batcher->waiting < batcher->requests / most)
        return;
    take_out(batcher, link);
    batcher->computing++;
    next->state = COMPUTING;
    condition_signal(&next->changed);
}

static size_t rows_most(const struct lm *lm)
{
    return lm->batch < ROWS_MAX ? lm->batch : ROWS_MAX;
}

/* Takes along what may share the call's batch, in the order of coming. */
static void gather(struct batcher *batcher, struct call *call, struct batch *batch)
{
    size_t most = rows_most(batcher->lm);
    *batch = (struct batch){.calls = {call}, .count = 1, .rows = call->count};
    struct call **link = &batcher->head;
    while (call->shares && *link && batch->rows < most) {
        struct call *next = *link;
        if (!next->shares || next->operation != call->operation ||
            next->count > most - batch->rows) {
            link = &next->next;
            continue;
        }
        take_out(batcher, link);
        next->state = TAKEN;
        batch->calls[batch->count++] = next;
        batch->rows += next->count;
    }
}

static void hand_out(struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        batch->calls[i]->state = DONE;
        condition_signal(&batch->calls[i]->changed);
    }
}

static void lead(struct batcher *batcher, struct call *call)
{
    struct batch batch;
    gather(batcher, call, &batch);
    lock_release(&batcher->lock);
    compute(batcher, &batch);
    lock_take(&batcher->lock);
    batcher->computing--;
    hand_out(&batch);
}

static bool is_cancelled(const struct batcher_user *user)
{
    return user->cancelled && user->cancelled(user->context);
}

static void leave_queue(struct batcher *batcher, struct call *call)
{
    struct call **link = &batcher->head;
    while (*link != call)
        link = &(*link)->next;
    take_out(batcher, link);
    call->code = ERR_CANCELLED;
    call->state = DONE;
}

/* Until it is computed, or is to compute. */
static void wait_in_queue(struct view *view, struct call *call)
{
    struct batcher *batcher = view->batcher;
    while (call->state == WAITING || call->state == TAKEN) {
        bool told = condition_wait(&call->changed, &batcher->lock,
                                   call->state == WAITING ? POLL_SECONDS : -1);
        if (!told && call->state == WAITING && is_cancelled(&view->user))
            leave_queue(batcher, call);
    }
}

static enum err run(struct view *view, struct call *call)
{
    struct batcher *batcher = view->batcher;
    struct pool *pool = view->user.pool;
    size_t most = pool ? pool_threads(pool) : 1;
    if (is_cancelled(&view->user))
        return ERR_CANCELLED;
    condition_init(&call->changed);
    if (pool)
        pool_step_aside(pool);
    lock_take(&batcher->lock);
    *batcher->tail = call;
    batcher->tail = &call->next;
    batcher->waiting++;
    start_next(batcher, most);
    wait_in_queue(view, call);
    if (call->state == COMPUTING) {
        lead(batcher, call);
        start_next(batcher, most);
    }
    lock_release(&batcher->lock);
    if (pool)
        pool_step_back(pool);
    condition_fini(&call->changed);
    return call->code;
}

/* ---- the view ---- */

static struct view *view_of(const struct lm *lm)
{
    return (struct view *)(uintptr_t)lm;
}

static void start(const struct lm *lm, bool bos, void *state)
{
    const struct lm *inner = view_of(lm)->batcher->lm;
    inner->ops->start(inner, bos, state);
}

static enum err advance(const struct lm *lm, size_t count, void *const *states,
                        const uint32_t *tokens)
{
    struct call call = {.operation = ADVANCE,
                        .count = count,
                        .shares = true,
                        .states = states,
                        .tokens = tokens};
    return run(view_of(lm), &call);
}

static enum err distribution(const struct lm *lm, size_t count, const void *const *states,
                             float *const *logprobs)
{
    struct call call = {.operation = DISTRIBUTION,
                        .count = count,
                        .shares = true,
                        .states = (void *const *)(uintptr_t)states,
                        .rows = logprobs};
    return run(view_of(lm), &call);
}

static float logprob(const struct lm *lm, const void *state, uint32_t token)
{
    const struct lm *inner = view_of(lm)->batcher->lm;
    return inner->ops->logprob(inner, state, token);
}

static enum err top(const struct lm *lm, const void *state, size_t k, bool want_entropy,
                    struct lm_top *answer)
{
    const struct lm *inner = view_of(lm)->batcher->lm;
    return inner->ops->top(inner, state, k, want_entropy, answer);
}

/* As many segments from the front as make a slice. */
static enum err score_slice(struct view *view, struct lm_segment *segments, size_t count,
                            size_t *taken)
{
    size_t tokens = 0, i = 0;
    while (i < count && tokens < SLICE_TOKENS)
        tokens += segments[i++].count;
    *taken = i;
    struct call call = {.operation = SCORE,
                        .count = i,
                        .shares = tokens <= SHORT_TOKENS && i <= view->head.batch,
                        .segments = segments};
    return run(view, &call);
}

/* A text in order has nothing to share: every part of it waits for the one before. */
static enum err open_stream(const struct lm *lm, const struct lm_stream_options *options,
                            struct lm_stream **stream)
{
    return lm_stream_open(view_of(lm)->batcher->lm, options, stream);
}

static int longer_first(const void *a, const void *b)
{
    const struct lm_segment *left = a, *right = b;
    return left->count > right->count ? -1 : left->count < right->count;
}

/* Slices hold segments of like length, which go through a model side by side. */
static enum err score(const struct lm *lm, struct lm_segment *segments, size_t count)
{
    size_t taken = 0;
    enum err code = ERR_OK;
    struct lm_segment *sorted = memory_new_array(count, sizeof *sorted);
    if (!sorted)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        sorted[i] = segments[i];
    qsort(sorted, count, sizeof *sorted, longer_first);
    for (size_t at = 0; at < count && !code; at += taken)
        code = score_slice(view_of(lm), sorted + at, count - at, &taken);
    free(sorted);
    return code;
}

static void count_requests(struct batcher *batcher, int change)
{
    lock_take(&batcher->lock);
    batcher->requests += (size_t)change;
    lock_release(&batcher->lock);
}

static void free_view(struct lm *lm)
{
    count_requests(view_of(lm)->batcher, -1);
    free(view_of(lm));
}

enum err batcher_open(struct batcher *batcher, const struct batcher_user *user,
                      struct lm **out)
{
    *out = NULL;
    struct view *view = memory_new_array(1, sizeof *view);
    if (!view)
        return ERR_NO_MEMORY;
    const struct lm_ops *ops = batcher->lm->ops;
    view->head = *batcher->lm;
    view->ops = (struct lm_ops){.start = start,
                                .advance = advance,
                                .distribution = distribution,
                                .logprob = ops->logprob ? logprob : NULL,
                                .top = ops->top ? top : NULL,
                                .score = score,
                                .open_stream = open_stream,
                                .free = free_view};
    view->head.ops = &view->ops;
    view->batcher = batcher;
    view->user = *user;
    count_requests(batcher, 1);
    *out = &view->head;
    return ERR_OK;
}

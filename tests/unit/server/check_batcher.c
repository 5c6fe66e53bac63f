/* SPDX-License-Identifier: MIT */
/* The batcher: what waits together is computed together, everybody gets the own answer,
 * nobody waits for what never comes. The model under it counts, and computes only while
 * its door is open. */
#include "tests/support/unit.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/lock.h"
#include "model/lm/lm.h"
#include "server/batcher.h"
#include "server/metrics.h"
#include "server/pool.h"

enum { BATCH = 4, CALLS_MAX = 64, POISON = 666, VOCAB = 3 };

/* States are sums of tokens; the distribution is the sum, and the sum plus the id. */
struct doorkeeper {
    struct lm lm;
    struct lock lock;
    struct condition changed;
    bool open;
    int inside;
    size_t sizes[CALLS_MAX], calls;
};

static void pass(const struct lm *lm, size_t count)
{
    struct doorkeeper *keeper = (struct doorkeeper *)(uintptr_t)lm;
    lock_take(&keeper->lock);
    ck_assert_uint_lt(keeper->calls, CALLS_MAX);
    keeper->sizes[keeper->calls++] = count;
    keeper->inside++;
    condition_broadcast(&keeper->changed);
    while (!keeper->open)
        condition_wait(&keeper->changed, &keeper->lock, -1);
    keeper->inside--;
    lock_release(&keeper->lock);
}

static void wait_inside(struct doorkeeper *keeper, int count)
{
    lock_take(&keeper->lock);
    while (keeper->inside < count)
        condition_wait(&keeper->changed, &keeper->lock, -1);
    lock_release(&keeper->lock);
}

/* Of all calls so far. */
static size_t rows_inside(struct doorkeeper *keeper)
{
    size_t rows = 0;
    lock_take(&keeper->lock);
    for (size_t i = 0; i < keeper->calls; i++)
        rows += keeper->sizes[i];
    lock_release(&keeper->lock);
    return rows;
}

static void open_door(struct doorkeeper *keeper)
{
    lock_take(&keeper->lock);
    keeper->open = true;
    condition_broadcast(&keeper->changed);
    lock_release(&keeper->lock);
}

static void start(const struct lm *lm, bool bos, void *state)
{
    (void)lm;
    *(uint64_t *)state = bos;
}

static enum err advance(const struct lm *lm, size_t count, void *const *states,
                        const uint32_t *tokens)
{
    pass(lm, count);
    for (size_t i = 0; i < count; i++)
        *(uint64_t *)states[i] += tokens[i];
    return ERR_OK;
}

static enum err distribution(const struct lm *lm, size_t count, const void *const *states,
                             float *const *logprobs)
{
    pass(lm, count);
    for (size_t i = 0; i < count; i++) {
        uint64_t sum = *(const uint64_t *)states[i];
        if (sum == POISON)
            return ERR_NO_MEMORY;
        for (uint32_t j = 0; j < VOCAB; j++)
            logprobs[i][j] = (float)(sum + j);
    }
    return ERR_OK;
}

static enum err score(const struct lm *lm, struct lm_segment *segments, size_t count)
{
    pass(lm, count);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < segments[i].count; j++)
            segments[i].logprobs[j] = (float)segments[i].tokens[j];
    return ERR_OK;
}

static const struct lm_ops ops = {
    .start = start, .advance = advance, .distribution = distribution, .score = score};

struct world {
    struct doorkeeper keeper;
    struct batcher *batcher;
    struct metrics *metrics;
};

static void world_init(struct world *world, bool open)
{
    *world = (struct world){
        .keeper = {
            .open = open,
            .lm = {.ops = &ops, .vocab_size = VOCAB, .state_size = 8, .batch = BATCH}}};
    lock_init(&world->keeper.lock, 100);
    condition_init(&world->keeper.changed);
    world->metrics = metrics_new();
    ck_assert_int_eq(batcher_new(&world->keeper.lm, world->metrics, &world->batcher),
                     ERR_OK);
}

static void world_fini(struct world *world)
{
    batcher_release(world->batcher);
    metrics_free(world->metrics);
}

/* A client with a thread of its own. */
struct client {
    struct world *world;
    pthread_t thread;
    uint64_t state;
    atomic_bool cancelled;
    enum err code;
    float row[VOCAB];
};

static bool is_cancelled(void *context)
{
    return atomic_load(&((struct client *)context)->cancelled);
}

static struct lm *view_of(struct client *client, struct pool *pool)
{
    struct lm *view;
    const struct batcher_user user = {
        .pool = pool, .cancelled = is_cancelled, .context = client};
    ck_assert_int_eq(batcher_open(client->world->batcher, &user, &view), ERR_OK);
    return view;
}

static void *ask(void *argument)
{
    struct client *client = argument;
    struct lm *view = view_of(client, NULL);
    const void *state = &client->state;
    float *row = client->row;
    client->code = view->ops->distribution(view, 1, &state, &row);
    view->ops->free(view);
    return NULL;
}

static void begin(struct client *client, struct world *world, uint64_t state)
{
    *client = (struct client){.world = world, .state = state};
    ck_assert_int_eq(pthread_create(&client->thread, NULL, ask, client), 0);
}

static void check_answer(struct client *client)
{
    pthread_join(client->thread, NULL);
    ck_assert_int_eq(client->code, ERR_OK);
    for (uint32_t j = 0; j < VOCAB; j++)
        ck_assert_float_eq(client->row[j], (float)(client->state + j));
}

static void wait_waiting(struct world *world, size_t count)
{
    while (batcher_waiting(world->batcher) < count)
        sched_yield();
}

START_TEST(one_alone_is_answered_as_by_the_model)
{
    struct world world;
    world_init(&world, true);
    struct client client = {.world = &world};
    struct lm *view = view_of(&client, NULL);
    ck_assert_uint_eq(view->vocab_size, VOCAB);
    ck_assert(!view->ops->logprob && !view->ops->top);
    void *state = &client.state;
    float *row = client.row;
    view->ops->start(view, true, state);
    ck_assert_int_eq(view->ops->advance(view, 1, &state, &(uint32_t){41}), ERR_OK);
    ck_assert_int_eq(view->ops->distribution(view, 1, (const void *const *)&state, &row),
                     ERR_OK);
    ck_assert_float_eq(row[1], 43);
    view->ops->free(view);
    ck_assert_uint_eq(world.keeper.calls, 2);
    world_fini(&world);
}
END_TEST

START_TEST(those_who_wait_are_computed_together)
{
    struct world world;
    struct client clients[11];
    world_init(&world, false);
    begin(&clients[0], &world, 100);
    wait_inside(&world.keeper, 1);
    for (uint64_t i = 1; i < 11; i++)
        begin(&clients[i], &world, 100 + i);
    wait_waiting(&world, 10);
    open_door(&world.keeper);
    for (int i = 0; i < 11; i++)
        check_answer(&clients[i]);
    ck_assert_uint_eq(world.keeper.calls, 4);
    ck_assert_uint_eq(world.keeper.sizes[0], 1);
    ck_assert_uint_eq(world.keeper.sizes[1], BATCH);
    ck_assert_uint_eq(world.keeper.sizes[2], BATCH);
    ck_assert_uint_eq(world.keeper.sizes[3], 2);
    struct buffer text;
    buffer_init(&text, 1 << 20);
    ck_assert_int_eq(metrics_render(world.metrics, &text), ERR_OK);
    ck_assert_ptr_nonnull(strstr(text.bytes, "firth_batch_rows_bucket{le=\"1\"} 1\n"));
    ck_assert_ptr_nonnull(strstr(text.bytes, "firth_batch_rows_bucket{le=\"4\"} 4\n"));
    ck_assert_ptr_nonnull(strstr(text.bytes, "firth_batch_rows_sum 11\n"));
    buffer_fini(&text);
    world_fini(&world);
}
END_TEST

START_TEST(who_leaves_while_waiting_is_gone_at_once)
{
    struct world world;
    struct client clients[4];
    world_init(&world, false);
    begin(&clients[0], &world, 1);
    wait_inside(&world.keeper, 1);
    for (uint64_t i = 1; i < 4; i++)
        begin(&clients[i], &world, 1 + i);
    wait_waiting(&world, 3);
    atomic_store(&clients[2].cancelled, true);
    pthread_join(clients[2].thread, NULL); /* the door is still shut */
    ck_assert_int_eq(clients[2].code, ERR_CANCELLED);
    ck_assert_uint_eq(batcher_waiting(world.batcher), 2);
    open_door(&world.keeper);
    check_answer(&clients[0]);
    check_answer(&clients[1]);
    check_answer(&clients[3]);
    ck_assert_uint_eq(world.keeper.calls, 2);
    ck_assert_uint_eq(world.keeper.sizes[1], 2);
    struct client late = {.world = &world, .cancelled = true};
    ask(&late);
    ck_assert_int_eq(late.code, ERR_CANCELLED);
    ck_assert_uint_eq(world.keeper.calls, 2);
    world_fini(&world);
}
END_TEST

START_TEST(one_bad_call_does_not_spoil_its_batch)
{
    struct world world;
    struct client clients[4];
    world_init(&world, false);
    begin(&clients[0], &world, 1);
    wait_inside(&world.keeper, 1);
    begin(&clients[1], &world, 2);
    begin(&clients[2], &world, POISON);
    begin(&clients[3], &world, 4);
    wait_waiting(&world, 3);
    open_door(&world.keeper);
    check_answer(&clients[0]);
    check_answer(&clients[1]);
    check_answer(&clients[3]);
    pthread_join(clients[2].thread, NULL);
    ck_assert_int_eq(clients[2].code, ERR_NO_MEMORY);
    world_fini(&world);
}
END_TEST

START_TEST(long_scorings_are_cut_into_slices)
{
    enum { TEXTS = 9, LONG = 1000 };
    struct world world;
    struct lm_segment segments[TEXTS];
    uint32_t tokens[LONG];
    float(*logprobs)[LONG] = calloc(TEXTS, sizeof *logprobs);
    world_init(&world, true);
    struct client client = {.world = &world};
    struct lm *view = view_of(&client, NULL);
    for (uint32_t i = 0; i < LONG; i++)
        tokens[i] = i;
    for (size_t i = 0; i < TEXTS; i++)
        segments[i] = (struct lm_segment){
            .tokens = tokens, .count = LONG - i, .bos = true, .logprobs = logprobs[i]};
    ck_assert_int_eq(view->ops->score(view, segments, TEXTS), ERR_OK);
    for (size_t i = 0; i < TEXTS; i++)
        for (size_t j = 0; j < LONG; j++)
            ck_assert_float_eq(logprobs[i][j], j < LONG - i ? (float)j : 0);
    ck_assert_uint_eq(world.keeper.calls, 3);
    atomic_store(&client.cancelled, true);
    ck_assert_int_eq(view->ops->score(view, segments, TEXTS), ERR_CANCELLED);
    ck_assert_uint_eq(world.keeper.calls, 3);
    ck_assert_int_eq(view->ops->score(view, segments, 0), ERR_OK);
    view->ops->free(view);
    free(logprobs);
    world_fini(&world);
}
END_TEST

/* Two threads, and a pool that lets others in while two requests compute. */
struct request {
    struct pool_task task;
    struct pool *pool;
    struct client client;
    atomic_bool done;
};

static void run_request(struct pool_task *task)
{
    struct request *request = (struct request *)task;
    struct client *client = &request->client;
    struct lm *view = view_of(client, request->pool);
    void *state = &client->state;
    float *row = client->row;
    client->code = view->ops->advance(view, 1, &state, &(uint32_t){1000});
    if (!client->code)
        client->code =
            view->ops->distribution(view, 1, (const void *const *)&state, &row);
    view->ops->free(view);
}

static void request_done(struct pool_task *task)
{
    atomic_store(&((struct request *)task)->done, true);
}

START_TEST(a_pool_of_two_threads_fills_batches)
{
    enum { REQUESTS = 10 };
    struct world world;
    struct pool *pool;
    struct request requests[REQUESTS];
    world_init(&world, false);
    ck_assert_int_eq(pool_new(2, REQUESTS, &pool), ERR_OK);
    for (uint64_t i = 0; i < REQUESTS; i++) {
        requests[i] = (struct request){.task = {.run = run_request, .done = request_done},
                                       .pool = pool,
                                       .client = {.world = &world, .state = i}};
        ck_assert_int_eq(pool_submit(pool, &requests[i].task), ERR_OK);
    }
    wait_inside(&world.keeper, 2);
    while (batcher_waiting(world.batcher) + rows_inside(&world.keeper) < REQUESTS)
        sched_yield(); /* until all have come in */
    ck_assert_uint_eq(pool_waiting(pool), 0);
    open_door(&world.keeper);
    pool_free(pool);
    size_t largest = 0;
    for (size_t i = 0; i < world.keeper.calls; i++)
        largest = world.keeper.sizes[i] > largest ? world.keeper.sizes[i] : largest;
    ck_assert_uint_ge(largest, 2);
    ck_assert_uint_le(largest, BATCH);
    for (uint64_t i = 0; i < REQUESTS; i++) {
        ck_assert(atomic_load(&requests[i].done));
        ck_assert_int_eq(requests[i].client.code, ERR_OK);
        ck_assert_float_eq(requests[i].client.row[2], (float)(1000 + i + 2));
    }
    world_fini(&world);
}
END_TEST

UNIT_SUITE(batcher)
{
    tcase_add_test(unit, one_alone_is_answered_as_by_the_model);
    tcase_add_test(unit, those_who_wait_are_computed_together);
    tcase_add_test(unit, who_leaves_while_waiting_is_gone_at_once);
    tcase_add_test(unit, one_bad_call_does_not_spoil_its_batch);
    tcase_add_test(unit, long_scorings_are_cut_into_slices);
    tcase_add_test(unit, a_pool_of_two_threads_fills_batches);
}

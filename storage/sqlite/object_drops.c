/* SPDX-License-Identifier: MIT */
/* How an object ends. The write that takes its last name away marks it unlinked; it stays
 * whole, so that whoever looked the row up a moment ago can still open it. About a second
 * later, when nobody has it open, it is marked dropping, and from then on it cannot be
 * opened. A reader holds the object before it looks at the state, so once "dropping" is
 * committed and there is still no hold, there never will be one, and its chunks go, a few
 * at a time, and at last its row. All of this survives a crash at any point: states only
 * move on, and what was staging at the crash is unlinked at the next opening.
 *
 * Freed pages are used again by later writes; where very many are free the file is made
 * shorter, also step by step. */
#include "storage/sqlite/object_drops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "storage/sqlite/statement.h"
#include "storage/sqlite/write_queue.h"

enum {
    LOCK_RANK_DROPS = 130,
    CHUNKS_A_BATCH = 8,
    ROWS_A_BATCH = 5000,
    GRACE_MS = 1000,
    SHRINK_PAGES = 512,           /* given back to the file system a batch */
    SHRINK_ABOVE_BYTES = 64 << 20 /* free space kept for use again */
};

void object_drops_init(struct object_drops *drops)
{
    memset(drops, 0, sizeof *drops);
    lock_init(&drops->lock, LOCK_RANK_DROPS);
}

void object_drops_fini(struct object_drops *drops)
{
    while (drops->abandoned) {
        struct object_drops_abandoned *next = drops->abandoned->next;
        free(drops->abandoned);
        drops->abandoned = next;
    }
    free(drops->holds);
    lock_fini(&drops->lock);
}

/* ---- holds ---- */

static struct object_drops_hold *find_hold(const struct object_drops *drops,
                                           int64_t object)
{
    for (size_t i = 0; i < drops->hold_count; i++)
        if (drops->holds[i].object == object)
            return &drops->holds[i];
    return NULL;
}

enum err object_drops_hold(struct object_drops *drops, int64_t object)
{
    enum err code = ERR_OK;
    lock_take(&drops->lock);
    struct object_drops_hold *hold = find_hold(drops, object);
    if (hold) {
        hold->count++;
    } else {
        code = memory_grow(&drops->holds, &drops->hold_capacity, drops->hold_count + 1,
                           sizeof *drops->holds);
        if (!code)
            drops->holds[drops->hold_count++] = (struct object_drops_hold){object, 1};
    }
    lock_release(&drops->lock);
    return code;
}

void object_drops_let_go(struct object_drops *drops, int64_t object)
{
    lock_take(&drops->lock);
    struct object_drops_hold *hold = find_hold(drops, object);
    if (hold && --hold->count == 0) {
        *hold = drops->holds[--drops->hold_count];
        drops->idle = false;
    }
    lock_release(&drops->lock);
}

static bool is_held(struct object_drops *drops, int64_t object)
{
    lock_take(&drops->lock);
    bool held = find_hold(drops, object) != NULL;
    lock_release(&drops->lock);
    return held;
}

/* ---- marking ---- */

void object_drops_wake(struct object_drops *drops)
{
    lock_take(&drops->lock);
    drops->idle = false;
    lock_release(&drops->lock);
}

void object_drops_abandon_take(struct object_drops *drops,
                               struct object_drops_abandoned *abandoned)
{
    lock_take(&drops->lock);
    abandoned->next = drops->abandoned;
    drops->abandoned = abandoned;
    drops->idle = false;
    lock_release(&drops->lock);
}

static enum err unlink_at(struct database *connection, int64_t object, int64_t now_ms)
{
    struct statement query = statement_start(
        connection,
        "UPDATE object SET state = 2, died_ms = ? WHERE id = ? AND state < 2");
    statement_put_integer(&query, now_ms);
    statement_put_integer(&query, object);
    return statement_run(&query);
}

enum err object_drops_unlink(struct database *connection, int64_t object, uint64_t *freed)
{
    struct statement query = statement_start(
        connection, "SELECT bytes FROM object WHERE id = ? AND state = 1");
    statement_put_integer(&query, object);
    if (statement_next(&query))
        *freed += statement_unsigned(&query, 0);
    enum err code = statement_end(&query);
    return code ? code : unlink_at(connection, object, clock_wall_ms());
}

enum err object_drops_unlink_all(struct database *connection, struct statement *objects,
                                 uint64_t *freed)
{
    enum err code = ERR_OK;
    while (!code && statement_next(objects))
        code = object_drops_unlink(connection, statement_integer(objects, 0), freed);
    enum err ended = statement_end(objects);
    return code ? code : ended;
}

enum err object_drops_sweep(struct database *connection)
{
    return database_run(connection, "UPDATE object SET state = 2 WHERE state = 0;"
                                    "UPDATE object SET died_ms = 0 WHERE state = 2");
}

static enum err unlink_abandoned(struct database *connection, void *argument,
                                 struct err_info *info)
{
    const struct object_drops_abandoned *abandoned = argument;
    (void)info;
    return unlink_at(connection, abandoned->object, 0);
}

/* ---- removing ---- */

struct batch {
    int64_t object; /* to remove chunks of; 0: none found */
    bool dropping;  /* it is marked already */
    int64_t removed;
};

static bool died_long_ago(int64_t died_ms)
{
    int64_t age = clock_wall_ms() - died_ms;
    return age >= GRACE_MS || age < 0;
}

/* The next object that may go: one being dropped, or one unlinked that nobody holds. */
static enum err choose(struct object_drops *drops, struct database *connection,
                       struct batch *batch, bool *too_young)
{
    struct statement query = statement_start(
        connection, "SELECT id, state, died_ms FROM object WHERE state IN "
                    "(2, 3) ORDER BY state DESC, id");
    while (batch->object == 0 && statement_next(&query)) {
        int64_t object = statement_integer(&query, 0);
        if (is_held(drops, object))
            continue;
        if (statement_integer(&query, 1) == 2 &&
            !died_long_ago(statement_integer(&query, 2))) {
            *too_young = true;
            continue;
        }
        batch->object = object;
        batch->dropping = statement_integer(&query, 1) == 3;
    }
    return statement_end(&query);
}

static enum err mark_dropping(struct database *connection, void *argument,
                              struct err_info *info)
{
    const struct batch *batch = argument;
    struct statement query = statement_start(
        connection, "UPDATE object SET state = 3 WHERE id = ? AND state = 2");
    (void)info;
    statement_put_integer(&query, batch->object);
    return statement_run(&query);
}

static enum err remove_chunks(struct database *connection, void *argument,
                              struct err_info *info)
{
    struct batch *batch = argument;
    (void)info;
    struct statement query = statement_start(
        connection, "DELETE FROM chunk WHERE rowid IN"
                    " (SELECT rowid FROM chunk WHERE object = ? LIMIT ?)");
    statement_put_integer(&query, batch->object);
    statement_put_integer(&query, CHUNKS_A_BATCH);
    enum err code = statement_run(&query);
    batch->removed = sqlite3_changes64(connection->handle);
    if (code || batch->removed > 0)
        return code;
    query = statement_start(connection, "DELETE FROM object WHERE id = ?");
    statement_put_integer(&query, batch->object);
    code = statement_run(&query);
    batch->removed = 1;
    return code;
}

static enum err drop_some_object(struct object_drops *drops, struct write_queue *queue,
                                 bool *more, bool *too_young)
{
    struct batch batch = {0};
    enum err code = choose(drops, &queue->connection, &batch, too_young);
    if (code || batch.object == 0)
        return code;
    if (!batch.dropping)
        code = write_queue_tend_call(queue, mark_dropping, &batch);
    if (!code && !is_held(drops, batch.object))
        code = write_queue_tend_call(queue, remove_chunks, &batch);
    *more = true;
    return code;
}

static const char *const job_leavings[] = {
    "DELETE FROM event WHERE (job, id) IN (SELECT job, id FROM event"
    " WHERE job IN (SELECT job FROM dropped_job) LIMIT ?)",
    "DELETE FROM metric WHERE (series, step) IN (SELECT series, step FROM metric"
    " WHERE series IN (SELECT series.id FROM series JOIN dropped_job USING (job)) LIMIT "
    "?)",
    "DELETE FROM series WHERE id IN (SELECT series.id FROM series"
    " JOIN dropped_job USING (job) LIMIT ?)",
    "DELETE FROM dropped_job WHERE job IN (SELECT job FROM dropped_job LIMIT ?)",
};

/* Each kind only once the one before is gone, so the last takes the note away. */
static enum err remove_leavings(struct database *connection, void *argument,
                                struct err_info *info)
{
    struct batch *batch = argument;
    enum err code = ERR_OK;
    (void)info;
    batch->removed = 0;
    for (size_t i = 0;
         !code && batch->removed == 0 && i < sizeof job_leavings / sizeof *job_leavings;
         i++) {
        struct statement query = statement_start(connection, job_leavings[i]);
        statement_put_integer(&query, ROWS_A_BATCH);
        code = statement_run(&query);
        batch->removed = sqlite3_changes64(connection->handle);
    }
    return code;
}

static enum err drop_some_leavings(struct write_queue *queue, bool *more)
{
    struct batch batch = {0};
    struct statement query =
        statement_start(&queue->connection, "SELECT 1 FROM dropped_job LIMIT 1");
    bool any = statement_next(&query);
    enum err code = statement_end(&query);
    if (code || !any)
        return code;
    code = write_queue_tend_call(queue, remove_leavings, &batch);
    *more = true;
    return code;
}

static enum err shrink(struct database *connection, void *argument, struct err_info *info)
{
    char pragma[64];
    (void)argument;
    (void)info;
    snprintf(pragma, sizeof pragma, "PRAGMA incremental_vacuum(%d)", SHRINK_PAGES);
    return database_run(connection, pragma);
}

static enum err shrink_some(struct write_queue *queue, bool *more)
{
    int64_t free_pages = 0;
    enum err code =
        database_integer(&queue->connection, "PRAGMA freelist_count", &free_pages);
    if (code || free_pages * queue->page_size <= SHRINK_ABOVE_BYTES)
        return code;
    *more = true;
    return write_queue_tend_call(queue, shrink, NULL);
}

static enum err drop_abandoned(struct object_drops *drops, struct write_queue *queue,
                               bool *more)
{
    lock_take(&drops->lock);
    struct object_drops_abandoned *abandoned = drops->abandoned;
    if (abandoned)
        drops->abandoned = abandoned->next;
    lock_release(&drops->lock);
    if (!abandoned)
        return ERR_OK;
    enum err code = write_queue_tend_call(queue, unlink_abandoned, abandoned);
    if (code)
        object_drops_abandon_take(drops, abandoned);
    else
        free(abandoned);
    *more = true;
    return code;
}

bool object_drops_tend(void *context, struct write_queue *queue)
{
    struct object_drops *drops = context;
    bool more = false, too_young = false;
    lock_take(&drops->lock);
    bool rest = drops->idle || clock_monotonic() < drops->retry_after;
    drops->idle = true;
    lock_release(&drops->lock);
    if (rest)
        return false;
    database_forgive(&queue->connection);
    enum err code = drop_abandoned(drops, queue, &more);
    if (!code && !more)
        code = drop_some_object(drops, queue, &more, &too_young);
    if (!code && !more)
        code = drop_some_leavings(queue, &more);
    if (!code && !more)
        code = shrink_some(queue, &more);
    lock_take(&drops->lock);
    if (code || more || too_young)
        drops->idle = false;
    if (code)
        drops->retry_after = clock_monotonic() + 1;
    lock_release(&drops->lock);
    return more && !code;
}

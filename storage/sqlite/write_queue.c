/* SPDX-License-Identifier: MIT */
/* Group commit by one thread. While a transaction is being synced the next writes gather
 * in the queue; they go into the next transaction together, so nobody waits for company
 * and a busy store still syncs once for many.
 *
 * Each write runs inside a savepoint: one that fails is undone alone. When the
 * transaction itself is spoilt (disk full), it is rolled back and every write of the
 * group is tried again in a transaction of its own, so each gets the answer it deserves.
 * When a write or a sync failed for other reasons nothing is tried again, ever: the store
 * is marked failed and refuses writes until it is opened anew.
 *
 * All checkpoints of the write-ahead log run here too, between transactions. SQLite up to
 * 3.51.2 can lose a reset of the log when one connection checkpoints while another
 * commits; with one thread doing both there is no such moment. */
#include "storage/sqlite/write_queue.h"

#include <string.h>

#include "base/clock.h"

enum {
    LOCK_RANK_QUEUE = 110,
    LOG_BYTES_PASSIVE = 4 << 20,   /* move the log into the file from this size on */
    LOG_BYTES_TRUNCATE = 64 << 20, /* try to start it over even when not idle */
    GROUPS_BEFORE_TENDING = 16
};
static const double idle_seconds = 0.5;

static int log_hook(void *context, sqlite3 *handle, const char *name, int pages)
{
    struct write_queue *queue = context;
    (void)handle;
    (void)name;
    queue->wal_pages = pages;
    queue->truncated = false;
    return SQLITE_OK;
}

static void fail_for_good(struct write_queue *queue)
{
    atomic_store(&queue->failed, true);
}

/* Moves the log into the file as far as readers let it; never waits for them. */
static void checkpoint(struct write_queue *queue, int mode)
{
    int left = 0, moved = 0;
    struct database *connection = &queue->connection;
    database_forgive(connection);
    sqlite3_busy_timeout(connection->handle, 0);
    int code = sqlite3_wal_checkpoint_v2(connection->handle, NULL, mode, &left, &moved);
    sqlite3_busy_timeout(connection->handle, DATABASE_BUSY_MS);
    if (code == SQLITE_OK && mode == SQLITE_CHECKPOINT_TRUNCATE) {
        queue->wal_pages = 0;
        queue->truncated = true;
    }
    if (code != SQLITE_OK) {
        database_failed(connection, code);
        if (database_judge(connection) == VERDICT_FATAL)
            fail_for_good(queue);
    }
}

static void checkpoint_by_size(struct write_queue *queue)
{
    int64_t bytes = (int64_t)queue->wal_pages * queue->page_size;
    if (atomic_load(&queue->failed) || bytes < LOG_BYTES_PASSIVE)
        return;
    checkpoint(queue, bytes < LOG_BYTES_TRUNCATE ? SQLITE_CHECKPOINT_PASSIVE
                                                 : SQLITE_CHECKPOINT_TRUNCATE);
}

static enum err begin(struct write_queue *queue, bool durable)
{
    struct database *connection = &queue->connection;
    database_forgive(connection);
    if (durable != queue->synchronous) {
        enum err code = database_run(connection, durable ? "PRAGMA synchronous=FULL"
                                                         : "PRAGMA synchronous=NORMAL");
        if (code)
            return code;
        queue->synchronous = durable;
    }
    return database_run(connection, "BEGIN IMMEDIATE");
}

static void roll_back(struct database *connection)
{
    int fault = connection->fault, fault_errno = connection->fault_errno;
    if (!sqlite3_get_autocommit(connection->handle)) {
        enum err ignored = database_run(connection, "ROLLBACK");
        (void)ignored;
    }
    connection->fault = fault;
    connection->fault_errno = fault_errno;
}

static void run_one(struct database *connection, struct write_request *write)
{
    memset(&write->info, 0, sizeof write->info);
    write->result = database_run(connection, "SAVEPOINT one");
    if (!write->result)
        write->result = write->work(connection, write->argument, &write->info);
    if (sqlite3_get_autocommit(connection->handle))
        return;
    enum err undone =
        write->result ? database_run(connection, "ROLLBACK TO one") : ERR_OK;
    enum err released = database_run(connection, "RELEASE one");
    if (!write->result)
        write->result = undone ? undone : released;
}

static void answer_all(struct write_request *group, enum err result)
{
    for (; group; group = group->next)
        group->result = result;
}

/* Runs the group in one transaction. False when the transaction could not be kept; the
 * fault is then noted in the connection. */
static bool run_transaction(struct write_queue *queue, struct write_request *group)
{
    struct database *connection = &queue->connection;
    bool durable = false;
    uint64_t count = 0;
    for (struct write_request *write = group; write; write = write->next) {
        durable = durable || !write->lazy;
        count++;
    }
    if (begin(queue, durable))
        return false;
    for (struct write_request *write = group; write; write = write->next) {
        run_one(connection, write);
        if (sqlite3_get_autocommit(connection->handle) ||
            database_judge(connection) != VERDICT_FINE) {
            if (!connection->fault)
                connection->fault = SQLITE_INTERNAL;
            return false;
        }
        database_forgive(connection);
    }
    if (database_run(connection, "COMMIT"))
        return false;
    atomic_fetch_add(&queue->commits, 1);
    atomic_fetch_add(&queue->writes, count);
    return true;
}

static void fail_group(struct write_queue *queue, struct write_request *group)
{
    struct database *connection = &queue->connection;
    enum err meaning = database_failed(connection, connection->fault);
    roll_back(connection);
    if (database_judge(connection) == VERDICT_FATAL) {
        fail_for_good(queue);
        meaning = ERR_UNAVAILABLE;
    }
    for (struct write_request *write = group; write; write = write->next)
        memset(&write->info, 0, sizeof write->info);
    answer_all(group, meaning);
}

static void run_group(struct write_queue *queue, struct write_request *group)
{
    if (atomic_load(&queue->failed)) {
        answer_all(group, ERR_UNAVAILABLE);
        return;
    }
    if (run_transaction(queue, group))
        return;
    enum database_verdict verdict = database_judge(&queue->connection);
    if (!group->next || verdict == VERDICT_BUSY || verdict == VERDICT_FATAL) {
        fail_group(queue, group);
        return;
    }
    roll_back(&queue->connection);
    for (struct write_request *write = group; write; write = write->next) {
        struct write_request *rest = write->next;
        write->next = NULL;
        if (atomic_load(&queue->failed))
            write->result = ERR_UNAVAILABLE;
        else if (!run_transaction(queue, write))
            fail_group(queue, write);
        write->next = rest;
    }
}

/* Takes up to a group from the queue's head; the lock is held. */
static struct write_request *take_group(struct write_queue *queue, size_t most)
{
    struct write_request *group = queue->first, *last = NULL;
    size_t count = 0, bytes = 0;
    while (queue->first && count < most &&
           (count == 0 || bytes + queue->first->bytes <= WRITE_QUEUE_GROUP_BYTES)) {
        last = queue->first;
        bytes += last->bytes;
        count++;
        queue->first = last->next;
    }
    if (last)
        last->next = NULL;
    if (!queue->first)
        queue->last = NULL;
    queue->waiting -= count;
    return last ? group : NULL;
}

static void settle(struct write_queue *queue, struct write_request *group)
{
    lock_take(&queue->lock);
    while (group) {
        struct write_request *next = group->next; /* its owner may free it once settled */
        group->settled = true;
        group = next;
    }
    condition_broadcast(&queue->settled);
    condition_broadcast(&queue->room_came);
    lock_release(&queue->lock);
}

/* Somebody else holds the lock of the file: whoever waits behind this group has waited as
 * long and is answered too. */
static void answer_waiting(struct write_queue *queue)
{
    lock_take(&queue->lock);
    struct write_request *group = take_group(queue, WRITE_QUEUE_MAX);
    lock_release(&queue->lock);
    if (!group)
        return;
    answer_all(group, ERR_UNAVAILABLE);
    settle(queue, group);
}

static struct write_request *next_group(struct write_queue *queue, bool may_wait,
                                        bool *stop)
{
    lock_take(&queue->lock);
    if (!queue->first && !queue->stopping && may_wait)
        condition_wait(&queue->work_came, &queue->lock, idle_seconds);
    struct write_request *group = take_group(queue, WRITE_QUEUE_GROUP_MAX);
    *stop = !group && queue->stopping;
    lock_release(&queue->lock);
    return group;
}

static bool tend(struct write_queue *queue)
{
    return !atomic_load(&queue->failed) && queue->tend &&
           queue->tend(queue->tend_context, queue);
}

static void *writer_main(void *context)
{
    struct write_queue *queue = context;
    bool more = false, stop = false;
    unsigned groups = 0;
    while (!stop) {
        struct write_request *group = next_group(queue, !more, &stop);
        if (group) {
            run_group(queue, group);
            bool busy = group->result == ERR_UNAVAILABLE &&
                        database_judge(&queue->connection) == VERDICT_BUSY;
            settle(queue, group);
            if (busy)
                answer_waiting(queue);
            checkpoint_by_size(queue);
            if (++groups % GROUPS_BEFORE_TENDING == 0)
                more = tend(queue);
        } else if (!stop) {
            more = tend(queue);
            checkpoint_by_size(queue);
            if (!more && !queue->truncated && !atomic_load(&queue->failed))
                checkpoint(queue, SQLITE_CHECKPOINT_TRUNCATE);
        }
    }
    return NULL;
}

static void init_queue(struct write_queue *queue)
{
    lock_init(&queue->lock, LOCK_RANK_QUEUE);
    condition_init(&queue->work_came);
    condition_init(&queue->room_came);
    condition_init(&queue->settled);
}

void write_queue_refuse(struct write_queue *queue)
{
    init_queue(queue);
    atomic_store(&queue->failed, true);
}

enum err write_queue_start(struct write_queue *queue)
{
    int64_t page_size = 0;
    init_queue(queue);
    queue->synchronous = true;
    enum err code = database_integer(&queue->connection, "PRAGMA page_size", &page_size);
    queue->page_size = (int)page_size;
    sqlite3_wal_hook(queue->connection.handle, log_hook, queue);
    if (!code && pthread_create(&queue->thread, NULL, writer_main, queue) != 0)
        code = ERR_NO_MEMORY;
    queue->started = !code;
    if (code)
        write_queue_stop(queue);
    return code;
}

void write_queue_stop(struct write_queue *queue)
{
    if (queue->started) {
        lock_take(&queue->lock);
        queue->stopping = true;
        condition_broadcast(&queue->work_came);
        lock_release(&queue->lock);
        pthread_join(queue->thread, NULL);
        if (!atomic_load(&queue->failed))
            checkpoint(queue, SQLITE_CHECKPOINT_TRUNCATE);
        if (!atomic_load(&queue->failed))
            database_empty_log_at_close(&queue->connection, true);
    }
    database_close(&queue->connection);
    condition_fini(&queue->settled);
    condition_fini(&queue->room_came);
    condition_fini(&queue->work_came);
    lock_fini(&queue->lock);
}

enum err write_queue_submit(struct write_queue *queue, struct write_request *write)
{
    double deadline = clock_monotonic() + write->patience;
    write->settled = false;
    write->result = ERR_OK;
    write->next = NULL;
    lock_take(&queue->lock);
    while (queue->waiting >= WRITE_QUEUE_MAX && !atomic_load(&queue->failed)) {
        double left = deadline - clock_monotonic();
        if (left <= 0)
            break;
        condition_wait(&queue->room_came, &queue->lock, left);
    }
    enum err code = queue->waiting >= WRITE_QUEUE_MAX || atomic_load(&queue->failed)
                        ? ERR_UNAVAILABLE
                        : ERR_OK;
    if (!code) {
        if (queue->last)
            queue->last->next = write;
        else
            queue->first = write;
        queue->last = write;
        queue->waiting++;
        condition_signal(&queue->work_came);
    }
    lock_release(&queue->lock);
    return code; /* the writer may have settled it by now: it is not touched here */
}

enum err write_queue_wait(struct write_queue *queue, struct write_request *write,
                          struct err_info *info)
{
    lock_take(&queue->lock);
    while (!write->settled)
        condition_wait(&queue->settled, &queue->lock, -1);
    lock_release(&queue->lock);
    if (info && write->result && info->code == ERR_OK && write->info.code != ERR_OK)
        *info = write->info;
    return write->result;
}

enum err write_queue_call(struct write_queue *queue, write_work *work, void *argument,
                          struct err_info *info)
{
    struct write_request write = {.work = work, .argument = argument};
    enum err code = write_queue_submit(queue, &write);
    return code ? code : write_queue_wait(queue, &write, info);
}

enum err write_queue_tend_call(struct write_queue *queue, write_work *work,
                               void *argument)
{
    struct write_request write = {.work = work, .argument = argument, .lazy = true};
    run_group(queue, &write);
    return write.result;
}

size_t write_queue_length(struct write_queue *queue)
{
    lock_take(&queue->lock);
    size_t length = queue->waiting;
    lock_release(&queue->lock);
    return length;
}

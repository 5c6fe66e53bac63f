/* SPDX-License-Identifier: MIT */
/* The writer thread (write_queue.c), and reading while it writes (reader_pool.c). */
#include "tests/unit/storage/scratch.h"

#include <pthread.h>
#include <semaphore.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/sqlite/sqlite_engine.h"
#include "storage/sqlite/statement.h"

static struct scratch scratch;

static void set_up(void)
{
    scratch_open(&scratch);
}

static void tear_down(void)
{
    scratch_close(&scratch);
}

static struct write_queue *queue(void)
{
    return &sqlite_engine_of(scratch.store)->queue;
}

/* Keeps the writer busy until told. */
struct gate {
    sem_t entered, open;
};

static enum err wait_at_gate(struct database *connection, void *argument,
                             struct err_info *info)
{
    struct gate *gate = argument;
    (void)connection;
    (void)info;
    sem_post(&gate->entered);
    sem_wait(&gate->open);
    return ERR_OK;
}

static void *run_gate(void *argument)
{
    enum err code = write_queue_call(queue(), wait_at_gate, argument, NULL);
    return code ? argument : NULL;
}

static pthread_t shut(struct gate *gate)
{
    pthread_t thread;
    sem_init(&gate->entered, 0, 0);
    sem_init(&gate->open, 0, 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, run_gate, gate), 0);
    sem_wait(&gate->entered);
    return thread;
}

static enum err add_key(struct database *connection, void *argument,
                        struct err_info *info)
{
    struct statement query = statement_start(
        connection, "INSERT INTO key (id, label, scopes, created_ms, sha256)"
                    " VALUES (?, '', 0, 0, zeroblob(32))");
    statement_put_text(&query, argument);
    enum err code = statement_run(&query);
    if (!code && strchr(argument, '!'))
        return err_set(info, ERR_EXISTS, "no %s", (char *)argument);
    return code;
}

static void *add_key_thread(void *argument)
{
    return write_queue_call(queue(), add_key, argument, NULL) ? argument : NULL;
}

static bool eight_wait(void *context)
{
    (void)context;
    return write_queue_length(queue()) == 8;
}

START_TEST(writes_that_wait_together_are_committed_together)
{
    static char ids[8][4] = {"k0", "k1", "k2", "!3", "k4", "k5", "k6", "k7"};
    struct gate gate;
    struct key_row row;
    struct store_stats before, after;
    pthread_t threads[8], holder = shut(&gate);
    void *failed;
    ck_assert_int_eq(store_stats_get(scratch.store, &before), ERR_OK);
    for (int i = 0; i < 8; i++)
        pthread_create(&threads[i], NULL, add_key_thread, ids[i]);
    ck_assert(scratch_until(eight_wait, NULL));
    sem_post(&gate.open);
    pthread_join(holder, NULL);
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], &failed);
        ck_assert_int_eq(failed != NULL, i == 3);
        ck_assert_int_eq(store_key_get(scratch.store, ids[i], &row),
                         i == 3 ? ERR_NOT_FOUND : ERR_OK);
    }
    ck_assert_int_eq(store_stats_get(scratch.store, &after), ERR_OK);
    ck_assert_uint_eq(after.commits - before.commits, 2);
    ck_assert_uint_eq(after.writes - before.writes, 9);
}
END_TEST

START_TEST(a_full_queue_refuses)
{
    static char ids[WRITE_QUEUE_MAX][8];
    static struct write_request requests[WRITE_QUEUE_MAX];
    struct gate gate;
    struct store_stats stats;
    struct key_row row = {.id = "late"};
    pthread_t holder = shut(&gate);
    for (int i = 0; i < WRITE_QUEUE_MAX; i++) {
        snprintf(ids[i], sizeof ids[i], "k%d", i);
        requests[i] = (struct write_request){.work = add_key, .argument = ids[i]};
        ck_assert_int_eq(write_queue_submit(queue(), &requests[i]), ERR_OK);
    }
    ck_assert_int_eq(store_stats_get(scratch.store, &stats), ERR_OK);
    ck_assert_uint_eq(stats.writer_queue, WRITE_QUEUE_MAX);
    ck_assert_int_eq(store_key_insert(scratch.store, &row), ERR_UNAVAILABLE);
    sem_post(&gate.open);
    pthread_join(holder, NULL);
    for (int i = 0; i < WRITE_QUEUE_MAX; i++)
        ck_assert_int_eq(write_queue_wait(queue(), &requests[i], NULL), ERR_OK);
    ck_assert_int_eq(store_key_insert(scratch.store, &row), ERR_OK);
}
END_TEST

START_TEST(an_error_keeps_its_words)
{
    struct err_info info = {0};
    ck_assert_int_eq(write_queue_call(queue(), add_key, (char[]){"a!"}, &info),
                     ERR_EXISTS);
    ck_assert_str_eq(info.message, "no a!");
}
END_TEST

struct race {
    struct store *store;
    int number;
    bool stop, wrong;
    size_t rounds;
};

/* A corpus whose first byte says of which byte all of it consists. */
static void *replace_again_and_again(void *context)
{
    struct race *race = context;
    char *bytes = malloc(1500000);
    for (int i = 0; i < 25; i++) {
        memset(bytes, 'a' + i, 1500000);
        scratch_corpus(race->store, "moving", bytes, (size_t)1000000 + 20000 * (size_t)i,
                       NULL);
    }
    free(bytes);
    return NULL;
}

static bool is_whole(struct store *store, const struct corpus_row *row)
{
    struct store_object *object;
    char *bytes = malloc(1500000);
    unsigned char sha[32];
    char hexadecimal[65];
    size_t got = 0;
    enum err code = store_object_open(store, row->object, &object);
    if (!code) {
        code = store_object_read(object, 0, bytes, 1500000, &got);
        store_object_close(object);
    }
    crypto_hash_sha256(sha, (unsigned char *)bytes, got);
    sodium_bin2hex(hexadecimal, sizeof hexadecimal, sha, sizeof sha);
    free(bytes);
    return !code && got == row->bytes && strcmp(hexadecimal, row->sha256) == 0;
}

static void *read_again_and_again(void *context)
{
    struct race *race = context;
    struct corpus_row row;
    while (!__atomic_load_n(&race->stop, __ATOMIC_ACQUIRE) && !race->wrong) {
        race->wrong = store_corpus_get(race->store, "moving", &row) != ERR_OK ||
                      !is_whole(race->store, &row);
        race->rounds++;
    }
    return NULL;
}

START_TEST(readers_see_whole_things_while_they_are_replaced)
{
    struct race races[3] = {0};
    pthread_t threads[3], writer;
    scratch_corpus(scratch.store, "moving", "a", 1, NULL);
    for (int i = 0; i < 3; i++) {
        races[i] = (struct race){.store = scratch.store, .number = i};
        pthread_create(&threads[i], NULL, read_again_and_again, &races[i]);
    }
    pthread_create(&writer, NULL, replace_again_and_again, &races[0]);
    pthread_join(writer, NULL);
    for (int i = 0; i < 3; i++) {
        __atomic_store_n(&races[i].stop, true, __ATOMIC_RELEASE);
        pthread_join(threads[i], NULL);
        ck_assert(!races[i].wrong);
        ck_assert_uint_gt(races[i].rounds, 0);
    }
}
END_TEST

static void *insert_jobs(void *context)
{
    struct race *race = context;
    for (int i = 0; i < 50; i++) {
        char model[32], id[STORE_ID_SIZE];
        snprintf(model, sizeof model, "m-%d-%d", race->number, i);
        race->wrong =
            race->wrong || scratch_job(race->store, model, "text", id) != ERR_OK;
    }
    return NULL;
}

START_TEST(eight_threads_write_at_once)
{
    struct race races[8];
    pthread_t threads[8];
    size_t counts[JOB_STATE_COUNT];
    scratch_corpus(scratch.store, "text", "a", 1, NULL);
    for (int i = 0; i < 8; i++) {
        races[i] = (struct race){.store = scratch.store, .number = i};
        pthread_create(&threads[i], NULL, insert_jobs, &races[i]);
    }
    size_t wrong = 0;
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
        wrong += races[i].wrong;
    }
    ck_assert_uint_eq(wrong, 8); /* the queue of 100 jobs filled up for each of them */
    ck_assert_int_eq(store_job_count(scratch.store, counts), ERR_OK);
    ck_assert_uint_eq(counts[JOB_QUEUED], 100);
}
END_TEST

/* A backup taken in the middle of writes opens, checks, and is of one moment. */
START_TEST(a_backup_while_writing_is_whole)
{
    struct race race = {.store = scratch.store};
    struct err_info info = {0};
    struct store *copy;
    struct corpus_row row;
    char path[120];
    pthread_t writer;
    snprintf(path, sizeof path, "%s/backup.db", scratch.folder);
    scratch_corpus(scratch.store, "moving", "a", 1, NULL);
    pthread_create(&writer, NULL, replace_again_and_again, &race);
    enum err code = store_backup(scratch.store, path, &info);
    ck_assert_msg(code == ERR_OK, "%s", info.message);
    pthread_join(writer, NULL);
    ck_assert_int_eq(store_backup(scratch.store, path, NULL), ERR_EXISTS);
    ck_assert_int_eq(store_backup(scratch.store, "/nonexistent/x.db", NULL), ERR_IO);
    ck_assert_int_eq(store_backup(scratch.store, "file:x", NULL), ERR_INVALID);
    struct store_settings settings = {.path = path};
    code = store_open(&settings, &copy, &info);
    ck_assert_msg(code == ERR_OK, "%s", info.message);
    ck_assert_int_eq(store_check(copy, NULL, NULL, NULL), ERR_OK);
    ck_assert_int_eq(store_corpus_get(copy, "moving", &row), ERR_OK);
    ck_assert(row.bytes == 1 || is_whole(copy, &row));
    store_close(copy);
}
END_TEST

static bool log_is_empty(void *context)
{
    struct store_stats stats;
    (void)context;
    ck_assert_int_eq(store_stats_get(scratch.store, &stats), ERR_OK);
    return stats.wal_bytes == 0;
}

START_TEST(the_log_is_emptied_when_idle)
{
    struct store_stats stats;
    ck_assert_int_eq(scratch_model(scratch.store, "m", "x", false), ERR_OK);
    scratch_corpus(scratch.store, "a", "x", 1, NULL);
    ck_assert(scratch_until(log_is_empty, NULL));
    ck_assert_int_eq(store_stats_get(scratch.store, &stats), ERR_OK);
    ck_assert_uint_eq(stats.objects, 2);
    ck_assert_uint_eq(stats.object_bytes, 2);
    ck_assert_uint_eq(stats.corpora, 1);
    ck_assert_uint_eq(stats.models, 1);
    ck_assert_uint_eq(stats.jobs, 0);
    ck_assert_uint_gt(stats.file_bytes, 4096);
    ck_assert(!stats.failed);
}
END_TEST

/* S8: a reader that stays keeps the log growing, and once it is gone the log shrinks. */
START_TEST(the_log_shrinks_after_a_long_reader)
{
    struct store_stats stats;
    struct database *reader;
    char *bytes = calloc(1, 1000000);
    struct reader_pool *readers = &sqlite_engine_of(scratch.store)->readers;
    int64_t count;
    scratch_corpus(scratch.store, "a", "x", 1, NULL);
    ck_assert_int_eq(reader_pool_take(readers, &reader), ERR_OK);
    ck_assert_int_eq(database_integer(reader, "SELECT count(*) FROM chunk", &count),
                     ERR_OK);
    ck_assert_int_eq(count, 1);
    for (int i = 0; i < 12; i++)
        scratch_corpus(scratch.store, "a", bytes, 1000000, NULL);
    ck_assert_int_eq(store_stats_get(scratch.store, &stats), ERR_OK);
    ck_assert_uint_gt(stats.wal_bytes, 10000000);
    ck_assert_int_eq(database_integer(reader, "SELECT count(*) FROM chunk", &count),
                     ERR_OK);
    ck_assert_int_eq(count, 1);
    reader_pool_give(readers, reader);
    ck_assert(scratch_until(log_is_empty, NULL));
    free(bytes);
}
END_TEST

UNIT_SUITE(write_queue)
{
    tcase_add_checked_fixture(unit, set_up, tear_down);
    tcase_add_test(unit, writes_that_wait_together_are_committed_together);
    tcase_add_test(unit, a_full_queue_refuses);
    tcase_add_test(unit, an_error_keeps_its_words);
    tcase_add_test(unit, readers_see_whole_things_while_they_are_replaced);
    tcase_add_test(unit, eight_threads_write_at_once);
    tcase_add_test(unit, a_backup_while_writing_is_whole);
    tcase_add_test(unit, the_log_is_emptied_when_idle);
    tcase_add_test(unit, the_log_shrinks_after_a_long_reader);
}

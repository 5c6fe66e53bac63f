/* SPDX-License-Identifier: MIT */
#include "tests/unit/storage/scratch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct scratch scratch;

static void set_up(void)
{
    scratch_open(&scratch);
    scratch_corpus(scratch.store, "text", "a b\n", 4, NULL);
}

static void tear_down(void)
{
    scratch_close(&scratch);
}

static enum job_state state_of(const char *id)
{
    struct job_row row;
    ck_assert_int_eq(store_job_get(scratch.store, id, &row), ERR_OK);
    enum job_state state = row.state;
    job_row_fini(&row);
    return state;
}

static enum err insert(const char *model, bool replace, size_t most, const char *key,
                       const char *body, char id[STORE_ID_SIZE], bool *existed)
{
    struct job_row row = {.type = "train", .kind = "ngram", .corpus = "text"};
    snprintf(row.model, sizeof row.model, "%s", model);
    enum err code =
        store_job_insert(scratch.store, &row, replace, most, key, body, existed, NULL);
    memcpy(id, row.id, STORE_ID_SIZE);
    job_row_fini(&row);
    return code;
}

START_TEST(job_comes_back_as_it_went_in)
{
    struct job_row put = {.type = "train",
                          .kind = "lstm",
                          .model = "m",
                          .corpus = "text",
                          .valid_corpus = "text",
                          .steps_total = 12};
    struct job_row got;
    bool existed;
    put.spec = strdup("kind lstm\n");
    put.metadata = strdup("{\"a\":1}");
    ck_assert_int_eq(
        store_job_insert(scratch.store, &put, false, 1, NULL, NULL, &existed, NULL),
        ERR_OK);
    ck_assert(!existed);
    ck_assert_uint_eq(strlen(put.id), 30);
    ck_assert_uint_eq(strspn(put.id + 4, "0123456789abcdefghjkmnpqrstvwxyz"), 26);
    ck_assert_int_eq(strncmp(put.id, "job-", 4), 0);
    ck_assert_int_eq(store_job_get(scratch.store, put.id, &got), ERR_OK);
    ck_assert_int_eq(got.state, JOB_QUEUED);
    ck_assert_str_eq(got.kind, "lstm");
    ck_assert_str_eq(got.valid_corpus, "text");
    ck_assert_str_eq(got.spec, put.spec);
    ck_assert_str_eq(got.metadata, put.metadata);
    ck_assert_ptr_null(got.result);
    ck_assert(isnan(got.best_loss));
    ck_assert_int_eq(got.error, ERR_OK);
    ck_assert_uint_eq(got.steps_total, 12);
    ck_assert_int_eq(got.created_ms, put.created_ms);
    job_row_fini(&put);
    job_row_fini(&got);
    ck_assert_int_eq(store_job_get(scratch.store, "job-0", &got), ERR_JOB_NOT_FOUND);
}
END_TEST

START_TEST(insert_refuses_what_cannot_be)
{
    struct job_row row = {.type = "train", .model = "m", .corpus = "nope"};
    struct err_info info = {0};
    char id[STORE_ID_SIZE];
    bool existed;
    ck_assert_int_eq(
        store_job_insert(scratch.store, &row, false, 9, NULL, NULL, &existed, &info),
        ERR_CORPUS_NOT_FOUND);
    ck_assert_str_eq(info.pointer, "/corpus");
    ck_assert_int_eq(scratch_model(scratch.store, "taken", "1", false), ERR_OK);
    ck_assert_int_eq(insert("taken", false, 9, NULL, NULL, id, &existed), ERR_EXISTS);
    ck_assert_int_eq(insert("taken", true, 9, NULL, NULL, id, &existed), ERR_OK);
    ck_assert_int_eq(insert("x", false, 9, NULL, NULL, id, &existed), ERR_OK);
    ck_assert_int_eq(insert("x", false, 9, NULL, NULL, id, &existed), ERR_EXISTS);
    ck_assert_int_eq(insert("y", false, 2, NULL, NULL, id, &existed), ERR_QUEUE_FULL);
    ck_assert_int_eq(insert("../y", false, 9, NULL, NULL, id, &existed), ERR_INVALID);
    size_t counts[JOB_STATE_COUNT];
    ck_assert_int_eq(store_job_count(scratch.store, counts), ERR_OK);
    ck_assert_uint_eq(counts[JOB_QUEUED], 2);
}
END_TEST

START_TEST(an_idempotency_key_finds_its_job)
{
    char first[STORE_ID_SIZE], again[STORE_ID_SIZE];
    bool existed;
    ck_assert_int_eq(insert("m", false, 1, "key", "body", first, &existed), ERR_OK);
    ck_assert(!existed);
    ck_assert_int_eq(insert("m", false, 1, "key", "body", again, &existed), ERR_OK);
    ck_assert(existed);
    ck_assert_str_eq(first, again);
    ck_assert_int_eq(insert("m", false, 9, "key", "other", again, &existed),
                     ERR_IDEMPOTENCY_MISMATCH);
    scratch_sql(&scratch, "UPDATE idempotency SET created_ms = created_ms - 86400001");
    scratch_reopen(&scratch);
    ck_assert_int_eq(insert("m2", false, 9, "key", "other", again, &existed), ERR_OK);
    ck_assert(!existed);
    ck_assert_str_ne(first, again);
}
END_TEST

START_TEST(claims_go_by_age_and_raise_the_fence)
{
    char ids[3][STORE_ID_SIZE];
    struct job_row row;
    size_t position;
    ck_assert_int_eq(scratch_job(scratch.store, "m0", "text", ids[0]), ERR_OK);
    ck_assert_int_eq(scratch_job(scratch.store, "m1", "text", ids[1]), ERR_OK);
    ck_assert_int_eq(scratch_job(scratch.store, "m2", "text", ids[2]), ERR_OK);
    ck_assert_int_eq(store_job_queue_position(scratch.store, ids[2], &position), ERR_OK);
    ck_assert_uint_eq(position, 3);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(store_job_claim(scratch.store, 0, &row), ERR_OK);
        ck_assert_str_eq(row.id, ids[i]);
        ck_assert_int_eq(row.state, JOB_RUNNING);
        ck_assert_uint_eq(row.fence, 1);
        ck_assert_uint_eq(row.attempts, 1);
        ck_assert_int_gt(row.started_ms, 0);
        ck_assert_str_eq(row.spec, "kind ngram\n");
        job_row_fini(&row);
    }
    ck_assert_int_eq(store_job_queue_position(scratch.store, ids[2], &position), ERR_OK);
    ck_assert_uint_eq(position, 0);
    ck_assert_int_eq(store_job_claim(scratch.store, 0, &row), ERR_NOT_FOUND);
}
END_TEST

START_TEST(updates_need_the_fence_and_an_unfinished_job)
{
    char id[STORE_ID_SIZE];
    struct job_row row, got;
    ck_assert_int_eq(scratch_job(scratch.store, "m", "text", id), ERR_OK);
    ck_assert_int_eq(store_job_claim(scratch.store, 0, &row), ERR_OK);
    row.fraction = 0.25;
    row.epoch = NAN;
    row.step = 10;
    row.tokens = 1ull << 50;
    row.best_loss = 1.5;
    row.result = strdup("valid_perplexity 3\n");
    ck_assert_int_eq(store_job_update(scratch.store, &row), ERR_OK);
    row.fence = 0;
    row.fraction = 0.5;
    ck_assert_int_eq(store_job_update(scratch.store, &row), ERR_CONFLICT);
    row.fence = 2;
    ck_assert_int_eq(store_job_update(scratch.store, &row), ERR_CONFLICT);
    row.fence = 1;
    free(row.result);
    row.result = NULL;
    row.state = JOB_FAILED;
    row.error = ERR_DIVERGED;
    row.error_message = strdup("The loss is not a number.");
    ck_assert_int_eq(store_job_update(scratch.store, &row), ERR_OK);
    ck_assert_int_eq(store_job_update(scratch.store, &row), ERR_CONFLICT);
    ck_assert_int_eq(store_job_get(scratch.store, id, &got), ERR_OK);
    ck_assert(got.fraction == 0.5 && got.epoch == 0 && got.best_loss == 1.5);
    ck_assert_uint_eq(got.tokens, 1ull << 50);
    ck_assert_str_eq(got.result, "valid_perplexity 3\n");
    ck_assert_int_eq(got.error, ERR_DIVERGED);
    ck_assert_str_eq(got.error_message, "The loss is not a number.");
    ck_assert_int_gt(got.finished_ms, 0);
    job_row_fini(&row);
    job_row_fini(&got);
}
END_TEST

START_TEST(moves_compare_and_set)
{
    char id[STORE_ID_SIZE];
    struct job_row row;
    ck_assert_int_eq(scratch_job(scratch.store, "m", "text", id), ERR_OK);
    ck_assert_int_eq(store_job_move(scratch.store, id, JOB_PAUSED, JOB_QUEUED),
                     ERR_CONFLICT);
    ck_assert_int_eq(store_job_claim(scratch.store, 0, &row), ERR_OK);
    job_row_fini(&row);
    ck_assert_int_eq(store_job_wish(scratch.store, id, true, false), ERR_OK);
    ck_assert_int_eq(store_job_move(scratch.store, id, JOB_RUNNING, JOB_PAUSED), ERR_OK);
    ck_assert_int_eq(store_job_move(scratch.store, id, JOB_PAUSED, JOB_QUEUED), ERR_OK);
    ck_assert_int_eq(store_job_claim(scratch.store, 0, &row), ERR_OK);
    ck_assert_uint_eq(row.attempts, 1);
    ck_assert_uint_eq(row.fence, 2);
    ck_assert(!row.pause_wanted);
    job_row_fini(&row);
    ck_assert_int_eq(store_job_delete(scratch.store, id), ERR_CONFLICT);
    ck_assert_int_eq(store_job_move(scratch.store, id, JOB_RUNNING, JOB_CANCELLED),
                     ERR_OK);
    ck_assert_int_eq(store_job_wish(scratch.store, id, true, false), ERR_CONFLICT);
    ck_assert_int_eq(store_job_delete(scratch.store, id), ERR_OK);
    ck_assert_int_eq(store_job_delete(scratch.store, id), ERR_JOB_NOT_FOUND);
    ck_assert_int_eq(store_job_move(scratch.store, id, JOB_QUEUED, JOB_PAUSED),
                     ERR_JOB_NOT_FOUND);
}
END_TEST

START_TEST(recovery_heeds_wishes_and_counts_attempts)
{
    char ids[4][STORE_ID_SIZE];
    struct job_row row;
    for (int i = 0; i < 4; i++) {
        char model[] = {'m', (char)('0' + i), '\0'};
        ck_assert_int_eq(scratch_job(scratch.store, model, "text", ids[i]), ERR_OK);
        ck_assert_int_eq(store_job_claim(scratch.store, 0, &row), ERR_OK);
        if (i == 3) {
            row.attempts = 3;
            ck_assert_int_eq(store_job_update(scratch.store, &row), ERR_OK);
        }
        job_row_fini(&row);
    }
    ck_assert_int_eq(store_job_wish(scratch.store, ids[1], true, false), ERR_OK);
    ck_assert_int_eq(store_job_wish(scratch.store, ids[2], false, true), ERR_OK);
    scratch_reopen(&scratch);
    ck_assert_int_eq(store_job_recover(scratch.store, 3), ERR_OK);
    ck_assert_int_eq(state_of(ids[0]), JOB_QUEUED);
    ck_assert_int_eq(state_of(ids[1]), JOB_PAUSED);
    ck_assert_int_eq(state_of(ids[2]), JOB_CANCELLED);
    ck_assert_int_eq(store_job_get(scratch.store, ids[3], &row), ERR_OK);
    ck_assert_int_eq(row.state, JOB_FAILED);
    ck_assert_int_eq(row.error, ERR_CRASH);
    ck_assert_int_gt(row.finished_ms, 0);
    ck_assert_uint_eq(row.fence, 2);
    job_row_fini(&row);
}
END_TEST

START_TEST(jobs_are_listed_by_state_and_kind)
{
    char ids[5][STORE_ID_SIZE];
    struct job_row rows[3];
    size_t count;
    bool has_more;
    for (int i = 0; i < 5; i++) {
        char model[] = {'m', (char)('0' + i), '\0'};
        ck_assert_int_eq(scratch_job(scratch.store, model, "text", ids[i]), ERR_OK);
    }
    ck_assert_int_eq(store_job_move(scratch.store, ids[3], JOB_QUEUED, JOB_PAUSED),
                     ERR_OK);
    ck_assert_int_eq(store_job_list(scratch.store,
                                    &(struct job_filter){JOB_QUEUED, NULL, ""}, "", 3,
                                    rows, &count, &has_more),
                     ERR_OK);
    ck_assert_uint_eq(count, 3);
    ck_assert(has_more);
    ck_assert_str_eq(rows[0].id, ids[4]);
    ck_assert_str_eq(rows[1].id, ids[2]);
    for (size_t i = 0; i < count; i++)
        job_row_fini(&rows[i]);
    ck_assert_int_eq(store_job_list(scratch.store,
                                    &(struct job_filter){-1, NULL, "ngram"}, ids[2], 3,
                                    rows, &count, &has_more),
                     ERR_OK);
    ck_assert_uint_eq(count, 2);
    ck_assert(!has_more);
    for (size_t i = 0; i < count; i++)
        job_row_fini(&rows[i]);
    ck_assert_int_eq(store_job_list(scratch.store, &(struct job_filter){-1, NULL, "lstm"},
                                    "", 3, rows, &count, &has_more),
                     ERR_OK);
    ck_assert_uint_eq(count, 0);
}
END_TEST

START_TEST(success_brings_the_model_in_the_same_step)
{
    char id[STORE_ID_SIZE];
    struct job_row job;
    struct model_row model = {.name = "m", .kind = "ngram"}, got;
    struct store_upload *upload;
    ck_assert_int_eq(scratch_job(scratch.store, "m", "text", id), ERR_OK);
    ck_assert_int_eq(store_job_claim(scratch.store, 0, &job), ERR_OK);
    job.state = JOB_SUCCEEDED;
    job.fence = 7;
    ck_assert_int_eq(store_upload_begin(scratch.store, &upload), ERR_OK);
    ck_assert_int_eq(store_upload_write(upload, "abc", 3), ERR_OK);
    ck_assert_int_eq(store_job_succeed(upload, &model, false, &job, NULL), ERR_CONFLICT);
    ck_assert_int_eq(store_model_get(scratch.store, "m", &got), ERR_MODEL_NOT_FOUND);
    ck_assert_int_eq(scratch_model(scratch.store, "m", "1", false), ERR_OK);
    job.fence = 1;
    ck_assert_int_eq(store_upload_begin(scratch.store, &upload), ERR_OK);
    ck_assert_int_eq(store_job_succeed(upload, &model, false, &job, NULL), ERR_EXISTS);
    ck_assert_int_eq(state_of(id), JOB_RUNNING);
    ck_assert_int_eq(store_upload_begin(scratch.store, &upload), ERR_OK);
    ck_assert_int_eq(store_upload_write(upload, "abc", 3), ERR_OK);
    ck_assert_int_eq(store_job_succeed(upload, &model, true, &job, NULL), ERR_OK);
    ck_assert_int_eq(state_of(id), JOB_SUCCEEDED);
    ck_assert_uint_eq(model.bytes, 3);
    ck_assert_int_eq(store_model_get(scratch.store, "m", &got), ERR_OK);
    ck_assert_int_eq(got.object, model.object);
    model_row_fini(&got);
    model_row_fini(&model);
    job_row_fini(&job);
}
END_TEST

static enum err insert_given(const char *text, size_t most, char id[STORE_ID_SIZE])
{
    struct job_row row = {.type = "maps", .kind = "glove", .model = "m", .lane = 1};
    struct store_upload *given;
    ck_assert_int_eq(store_upload_begin(scratch.store, &given), ERR_OK);
    ck_assert_int_eq(store_upload_write(given, text, strlen(text)), ERR_OK);
    enum err code = store_job_insert_given(given, &row, most, NULL);
    memcpy(id, row.id, STORE_ID_SIZE);
    job_row_fini(&row);
    return code;
}

static void check_object_text(const char *id, enum job_role role, const char *expected)
{
    int64_t object;
    size_t size;
    ck_assert_int_eq(store_job_object(scratch.store, id, role, &object), ERR_OK);
    char *bytes = scratch_object(scratch.store, object, &size);
    ck_assert_uint_eq(size, strlen(expected));
    ck_assert_mem_eq(bytes, expected, size);
    free(bytes);
}

static bool objects_are_gone(void *context)
{
    struct store_stats stats;
    (void)context;
    return store_stats_get(scratch.store, &stats) == ERR_OK &&
           scratch_integer(&scratch, "SELECT count(*) FROM object") == 1;
}

START_TEST(a_job_without_a_model_keeps_what_it_was_given_and_answers)
{
    char id[STORE_ID_SIZE], other[STORE_ID_SIZE];
    struct job_row job;
    struct store_upload *answer;
    int64_t object;
    ck_assert_int_eq(insert_given("some words", 1, id), ERR_OK);
    ck_assert_int_eq(insert_given("no room for these", 1, other), ERR_QUEUE_FULL);
    check_object_text(id, JOB_GIVEN, "some words");
    ck_assert_int_eq(store_job_object(scratch.store, id, JOB_ANSWER, &object),
                     ERR_NOT_FOUND);
    ck_assert_int_eq(store_job_object(scratch.store, "job-none", JOB_GIVEN, &object),
                     ERR_NOT_FOUND);
    ck_assert_int_eq(store_job_claim(scratch.store, 1, &job), ERR_OK);
    ck_assert_uint_eq(job.lane, 1);
    job.state = JOB_SUCCEEDED;
    job.fence--; /* a stale runner's */
    ck_assert_int_eq(store_upload_begin(scratch.store, &answer), ERR_OK);
    ck_assert_int_eq(store_upload_write(answer, "stale", 5), ERR_OK);
    ck_assert_int_eq(store_job_succeed(answer, NULL, false, &job, NULL), ERR_CONFLICT);
    job.fence++;
    ck_assert_int_eq(store_upload_begin(scratch.store, &answer), ERR_OK);
    ck_assert_int_eq(store_upload_write(answer, "points", 6), ERR_OK);
    ck_assert_int_eq(store_job_succeed(answer, NULL, false, &job, NULL), ERR_OK);
    ck_assert_int_eq(state_of(id), JOB_SUCCEEDED);
    scratch_reopen(&scratch);
    check_object_text(id, JOB_GIVEN, "some words");
    check_object_text(id, JOB_ANSWER, "points");
    ck_assert_int_eq(store_job_delete(scratch.store, id), ERR_OK);
    ck_assert_int_eq(store_job_object(scratch.store, id, JOB_ANSWER, &object),
                     ERR_NOT_FOUND);
    ck_assert(scratch_until(objects_are_gone, NULL)); /* the corpus is left */
    job_row_fini(&job);
}
END_TEST

START_TEST(lanes_are_queues_of_their_own)
{
    char training[STORE_ID_SIZE], first[STORE_ID_SIZE], second[STORE_ID_SIZE];
    struct job_row row;
    size_t position;
    ck_assert_int_eq(scratch_job(scratch.store, "m1", "text", training), ERR_OK);
    ck_assert_int_eq(insert_given("a", 9, first), ERR_OK);
    ck_assert_int_eq(insert_given("b", 9, second), ERR_OK);
    ck_assert_int_eq(store_job_queue_position(scratch.store, second, &position), ERR_OK);
    ck_assert_uint_eq(position, 2);
    ck_assert_int_eq(store_job_claim(scratch.store, 1, &row), ERR_OK);
    ck_assert_str_eq(row.id, first);
    job_row_fini(&row);
    ck_assert_int_eq(store_job_queue_position(scratch.store, training, &position),
                     ERR_OK);
    ck_assert_uint_eq(position, 1);
    ck_assert_int_eq(store_job_claim(scratch.store, 0, &row), ERR_OK);
    ck_assert_str_eq(row.id, training);
    job_row_fini(&row);
    ck_assert_int_eq(store_job_claim(scratch.store, 0, &row), ERR_NOT_FOUND);
    struct job_row rows[3];
    size_t count;
    bool has_more;
    ck_assert_int_eq(store_job_list(scratch.store, &(struct job_filter){-1, "maps", ""},
                                    "", 3, rows, &count, &has_more),
                     ERR_OK);
    ck_assert_uint_eq(count, 2);
    for (size_t i = 0; i < count; i++)
        job_row_fini(&rows[i]);
}
END_TEST

static enum err checkpoint(const char *id, uint64_t fence, uint64_t step, bool best)
{
    struct store_upload *upload;
    ck_assert_int_eq(store_upload_begin(scratch.store, &upload), ERR_OK);
    ck_assert_int_eq(store_upload_write(upload, &step, sizeof step), ERR_OK);
    return store_checkpoint_commit(upload, id, fence, step, best, NULL);
}

START_TEST(the_last_two_and_the_best_checkpoint_are_kept)
{
    char id[STORE_ID_SIZE];
    struct job_row job;
    int64_t object;
    uint64_t step;
    size_t size;
    ck_assert_int_eq(scratch_job(scratch.store, "m", "text", id), ERR_OK);
    ck_assert_int_eq(store_checkpoint_latest(scratch.store, id, &object, &step),
                     ERR_NOT_FOUND);
    ck_assert_int_eq(store_job_claim(scratch.store, 0, &job), ERR_OK);
    for (step = 1; step <= 6; step++)
        ck_assert_int_eq(checkpoint(id, 1, step, step == 1 || step == 3), ERR_OK);
    ck_assert_int_eq(checkpoint(id, 0, 9, false), ERR_CONFLICT);
    ck_assert_int_eq(store_checkpoint_latest(scratch.store, id, &object, &step), ERR_OK);
    ck_assert_uint_eq(step, 6);
    char *bytes = scratch_object(scratch.store, object, &size);
    ck_assert_uint_eq(size, 8);
    ck_assert_mem_eq(bytes, &step, 8);
    free(bytes);
    ck_assert_int_eq(
        scratch_integer(&scratch, "SELECT sum(step) * 10 + count(*) FROM checkpoint"),
        (3 + 5 + 6) * 10 + 3);
    scratch_reopen(&scratch);
    ck_assert_int_eq(store_job_move(scratch.store, id, JOB_RUNNING, JOB_CANCELLED),
                     ERR_OK);
    ck_assert_int_eq(store_job_delete(scratch.store, id), ERR_OK);
    ck_assert_int_eq(
        scratch_integer(&scratch, "SELECT count(*) FROM object WHERE state = 1"), 1);
    job_row_fini(&job);
}
END_TEST

UNIT_SUITE(jobs)
{
    tcase_add_checked_fixture(unit, set_up, tear_down);
    tcase_add_test(unit, job_comes_back_as_it_went_in);
    tcase_add_test(unit, insert_refuses_what_cannot_be);
    tcase_add_test(unit, an_idempotency_key_finds_its_job);
    tcase_add_test(unit, claims_go_by_age_and_raise_the_fence);
    tcase_add_test(unit, updates_need_the_fence_and_an_unfinished_job);
    tcase_add_test(unit, moves_compare_and_set);
    tcase_add_test(unit, recovery_heeds_wishes_and_counts_attempts);
    tcase_add_test(unit, jobs_are_listed_by_state_and_kind);
    tcase_add_test(unit, success_brings_the_model_in_the_same_step);
    tcase_add_test(unit, a_job_without_a_model_keeps_what_it_was_given_and_answers);
    tcase_add_test(unit, lanes_are_queues_of_their_own);
    tcase_add_test(unit, the_last_two_and_the_best_checkpoint_are_kept);
}

/* SPDX-License-Identifier: MIT */
#include "tests/unit/storage/scratch.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"

static struct scratch scratch;

static void set_up(void)
{
    scratch_open(&scratch);
}

static void tear_down(void)
{
    scratch_close(&scratch);
}

START_TEST(corpus_comes_back_as_it_went_in)
{
    struct corpus_row put, got;
    size_t size;
    scratch_corpus(scratch.store, "abc", "abc", 3, &put);
    ck_assert_int_eq(store_corpus_get(scratch.store, "abc", &got), ERR_OK);
    ck_assert_str_eq(got.name, "abc");
    ck_assert_str_eq(got.sha256,
                     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    ck_assert_uint_eq(got.bytes, 3);
    ck_assert_uint_eq(got.lines, 3);
    ck_assert_int_gt(got.created_ms, 1000000000000);
    ck_assert_int_eq(memcmp(&put, &got, sizeof put), 0);
    char *bytes = scratch_object(scratch.store, got.object, &size);
    ck_assert_str_eq(bytes, "abc");
    free(bytes);
}
END_TEST

START_TEST(corpus_names_are_checked)
{
    static const char *const bad[] = {"",   "../x", "/etc/x", "A",        "-a",
                                      ".a", "a b",  "a/b",    "a\xc3\xa4"};
    char longest[66];
    struct corpus_row row;
    struct store_upload *upload;
    bool replaced;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err_info info = {0};
        ck_assert_int_eq(store_upload_begin(scratch.store, &upload), ERR_OK);
        ck_assert_int_eq(
            store_corpus_commit(upload, bad[i], CORPUS_TEXT, 0, &row, &replaced, &info),
            ERR_INVALID);
        ck_assert_uint_gt(strlen(info.message), 10);
        ck_assert_int_eq(store_corpus_get(scratch.store, bad[i], &row),
                         ERR_CORPUS_NOT_FOUND);
        ck_assert_int_eq(store_corpus_delete(scratch.store, bad[i]),
                         ERR_CORPUS_NOT_FOUND);
    }
    memset(longest, 'a', 65);
    longest[65] = '\0';
    ck_assert_int_eq(store_corpus_get(scratch.store, longest, &row),
                     ERR_CORPUS_NOT_FOUND);
    longest[64] = '\0';
    scratch_corpus(scratch.store, longest, "x", 1, NULL);
    ck_assert_int_eq(store_corpus_get(scratch.store, longest, &row), ERR_OK);
    ck_assert_str_eq(row.name, longest);
}
END_TEST

START_TEST(replacing_is_one_step_and_open_readers_keep_the_old)
{
    struct corpus_row first, second;
    struct store_object *open;
    struct store_upload *upload;
    char bytes[8];
    size_t got;
    bool replaced;
    scratch_corpus(scratch.store, "a", "old", 3, &first);
    ck_assert_int_eq(store_object_open(scratch.store, first.object, &open), ERR_OK);
    ck_assert_int_eq(store_upload_begin(scratch.store, &upload), ERR_OK);
    ck_assert_int_eq(store_upload_write(upload, "newer", 5), ERR_OK);
    ck_assert_int_eq(
        store_corpus_commit(upload, "a", CORPUS_PARALLEL, 1, &second, &replaced, NULL),
        ERR_OK);
    ck_assert(replaced);
    ck_assert_int_ne(first.object, second.object);
    ck_assert_int_eq(store_object_read(open, 0, bytes, sizeof bytes, &got), ERR_OK);
    ck_assert_mem_eq(bytes, "old", 3);
    store_object_close(open);
    ck_assert_int_eq(store_corpus_get(scratch.store, "a", &first), ERR_OK);
    ck_assert_int_eq(first.kind, CORPUS_PARALLEL);
    ck_assert_uint_eq(first.bytes, 5);
}
END_TEST

START_TEST(lists_are_newest_first_even_within_a_millisecond)
{
    struct corpus_row rows[7];
    char name[8], after[STORE_NAME_SIZE] = "";
    size_t count, seen = 0;
    bool has_more = true;
    for (int i = 0; i < 17; i++) {
        snprintf(name, sizeof name, "c%02d", i);
        scratch_corpus(scratch.store, name, name, 3, NULL);
    }
    scratch_corpus(scratch.store, "c03", "again", 5, NULL);
    scratch_sql(&scratch, "UPDATE corpus SET created_ms = 5");
    scratch_reopen(&scratch);
    while (has_more) {
        ck_assert_int_eq(
            store_corpus_list(scratch.store, after, 7, rows, &count, &has_more), ERR_OK);
        for (size_t i = 0; i < count; i++, seen++) {
            size_t number = seen == 0 ? 3 : seen <= 13 ? 17 - seen : 16 - seen;
            snprintf(name, sizeof name, "c%02zu", number);
            ck_assert_str_eq(rows[i].name, name);
        }
        strcpy(after, rows[count - 1].name);
    }
    ck_assert_uint_eq(seen, 17);
    ck_assert_int_eq(store_corpus_list(scratch.store, "gone", 7, rows, &count, &has_more),
                     ERR_CORPUS_NOT_FOUND);
    ck_assert_int_eq(store_corpus_list(scratch.store, "", 0, rows, &count, &has_more),
                     ERR_OK);
    ck_assert_uint_eq(count, 0);
    ck_assert(has_more);
}
END_TEST

START_TEST(delete_waits_for_unfinished_jobs)
{
    char id[STORE_ID_SIZE];
    struct corpus_row row;
    scratch_corpus(scratch.store, "a", "x", 1, NULL);
    ck_assert_int_eq(scratch_job(scratch.store, "m", "a", id), ERR_OK);
    ck_assert_int_eq(store_corpus_delete(scratch.store, "a"), ERR_IN_USE);
    ck_assert_int_eq(store_corpus_get(scratch.store, "a", &row), ERR_OK);
    ck_assert_int_eq(store_job_move(scratch.store, id, JOB_QUEUED, JOB_CANCELLED),
                     ERR_OK);
    ck_assert_int_eq(store_corpus_delete(scratch.store, "a"), ERR_OK);
    ck_assert_int_eq(store_corpus_get(scratch.store, "a", &row), ERR_CORPUS_NOT_FOUND);
    ck_assert_int_eq(store_corpus_delete(scratch.store, "a"), ERR_CORPUS_NOT_FOUND);
}
END_TEST

START_TEST(delete_waits_for_a_job_that_validates_on_it)
{
    struct job_row job = {
        .type = "train", .model = "m", .corpus = "a", .valid_corpus = "b"};
    bool existed;
    scratch_corpus(scratch.store, "a", "x", 1, NULL);
    scratch_corpus(scratch.store, "b", "x", 1, NULL);
    ck_assert_int_eq(
        store_job_insert(scratch.store, &job, false, 9, NULL, NULL, &existed, NULL),
        ERR_OK);
    ck_assert_int_eq(store_corpus_delete(scratch.store, "b"), ERR_IN_USE);
    job_row_fini(&job);
}
END_TEST

UNIT_SUITE(corpora)
{
    tcase_add_checked_fixture(unit, set_up, tear_down);
    tcase_add_test(unit, corpus_comes_back_as_it_went_in);
    tcase_add_test(unit, corpus_names_are_checked);
    tcase_add_test(unit, replacing_is_one_step_and_open_readers_keep_the_old);
    tcase_add_test(unit, lists_are_newest_first_even_within_a_millisecond);
    tcase_add_test(unit, delete_waits_for_unfinished_jobs);
    tcase_add_test(unit, delete_waits_for_a_job_that_validates_on_it);
}

/* SPDX-License-Identifier: MIT */
/* Large objects: storage/sqlite/object_upload.c, object_reader.c and object_drops.c. */
#include "tests/unit/storage/scratch.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/random.h"

enum { MIB = 1 << 20 };

static struct scratch scratch;

static void set_up(void)
{
    scratch_open(&scratch);
}

static void tear_down(void)
{
    scratch_close(&scratch);
}

/* Byte number `offset` of the test text. */
static unsigned char byte_at(uint64_t offset)
{
    return (unsigned char)((offset * 2654435761u) >> 13 ^ offset >> 20);
}

static void fill(unsigned char *bytes, uint64_t offset, size_t size)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = byte_at(offset + i);
}

static struct store_upload *upload_of_size(uint64_t size)
{
    static unsigned char bytes[100000];
    struct store_upload *upload;
    ck_assert_int_eq(store_upload_begin(scratch.store, &upload), ERR_OK);
    for (uint64_t done = 0; done < size;) {
        size_t part = sizeof bytes < size - done ? sizeof bytes : (size_t)(size - done);
        fill(bytes, done, part);
        ck_assert_int_eq(store_upload_write(upload, bytes, part), ERR_OK);
        done += part;
    }
    return upload;
}

static struct corpus_row corpus_of_size(const char *name, uint64_t size)
{
    struct corpus_row row;
    bool replaced;
    ck_assert_int_eq(store_corpus_commit(upload_of_size(size), name, CORPUS_TEXT, 1, &row,
                                         &replaced, NULL),
                     ERR_OK);
    ck_assert_uint_eq(row.bytes, size);
    return row;
}

static void check_range(struct store_object *object, uint64_t offset, size_t size)
{
    static unsigned char got_bytes[300000], wanted[300000];
    size_t got;
    ck_assert_int_eq(store_object_read(object, offset, got_bytes, size, &got), ERR_OK);
    ck_assert_uint_eq(got, size);
    fill(wanted, offset, size);
    ck_assert_int_eq(memcmp(got_bytes, wanted, size), 0);
}

START_TEST(twenty_megabytes_pass_through_little_memory)
{
    static const uint64_t size = 20u * 1000 * 1000 + 7;
    struct rusage before, after;
    struct store_object *object;
    struct random random;
    crypto_hash_sha256_state sha;
    unsigned char piece[64], digest[32];
    char hexadecimal[65];
    getrusage(RUSAGE_SELF, &before);
    struct corpus_row row = corpus_of_size("big", size);
    ck_assert_int_eq(store_object_open(scratch.store, row.object, &object), ERR_OK);
    ck_assert_uint_eq(store_object_size(object), size);
    crypto_hash_sha256_init(&sha);
    for (uint64_t done = 0; done < size; done += sizeof piece) {
        size_t part = sizeof piece < size - done ? sizeof piece : (size_t)(size - done);
        fill(piece, done, part);
        crypto_hash_sha256_update(&sha, piece, part);
    }
    crypto_hash_sha256_final(&sha, digest);
    sodium_bin2hex(hexadecimal, sizeof hexadecimal, digest, sizeof digest);
    ck_assert_str_eq(row.sha256, hexadecimal);
    random_seed(&random, 1, 0);
    for (int i = 0; i < 30; i++) {
        size_t part = (size_t)random_below(&random, 300000);
        check_range(object, random_below(&random, size - part), part);
    }
    for (uint64_t offset = 0; offset + 300000 <= size; offset += 300000)
        check_range(object, offset, 300000);
    store_object_close(object);
    getrusage(RUSAGE_SELF, &after);
#ifndef FIRTH_SANITIZED
    ck_assert_int_lt(after.ru_maxrss - before.ru_maxrss, 16 * 1024);
#endif
}
END_TEST

START_TEST(sizes_around_a_chunk_are_right)
{
    static const uint64_t sizes[] = {0, 1, MIB - 1, MIB, MIB + 1, 2 * MIB, 3 * MIB + 5};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct store_object *object;
        size_t got;
        char rest[3];
        struct corpus_row row = corpus_of_size("c", sizes[i]);
        ck_assert_int_eq(store_object_open(scratch.store, row.object, &object), ERR_OK);
        for (uint64_t offset = 0; offset < sizes[i]; offset += 250000)
            check_range(object, offset,
                        sizes[i] - offset < 250000 ? (size_t)(sizes[i] - offset)
                                                   : 250000);
        ck_assert_int_eq(store_object_read(object, sizes[i], rest, 3, &got), ERR_OK);
        ck_assert_uint_eq(got, 0);
        ck_assert_int_eq(store_object_read(object, UINT64_MAX, rest, 3, &got), ERR_OK);
        ck_assert_uint_eq(got, 0);
        store_object_close(object);
    }
}
END_TEST

static bool nothing_staging(void *context)
{
    struct store_stats stats;
    (void)context;
    ck_assert_int_eq(store_stats_get(scratch.store, &stats), ERR_OK);
    return stats.staging_objects == 0;
}

START_TEST(abort_leaves_nothing)
{
    struct store_upload *upload = upload_of_size(5 * MIB);
    ck_assert_uint_eq(store_upload_size(upload), 5 * MIB);
    store_upload_abort(upload);
    ck_assert(scratch_until(nothing_staging, NULL));
    store_upload_abort(upload_of_size(10));
    store_upload_abort(NULL);
    struct corpus_row row = corpus_of_size("after", 10);
    ck_assert_int_gt(row.object, 0);
    store_close(scratch.store);
    scratch.store = NULL;
    ck_assert_int_eq(scratch_integer(&scratch,
                                     "SELECT count(*) FROM chunk WHERE object NOT IN"
                                     " (SELECT id FROM object WHERE state IN (1, 2, 3))"),
                     0);
}
END_TEST

static bool only_one_object(void *context)
{
    (void)context;
    return scratch_integer(&scratch, "SELECT count(*) FROM object") == 1 &&
           scratch_integer(&scratch, "SELECT count(*) FROM chunk") == 1;
}

START_TEST(reopening_sweeps_what_was_half_done)
{
    struct corpus_row row;
    struct store_object *object;
    scratch_corpus(scratch.store, "a", "x", 1, &row);
    scratch_sql(&scratch,
                "INSERT INTO object (id, state) VALUES (70, 0), (71, 2), (72, 3);"
                "INSERT INTO chunk VALUES (70, 0, 0, x'00'), (70, 1, 0, x'00'),"
                " (71, 0, 0, x'00'), (72, 4, 0, x'00')");
    scratch_reopen(&scratch);
    ck_assert_int_eq(store_object_open(scratch.store, 72, &object), ERR_NOT_FOUND);
    ck_assert(scratch_until(only_one_object, NULL));
    ck_assert_int_eq(store_object_open(scratch.store, 70, &object), ERR_NOT_FOUND);
    struct corpus_row next;
    scratch_corpus(scratch.store, "b", "x", 1, &next);
    ck_assert_int_gt(next.object, 72);
}
END_TEST

START_TEST(a_deleted_object_lives_until_closed)
{
    struct corpus_row row = corpus_of_size("a", 3 * MIB);
    struct store_object *object, *late;
    ck_assert_int_eq(store_object_open(scratch.store, row.object, &object), ERR_OK);
    ck_assert_int_eq(store_corpus_delete(scratch.store, "a"), ERR_OK);
    /* Looked up a moment before the delete, opened a moment after it. */
    ck_assert_int_eq(store_object_open(scratch.store, row.object, &late), ERR_OK);
    store_object_close(late);
    for (int i = 0; i < 40; i++) { /* the background would remove it within 1.5 s */
        scratch_corpus(scratch.store, "other", "x", 1, NULL);
        struct timespec pause = {0, 50000000};
        nanosleep(&pause, NULL);
    }
    check_range(object, 2 * MIB, 1000);
    check_range(object, 0, 1000);
    store_object_close(object);
    ck_assert(scratch_until(only_one_object, NULL));
    ck_assert_int_eq(store_object_open(scratch.store, row.object, &object),
                     ERR_NOT_FOUND);
}
END_TEST

START_TEST(quotas_refuse_what_is_too_much_and_are_given_back)
{
    struct corpus_row row;
    struct store_upload *upload;
    struct err_info info = {0};
    bool replaced;
    scratch.settings.corpus_bytes = 1000;
    scratch.settings.total_bytes = 2500;
    scratch_reopen(&scratch);
    ck_assert_int_eq(store_corpus_commit(upload_of_size(1001), "a", CORPUS_TEXT, 0, &row,
                                         &replaced, &info),
                     ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(info.message, "1000"));
    corpus_of_size("a", 1000);
    corpus_of_size("b", 1000);
    upload = upload_of_size(500);
    ck_assert_int_eq(store_upload_write(upload, "x", 1), ERR_LIMIT);
    ck_assert_int_eq(store_upload_write(upload, "", 0), ERR_LIMIT);
    ck_assert_int_eq(
        store_corpus_commit(upload, "c", CORPUS_TEXT, 0, &row, &replaced, NULL),
        ERR_LIMIT);
    ck_assert_int_eq(store_corpus_get(scratch.store, "c", &row), ERR_CORPUS_NOT_FOUND);
    corpus_of_size("c", 500);
    scratch_reopen(&scratch);
    upload = upload_of_size(0);
    ck_assert_int_eq(store_upload_write(upload, "x", 1), ERR_LIMIT);
    store_upload_abort(upload);
    ck_assert_int_eq(store_corpus_delete(scratch.store, "a"), ERR_OK);
    upload = upload_of_size(0);
    store_upload_limit(upload, 5);
    ck_assert_int_eq(store_upload_write(upload, "12345", 5), ERR_OK);
    ck_assert_int_eq(store_upload_write(upload, "6", 1), ERR_LIMIT);
    store_upload_abort(upload);
    corpus_of_size("d", 1000);
}
END_TEST

static void note(void *context, const char *what)
{
    snprintf(context, 200, "%s", what);
}

START_TEST(a_flipped_byte_spoils_only_its_object)
{
    struct corpus_row good = corpus_of_size("good", 3 * MIB);
    struct corpus_row bad = corpus_of_size("bad", 3 * MIB);
    struct store_object *object;
    struct err_info info = {0};
    char sql[300], byte, told[200] = "";
    size_t got;
    ck_assert_int_eq(store_check(scratch.store, note, told, &info), ERR_OK);
    ck_assert_str_eq(told, "");
    snprintf(sql, sizeof sql,
             "UPDATE chunk SET data = CAST(substr(data, 1, 70000) || x'ff' ||"
             " substr(data, 70002) AS BLOB) WHERE object = %lld AND seq = 1",
             (long long)bad.object);
    scratch_sql(&scratch, sql);
    scratch_reopen(&scratch);
    ck_assert_int_eq(store_object_open(scratch.store, bad.object, &object), ERR_OK);
    check_range(object, 0, 300000);
    ck_assert_int_eq(store_object_read(object, MIB + 5, &byte, 1, &got), ERR_INTEGRITY);
    ck_assert_uint_eq(got, 0);
    check_range(object, 2 * MIB, 300000);
    store_object_close(object);
    ck_assert_int_eq(store_object_open(scratch.store, good.object, &object), ERR_OK);
    check_range(object, MIB, 300000);
    store_object_close(object);
    ck_assert_int_eq(store_check(scratch.store, note, told, &info), ERR_INTEGRITY);
    ck_assert_msg(strstr(told, "corpus bad") && strstr(told, "chunk 1"), "%s", told);
    ck_assert_str_eq(info.message, "1 damaged place was found in the store.");
}
END_TEST

START_TEST(swapped_and_missing_chunks_are_found)
{
    struct corpus_row row = corpus_of_size("a", 3 * MIB);
    struct store_object *object;
    char sql[300], byte, told[200] = "";
    size_t got;
    snprintf(
        sql, sizeof sql,
        "UPDATE chunk SET seq = CASE seq WHEN 0 THEN -1 WHEN 1 THEN 0 END WHERE"
        " object = %1$lld AND seq < 2; UPDATE chunk SET seq = 1 WHERE object = %1$lld"
        " AND seq = -1",
        (long long)row.object);
    scratch_sql(&scratch, sql);
    scratch_reopen(&scratch);
    ck_assert_int_eq(store_check(scratch.store, note, told, NULL), ERR_INTEGRITY);
    ck_assert_msg(strstr(told, "SHA-256"), "%s", told);
    scratch_sql(&scratch, "DELETE FROM chunk WHERE seq = 2");
    scratch_reopen(&scratch);
    ck_assert_int_eq(store_object_open(scratch.store, row.object, &object), ERR_OK);
    ck_assert_int_eq(store_object_read(object, 2 * MIB, &byte, 1, &got), ERR_INTEGRITY);
    store_object_close(object);
}
END_TEST

UNIT_SUITE(objects)
{
    tcase_add_checked_fixture(unit, set_up, tear_down);
    tcase_add_test(unit, sizes_around_a_chunk_are_right);
    tcase_add_test(unit, twenty_megabytes_pass_through_little_memory);
    tcase_add_test(unit, abort_leaves_nothing);
    tcase_add_test(unit, reopening_sweeps_what_was_half_done);
    tcase_add_test(unit, a_deleted_object_lives_until_closed);
    tcase_add_test(unit, quotas_refuse_what_is_too_much_and_are_given_back);
    tcase_add_test(unit, a_flipped_byte_spoils_only_its_object);
    tcase_add_test(unit, swapped_and_missing_chunks_are_found);
}

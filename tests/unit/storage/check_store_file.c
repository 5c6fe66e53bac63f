/* SPDX-License-Identifier: MIT */
/* Which files are opened, and what is left of those that are not: store_file.c, migrate.c
 * and sqlite_engine.c. */
#include "tests/unit/storage/scratch.h"

#include <dirent.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/random.h"
#include "storage/sqlite/migrate.h"

static struct scratch scratch;

static void set_up(void)
{
    scratch_open(&scratch);
}

static void tear_down(void)
{
    scratch_close(&scratch);
}

/* Closes the store and removes all files of it. */
static void empty_folder(void)
{
    scratch_close(&scratch);
    ck_assert_int_eq(mkdir(scratch.folder, 0700), 0);
}

static size_t files_in_folder(void)
{
    size_t count = 0;
    DIR *folder = opendir(scratch.folder);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count - 2;
}

static void write_file(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
}

static size_t read_file(const char *path, char *bytes, size_t size)
{
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    size_t got = fread(bytes, 1, size, file);
    fclose(file);
    return got;
}

/* Opening is refused, with a sentence that has `words`, and changes nothing. */
static void check_refused(enum err wanted, const char *words)
{
    static char before[1 << 20], after[1 << 20];
    struct err_info info = {0};
    struct store *store;
    size_t size = read_file(scratch.path, before, sizeof before);
    size_t files = files_in_folder();
    scratch.settings.create = true;
    ck_assert_int_eq(store_open(&scratch.settings, &store, &info), wanted);
    ck_assert_ptr_null(store);
    ck_assert_msg(strstr(info.message, words) != NULL, "%s", info.message);
    ck_assert_ptr_null(strchr(info.message, '\n'));
    ck_assert_uint_eq(read_file(scratch.path, after, sizeof after), size);
    ck_assert_mem_eq(before, after, size);
    ck_assert_uint_eq(files_in_folder(), files);
}

START_TEST(s6_zero_length)
{
    empty_folder();
    write_file(scratch.path, "", 0);
    check_refused(ERR_WRONG_STORE, "empty");
}
END_TEST

START_TEST(s6_not_a_database)
{
    char text[5000];
    empty_folder();
    memset(text, 'x', sizeof text);
    write_file(scratch.path, text, sizeof text);
    check_refused(ERR_WRONG_STORE, "not a database");
    write_file(scratch.path, "SQLite format 3", 16);
    check_refused(ERR_WRONG_STORE, "not a database");
}
END_TEST

START_TEST(s6_a_database_of_another_program)
{
    sqlite3 *raw;
    empty_folder();
    ck_assert_int_eq(sqlite3_open(scratch.path, &raw), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(raw, "CREATE TABLE t (x)", NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(raw);
    check_refused(ERR_WRONG_STORE, "another program");
}
END_TEST

START_TEST(s6_a_newer_format)
{
    scratch_sql(&scratch, "PRAGMA journal_mode=DELETE; PRAGMA user_version=999");
    check_refused(ERR_WRONG_STORE, "newer");
}
END_TEST

START_TEST(s6_a_newer_format_that_only_the_log_knows)
{
    struct err_info info = {0};
    struct store *store;
    sqlite3 *raw;
    store_close(scratch.store);
    scratch.store = NULL;
    ck_assert_int_eq(sqlite3_open(scratch.path, &raw), SQLITE_OK);
    sqlite3_db_config(raw, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    ck_assert_int_eq(sqlite3_exec(raw, "PRAGMA user_version=999", NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(raw);
    ck_assert_int_eq(store_open(&scratch.settings, &store, &info), ERR_WRONG_STORE);
    ck_assert_msg(strstr(info.message, "newer") != NULL, "%s", info.message);
}
END_TEST

START_TEST(a_folder_is_not_a_store)
{
    struct err_info info = {0};
    struct store *store;
    empty_folder();
    ck_assert_int_eq(mkdir(scratch.path, 0700), 0);
    ck_assert_int_eq(store_open(&scratch.settings, &store, &info), ERR_WRONG_STORE);
    rmdir(scratch.path);
}
END_TEST

START_TEST(paths_that_mean_something_else_are_refused)
{
    static const char *const bad[] = {"", "file:x.db", ":memory:", NULL};
    for (size_t i = 0; i < 4; i++) {
        struct store *store;
        struct err_info info = {0};
        struct store_settings settings = {.path = bad[i], .create = true};
        enum err code = store_open(&settings, &store, &info);
        ck_assert(code == ERR_INVALID || (!bad[i] && code == ERR_NO_MEMORY));
        ck_assert_uint_gt(strlen(info.message), 10);
    }
}
END_TEST

START_TEST(no_store_is_made_unless_asked)
{
    struct err_info info = {0};
    struct store *store;
    empty_folder();
    scratch.settings.create = false;
    ck_assert_int_eq(store_open(&scratch.settings, &store, &info), ERR_NOT_FOUND);
    ck_assert_uint_eq(files_in_folder(), 0);
}
END_TEST

START_TEST(s9_a_second_opener_is_told)
{
    struct err_info info = {0};
    struct store *second;
    struct corpus_row row;
    ck_assert_int_eq(store_open(&scratch.settings, &second, &info), ERR_LOCKED);
    ck_assert_ptr_nonnull(strstr(info.message, "another firthd"));
    scratch_corpus(scratch.store, "still", "x", 1, &row);
    scratch_reopen(&scratch);
    ck_assert_int_eq(store_corpus_get(scratch.store, "still", &row), ERR_OK);
}
END_TEST

START_TEST(reading_goes_on_beside_the_one_that_writes)
{
    struct store_settings settings = {.path = scratch.path, .read_only = true};
    struct store *beside;
    struct store_upload *upload;
    struct store_stats stats;
    struct corpus_row row;
    struct key_row key = {.id = "k"};
    char copy[120];
    size_t size;
    scratch_corpus(scratch.store, "a", "abc", 3, NULL);
    ck_assert_int_eq(store_open(&settings, &beside, NULL), ERR_OK);
    scratch_corpus(scratch.store, "b", "abcd", 4, NULL);
    ck_assert_int_eq(store_corpus_get(beside, "b", &row), ERR_OK);
    char *bytes = scratch_object(beside, row.object, &size);
    ck_assert_str_eq(bytes, "abcd");
    free(bytes);
    ck_assert_int_eq(store_key_insert(beside, &key), ERR_UNAVAILABLE);
    ck_assert_int_eq(store_upload_begin(beside, &upload), ERR_UNAVAILABLE);
    ck_assert_int_eq(store_check(beside, NULL, NULL, NULL), ERR_OK);
    ck_assert_int_eq(store_stats_get(beside, &stats), ERR_OK);
    ck_assert_uint_eq(stats.corpora, 2);
    snprintf(copy, sizeof copy, "%s/copy.db", scratch.folder);
    ck_assert_int_eq(store_backup(beside, copy, NULL), ERR_OK);
    store_close(beside);
    scratch_corpus(scratch.store, "c", "x", 1, NULL);
    settings.path = copy;
    ck_assert_int_eq(store_open(&settings, &beside, NULL), ERR_OK);
    ck_assert_int_eq(store_corpus_get(beside, "b", &row), ERR_OK);
    ck_assert_int_eq(store_corpus_get(beside, "c", &row), ERR_CORPUS_NOT_FOUND);
    store_close(beside);
    settings.path = "/nonexistent/x.db";
    ck_assert_int_eq(store_open(&settings, &beside, NULL), ERR_NOT_FOUND);
    ck_assert_int_eq(store_copy("file:x", copy, NULL), ERR_INVALID);
    ck_assert_int_eq(store_copy(scratch.path, copy, NULL), ERR_EXISTS);
}
END_TEST

START_TEST(the_log_of_a_removed_store_is_not_taken_for_the_new_ones)
{
    struct corpus_row row;
    struct store *store;
    char log[120], kept[1 << 16];
    scratch_corpus(scratch.store, "old", "x", 1, NULL);
    snprintf(log, sizeof log, "%s-wal", scratch.path);
    size_t size = read_file(log, kept, sizeof kept);
    ck_assert_uint_gt(size, 0);
    empty_folder();
    write_file(log, kept, size);
    scratch.settings.create = true;
    ck_assert_int_eq(store_open(&scratch.settings, &store, NULL), ERR_OK);
    ck_assert_int_eq(store_corpus_get(store, "old", &row), ERR_CORPUS_NOT_FOUND);
    store_close(store);
}
END_TEST

START_TEST(a_store_cut_off_while_being_made_is_made_again)
{
    char half[120];
    struct store *store;
    empty_folder();
    snprintf(half, sizeof half, "%s.new", scratch.path);
    write_file(half, "half", 4);
    scratch.settings.create = true;
    ck_assert_int_eq(store_open(&scratch.settings, &store, NULL), ERR_OK);
    store_close(store);
    ck_assert_int_ne(access(half, F_OK), 0);
}
END_TEST

START_TEST(the_file_is_private_and_hardened)
{
    struct stat status;
    ck_assert_int_eq(stat(scratch.path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0600);
    ck_assert_int_eq(scratch_integer(&scratch, "PRAGMA application_id"),
                     MIGRATE_APPLICATION_ID);
    ck_assert_int_eq(scratch_integer(&scratch, "PRAGMA user_version"),
                     migrate_version(migrate_steps));
}
END_TEST

/* S7: whatever byte is flipped, nothing wrong is read for right. */
START_TEST(s7_no_flipped_byte_is_believed)
{
    enum { SIZE = 300000, FLIPS = 300 };
    struct corpus_row put, got;
    struct store_settings settings = {.path = scratch.path, .read_only = true};
    unsigned char *wanted = malloc(SIZE), *bytes = malloc(SIZE + 1);
    struct random random;
    size_t errors = 0;
    random_seed(&random, 7, 0);
    for (size_t i = 0; i < SIZE; i++)
        wanted[i] = (unsigned char)random_next(&random);
    scratch_corpus(scratch.store, "a", wanted, SIZE, &put);
    scratch_sql(&scratch, "PRAGMA journal_mode=DELETE");
    int fd = open(scratch.path, O_RDWR);
    off_t size = lseek(fd, 0, SEEK_END);
    for (int i = 0; i < FLIPS; i++) {
        struct store *store;
        struct store_object *object;
        unsigned char old, flipped;
        size_t count = 0;
        off_t place = (off_t)random_below(&random, (uint64_t)size);
        ck_assert_int_eq(pread(fd, &old, 1, place), 1);
        flipped = (unsigned char)(old ^ 1u << random_below(&random, 8));
        ck_assert_int_eq(pwrite(fd, &flipped, 1, place), 1);
        enum err code = store_open(&settings, &store, NULL);
        if (!code) {
            code = store_corpus_get(store, "a", &got);
            if (!code)
                code = store_object_open(store, put.object, &object);
            if (!code) {
                code = store_object_read(object, 0, bytes, SIZE + 1, &count);
                store_object_close(object);
            }
            if (!code)
                ck_assert(count == SIZE && memcmp(bytes, wanted, SIZE) == 0);
            store_close(store);
        }
        errors += code != ERR_OK;
        ck_assert_int_eq(pwrite(fd, &old, 1, place), 1);
    }
    close(fd);
    ck_assert_uint_gt(errors, FLIPS / 4); /* most of the file is the object */
    free(wanted);
    free(bytes);
}
END_TEST

START_TEST(s7_a_damaged_structure_is_refused)
{
    struct err_info info = {0};
    struct store *store;
    unsigned char junk[300];
    scratch_sql(&scratch, "PRAGMA journal_mode=DELETE");
    memset(junk, 0x5a, sizeof junk);
    int fd = open(scratch.path, O_RDWR);
    ck_assert_int_eq(pwrite(fd, junk, sizeof junk, 3 * 4096), sizeof junk);
    close(fd);
    ck_assert_int_eq(store_open(&scratch.settings, &store, &info), ERR_INTEGRITY);
    ck_assert_msg(strstr(info.message, "restore a backup") != NULL, "%s", info.message);
}
END_TEST

static const char *const four_steps[] = {"", "", "", "CREATE TABLE later (x) STRICT",
                                         NULL};
static const char *const good_steps[] = {"", "", "",
                                         "CREATE TABLE later (x ANY) STRICT;"
                                         "INSERT INTO later VALUES (1)",
                                         NULL};

START_TEST(a_migration_copies_first_and_happens_wholly_or_not)
{
    struct database database;
    struct err_info info = {0};
    char copy[120];
    int64_t version;
    scratch_corpus(scratch.store, "a", "x", 1, NULL);
    store_close(scratch.store);
    scratch.store = NULL;
    ck_assert_int_eq(migrate_version(migrate_steps), 3);
    ck_assert_int_eq(database_open(&database, scratch.path, ROLE_WRITER, NULL), ERR_OK);
    ck_assert_int_eq(migrate_run(&database, scratch.path, four_steps, &info),
                     ERR_INTERNAL);
    ck_assert_ptr_nonnull(strstr(info.message, "unchanged"));
    ck_assert_int_eq(database_integer(&database, "PRAGMA user_version", &version),
                     ERR_OK);
    ck_assert_int_eq(version, 3);
    ck_assert_int_eq(migrate_run(&database, scratch.path, good_steps, NULL), ERR_OK);
    ck_assert_int_eq(database_integer(&database, "SELECT count(*) FROM later", &version),
                     ERR_OK);
    ck_assert_int_eq(version, 1);
    ck_assert_int_eq(database_integer(&database, "PRAGMA user_version", &version),
                     ERR_OK);
    ck_assert_int_eq(version, 4);
    ck_assert_int_eq(migrate_run(&database, scratch.path, migrate_steps, &info),
                     ERR_WRONG_STORE);
    database_close(&database);
    snprintf(copy, sizeof copy, "%s.before-v4", scratch.path);
    struct store_settings settings = {.path = copy};
    struct corpus_row row;
    ck_assert_int_eq(store_open(&settings, &scratch.store, NULL), ERR_OK);
    ck_assert_int_eq(store_corpus_get(scratch.store, "a", &row), ERR_OK);
}
END_TEST

/* What leads from the third format back to the second. */
#define UNDO_3                                                                           \
    "DROP INDEX job_by_state; CREATE INDEX job_by_state ON job (state, serial);"         \
    "ALTER TABLE job DROP COLUMN lane; DROP TABLE job_object;"

START_TEST(a_store_of_the_first_format_is_brought_up_to_date)
{
    struct corpus_row row;
    char copy[120];
    scratch_corpus(scratch.store, "a", "x", 1, NULL);
    ck_assert_int_eq(scratch_model(scratch.store, "m", "one", false), ERR_OK);
    store_close(scratch.store);
    scratch.store = NULL;
    scratch_sql(&scratch, UNDO_3 "DROP TABLE model_index; PRAGMA user_version=1");
    struct store_settings settings = {.path = scratch.path};
    ck_assert_int_eq(store_open(&settings, &scratch.store, NULL), ERR_OK);
    ck_assert_int_eq(store_corpus_get(scratch.store, "a", &row), ERR_OK);
    ck_assert_int_eq(scratch_index(scratch.store, "m", "one", "index"), ERR_OK);
    snprintf(copy, sizeof copy, "%s.before-v3", scratch.path);
    ck_assert_int_eq(access(copy, F_OK), 0);
}
END_TEST

/* A store as version 2 made it, with a job that waits. */
START_TEST(an_old_store_gets_lanes_and_objects_of_jobs)
{
    char id[STORE_ID_SIZE];
    struct job_row row;
    int64_t object;
    scratch_corpus(scratch.store, "text", "a", 1, NULL);
    ck_assert_int_eq(scratch_job(scratch.store, "m", "text", id), ERR_OK);
    scratch_sql(&scratch, UNDO_3 "PRAGMA user_version=2");
    scratch_reopen(&scratch);
    ck_assert_int_eq(store_job_object(scratch.store, id, JOB_GIVEN, &object),
                     ERR_NOT_FOUND);
    ck_assert_int_eq(store_job_claim(scratch.store, 1, &row), ERR_NOT_FOUND);
    ck_assert_int_eq(store_job_claim(scratch.store, 0, &row), ERR_OK);
    ck_assert_str_eq(row.id, id);
    job_row_fini(&row);
}
END_TEST

UNIT_SUITE(store_file)
{
    tcase_add_checked_fixture(unit, set_up, tear_down);
    tcase_add_test(unit, s6_zero_length);
    tcase_add_test(unit, s6_not_a_database);
    tcase_add_test(unit, s6_a_database_of_another_program);
    tcase_add_test(unit, s6_a_newer_format);
    tcase_add_test(unit, s6_a_newer_format_that_only_the_log_knows);
    tcase_add_test(unit, a_folder_is_not_a_store);
    tcase_add_test(unit, paths_that_mean_something_else_are_refused);
    tcase_add_test(unit, no_store_is_made_unless_asked);
    tcase_add_test(unit, s9_a_second_opener_is_told);
    tcase_add_test(unit, reading_goes_on_beside_the_one_that_writes);
    tcase_add_test(unit, the_log_of_a_removed_store_is_not_taken_for_the_new_ones);
    tcase_add_test(unit, a_store_cut_off_while_being_made_is_made_again);
    tcase_add_test(unit, the_file_is_private_and_hardened);
    tcase_add_test(unit, s7_no_flipped_byte_is_believed);
    tcase_add_test(unit, s7_a_damaged_structure_is_refused);
    tcase_add_test(unit, a_store_of_the_first_format_is_brought_up_to_date);
    tcase_add_test(unit, a_migration_copies_first_and_happens_wholly_or_not);
    tcase_add_test(unit, an_old_store_gets_lanes_and_objects_of_jobs);
}

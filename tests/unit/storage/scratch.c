/* SPDX-License-Identifier: MIT */
#include "tests/unit/storage/scratch.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <dirent.h>

#include "storage/digest.h"

void scratch_open(struct scratch *scratch)
{
    struct err_info info = {0};
    memset(scratch, 0, sizeof *scratch);
    snprintf(scratch->folder, sizeof scratch->folder, "/tmp/firth-store-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(scratch->folder));
    snprintf(scratch->path, sizeof scratch->path, "%s/firth.db", scratch->folder);
    scratch->settings = (struct store_settings){.path = scratch->path, .create = true};
    enum err code = store_open(&scratch->settings, &scratch->store, &info);
    ck_assert_msg(code == ERR_OK, "%s", info.message);
}

void scratch_reopen(struct scratch *scratch)
{
    struct err_info info = {0};
    store_close(scratch->store);
    scratch->settings.create = false;
    enum err code = store_open(&scratch->settings, &scratch->store, &info);
    ck_assert_msg(code == ERR_OK, "%s", info.message);
}

void scratch_close(struct scratch *scratch)
{
    store_close(scratch->store);
    scratch->store = NULL;
    DIR *folder = opendir(scratch->folder);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        char path[400];
        snprintf(path, sizeof path, "%s/%s", scratch->folder, entry->d_name);
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlink(path);
    }
    if (folder)
        closedir(folder);
    rmdir(scratch->folder);
}

void scratch_corpus(struct store *store, const char *name, const void *bytes, size_t size,
                    struct corpus_row *row)
{
    struct store_upload *upload;
    struct corpus_row mine;
    bool replaced;
    ck_assert_int_eq(store_upload_begin(store, &upload), ERR_OK);
    ck_assert_int_eq(store_upload_write(upload, bytes, size), ERR_OK);
    ck_assert_int_eq(store_corpus_commit(upload, name, CORPUS_TEXT, 3, row ? row : &mine,
                                         &replaced, NULL),
                     ERR_OK);
}

enum err scratch_model(struct store *store, const char *name, const char *text,
                       bool replace)
{
    struct store_upload *upload;
    struct model_row row = {.kind = "ngram", .parameters = 7, .vocab_size = 5};
    snprintf(row.name, sizeof row.name, "%s", name);
    ck_assert_int_eq(store_upload_begin(store, &upload), ERR_OK);
    ck_assert_int_eq(store_upload_write(upload, text, strlen(text)), ERR_OK);
    enum err code = store_model_commit(upload, &row, replace, NULL);
    model_row_fini(&row);
    return code;
}

enum err scratch_index(struct store *store, const char *model, const char *text,
                       const char *index)
{
    struct store_upload *upload;
    char digest[STORE_DIGEST_SIZE];
    digest_sha256(span_of(text, strlen(text)), digest);
    ck_assert_int_eq(store_upload_begin(store, &upload), ERR_OK);
    ck_assert_int_eq(store_upload_write(upload, index, strlen(index)), ERR_OK);
    return store_index_commit(upload, model, digest, NULL);
}

enum err scratch_job(struct store *store, const char *model, const char *corpus,
                     char id[STORE_ID_SIZE])
{
    struct job_row row = {.type = "train", .kind = "ngram"};
    bool existed;
    snprintf(row.model, sizeof row.model, "%s", model);
    snprintf(row.corpus, sizeof row.corpus, "%s", corpus);
    row.spec = strdup("kind ngram\n");
    enum err code = store_job_insert(store, &row, false, 100, NULL, NULL, &existed, NULL);
    memcpy(id, row.id, STORE_ID_SIZE);
    job_row_fini(&row);
    return code;
}

char *scratch_object(struct store *store, int64_t object, size_t *size)
{
    struct store_object *opened;
    ck_assert_int_eq(store_object_open(store, object, &opened), ERR_OK);
    *size = (size_t)store_object_size(opened);
    char *bytes = malloc(*size + 1);
    size_t got;
    ck_assert_int_eq(store_object_read(opened, 0, bytes, *size + 1, &got), ERR_OK);
    ck_assert_uint_eq(got, *size);
    bytes[got] = '\0';
    store_object_close(opened);
    return bytes;
}

bool scratch_until(bool (*done)(void *context), void *context)
{
    for (int i = 0; i < 3000; i++) {
        if (done(context))
            return true;
        usleep(10000);
    }
    return false;
}

void scratch_sql(struct scratch *scratch, const char *sql)
{
    char *problem = NULL;
    sqlite3 *raw;
    store_close(scratch->store);
    scratch->store = NULL;
    ck_assert_int_eq(sqlite3_open(scratch->path, &raw), SQLITE_OK);
    ck_assert_msg(sqlite3_exec(raw, sql, NULL, NULL, &problem) == SQLITE_OK, "%s",
                  problem);
    ck_assert_int_eq(sqlite3_close(raw), SQLITE_OK);
}

int64_t scratch_integer(struct scratch *scratch, const char *sql)
{
    sqlite3 *raw;
    sqlite3_stmt *statement;
    ck_assert_int_eq(sqlite3_open_v2(scratch->path, &raw, SQLITE_OPEN_READONLY, NULL),
                     SQLITE_OK);
    sqlite3_busy_timeout(raw, 5000);
    ck_assert_int_eq(sqlite3_prepare_v2(raw, sql, -1, &statement, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(statement), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    ck_assert_int_eq(sqlite3_close(raw), SQLITE_OK);
    return value;
}

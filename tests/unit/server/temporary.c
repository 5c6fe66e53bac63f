/* SPDX-License-Identifier: MIT */
/* Temporary stores for the tests of server/. */
#include "tests/unit/server/temporary.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "server/local.h"
#include "tests/support/unit.h"

void temporary_open(struct temporary *temporary)
{
    *temporary = (struct temporary){.folder = "/tmp/firth-server-XXXXXX"};
    log_set_level(LOG_SILENT);
    ck_assert_ptr_nonnull(mkdtemp(temporary->folder));
    snprintf(temporary->path, sizeof temporary->path, "%s/firth.db", temporary->folder);
    const struct store_settings settings = {.path = temporary->path, .create = true};
    ck_assert_int_eq(store_open(&settings, &temporary->store, NULL), ERR_OK);
}

void temporary_close(struct temporary *temporary)
{
    char path[400];
    if (temporary->store)
        store_close(temporary->store);
    DIR *folder = opendir(temporary->folder);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        snprintf(path, sizeof path, "%s/%s", temporary->folder, entry->d_name);
        unlink(path);
    }
    if (folder)
        closedir(folder);
    rmdir(temporary->folder);
}

static struct store_upload *upload_of(struct temporary *temporary, const char *text)
{
    struct store_upload *upload;
    ck_assert_int_eq(store_upload_begin(temporary->store, &upload), ERR_OK);
    ck_assert_int_eq(store_upload_write(upload, text, strlen(text)), ERR_OK);
    return upload;
}

void temporary_put_corpus(struct temporary *temporary, const char *name, const char *text)
{
    struct corpus_row row;
    bool replaced;
    ck_assert_int_eq(store_corpus_commit(upload_of(temporary, text), name, CORPUS_TEXT, 1,
                                         &row, &replaced, NULL),
                     ERR_OK);
}

void temporary_put_model(struct temporary *temporary, const char *name, const char *bytes)
{
    struct model_row row = {.kind = "ngram"};
    snprintf(row.name, sizeof row.name, "%s", name);
    ck_assert_int_eq(store_model_commit(upload_of(temporary, bytes), &row, true, NULL),
                     ERR_OK);
    model_row_fini(&row);
}

struct train_spec temporary_spec(const char *model, const char *corpus)
{
    struct train_spec spec;
    train_spec_init(&spec, kind_find("ngram"));
    snprintf(spec.model, sizeof spec.model, "%s", model);
    snprintf(spec.corpus, sizeof spec.corpus, "%s", corpus);
    spec.valid_fraction = 0;
    return spec;
}

void temporary_train(struct temporary *temporary, const char *model, const char *corpus)
{
    struct train_spec spec = temporary_spec(model, corpus);
    struct train_result result;
    struct model_row row;
    struct err_info info = {0};
    spec.replace = true;
    enum err code = train_local(temporary->store, &spec, NULL, temporary->folder, NULL,
                                NULL, &row, &result, &info);
    ck_assert_msg(code == ERR_OK, "%s", info.message);
    model_row_fini(&row);
}

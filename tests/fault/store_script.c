/* SPDX-License-Identifier: MIT */
/* The operations write down twice what they do: to the store, and to a small state that
 * says what must be found. */
#include "tests/fault/store_script.h"

#include <math.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char store_script_folder[64], store_script_path[96], store_script_problem[500];

void store_script_fail(const char *format, ...)
{
    va_list arguments;
    if (store_script_problem[0])
        return;
    va_start(arguments, format);
    vsnprintf(store_script_problem, sizeof store_script_problem, format, arguments);
    va_end(arguments);
}

/* ---- the script ---- */

/* The bytes of version v of something of `size` bytes. */
static void content(unsigned char *bytes, size_t size, unsigned version)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(i * 7 + i / 251 + version * 31);
}

static size_t size_of_version(unsigned version)
{
    return version >= 100 ? (size_t)(1 << 20) + 30000 : 900 + version;
}

static enum err begin(struct store *store, unsigned version, struct store_upload **upload)
{
    size_t size = size_of_version(version);
    unsigned char *bytes = malloc(size);
    content(bytes, size, version);
    enum err code = store_upload_begin(store, upload);
    for (size_t done = 0; !code && done < size; done += 100000) {
        size_t part = size - done < 100000 ? size - done : 100000;
        code = store_upload_write(*upload, bytes + done, part);
    }
    if (code)
        store_upload_abort(*upload);
    free(bytes);
    return code;
}

static enum err put_corpus(struct store *store, const char *name, unsigned version)
{
    struct store_upload *upload;
    struct corpus_row row;
    bool replaced;
    enum err code = begin(store, version, &upload);
    return code ? code
                : store_corpus_commit(upload, name, CORPUS_TEXT, version, &row, &replaced,
                                      NULL);
}

enum err store_script_text(struct store *store, struct store_script_state *state)
{
    state->text++;
    return put_corpus(store, "text", state->text);
}

static enum err op_big(struct store *store, struct store_script_state *state)
{
    state->big = 100;
    return put_corpus(store, "big", 100);
}

static enum err op_drop_big(struct store *store, struct store_script_state *state)
{
    state->big = 0;
    return store_corpus_delete(store, "big");
}

static char job_id[STORE_ID_SIZE];

static enum err op_job(struct store *store, struct store_script_state *state)
{
    struct job_row row = {
        .type = "train", .kind = "ngram", .model = "m", .corpus = "text"};
    bool existed;
    enum err code =
        store_job_insert(store, &row, false, 10, "key-1", "body", &existed, NULL);
    memcpy(job_id, row.id, sizeof job_id);
    job_row_fini(&row);
    state->job = JOB_QUEUED;
    return code;
}

static enum err op_claim(struct store *store, struct store_script_state *state)
{
    struct job_row row;
    enum err code = store_job_claim(store, 0, &row);
    job_row_fini(&row);
    state->job = JOB_RUNNING;
    state->fence++;
    return code;
}

static enum err op_checkpoint(struct store *store, struct store_script_state *state)
{
    struct store_upload *upload;
    state->checkpoint++;
    enum err code = begin(store, (unsigned)state->checkpoint, &upload);
    return code ? code
                : store_checkpoint_commit(upload, job_id, state->fence, state->checkpoint,
                                          state->checkpoint == 1, NULL);
}

static enum err op_events(struct store *store, struct store_script_state *state)
{
    struct event_row rows[2] = {{.type = "log", .data = (char[]){"a"}},
                                {.type = "log", .data = (char[]){"b"}}};
    struct metric_point points[2] = {{"loss", 1, 2.5, 3}, {"loss", 2, 2.25, 4}};
    state->events += 2;
    enum err code = store_metrics_append(store, job_id, points, 2);
    return code ? code : store_events_append(store, job_id, rows, 2);
}

static enum err op_succeed(struct store *store, struct store_script_state *state)
{
    struct store_upload *upload;
    struct model_row model = {.name = "m", .kind = "ngram"};
    struct job_row row = {
        .state = JOB_SUCCEEDED, .fence = state->fence, .best_loss = NAN};
    memcpy(row.id, job_id, sizeof row.id);
    state->model = 1;
    state->job = JOB_SUCCEEDED;
    enum err code = begin(store, 1, &upload);
    return code ? code : store_job_succeed(upload, &model, false, &row, NULL);
}

static enum err op_alias(struct store *store, struct store_script_state *state)
{
    static const char live[1][STORE_NAME_SIZE] = {"live"};
    state->alias = true;
    return store_model_patch(store, "m", "{\"a\":1}", live, 1, NULL);
}

static enum err op_model(struct store *store, struct store_script_state *state)
{
    struct store_upload *upload;
    struct model_row model = {.name = "m", .kind = "ngram"};
    state->model++;
    enum err code = begin(store, state->model, &upload);
    return code ? code : store_model_commit(upload, &model, true, NULL);
}

static enum err op_key(struct store *store, struct store_script_state *state)
{
    struct key_row row = {.id = "k"};
    state->key = true;
    return store_key_insert(store, &row);
}

static enum err op_drop_key(struct store *store, struct store_script_state *state)
{
    state->key = false;
    return store_key_delete(store, "k");
}

static enum err op_drop_job(struct store *store, struct store_script_state *state)
{
    state->job = -1;
    state->checkpoint = 0;
    state->events = 0;
    return store_job_delete(store, job_id);
}

enum err store_script_backup(struct store *store, struct store_script_state *state)
{
    char copy[120];
    (void)state;
    snprintf(copy, sizeof copy, "%s/copy.db", store_script_folder);
    unlink(copy);
    return store_backup(store, copy, NULL);
}

store_script_operation *const store_script[] = {
    store_script_text,
    op_big,
    op_job,
    op_claim,
    op_checkpoint,
    op_events,
    store_script_text,
    op_checkpoint,
    op_checkpoint,
    op_checkpoint,
    op_succeed,
    op_alias,
    store_script_backup,
    op_model,
    op_key,
    op_drop_big,
    op_big,
    op_drop_key,
    store_script_text,
    op_drop_job,
};
_Static_assert(sizeof store_script / sizeof *store_script == STORE_SCRIPT_LENGTH,
               "the length of the script is told in the header");

/* ---- looking at a store ---- */

static void check_content(struct store *store, int64_t object, unsigned version,
                          const char *what)
{
    size_t size = size_of_version(version), got = 0;
    unsigned char *bytes = malloc(size + 1), *wanted = malloc(size);
    struct store_object *opened;
    content(wanted, size, version);
    enum err code = store_object_open(store, object, &opened);
    if (!code) {
        code = store_object_read(opened, 0, bytes, size + 1, &got);
        store_object_close(opened);
    }
    if (code || got != size || memcmp(bytes, wanted, size) != 0)
        store_script_fail("%s: content of version %u is wrong (%s)", what, version,
                          err_word(code));
    free(bytes);
    free(wanted);
}

unsigned store_script_corpus(struct store *store, const char *name)
{
    struct corpus_row row;
    enum err code = store_corpus_get(store, name, &row);
    if (code && code != ERR_CORPUS_NOT_FOUND)
        store_script_fail("corpus %s: %s", name, err_word(code));
    if (code)
        return 0;
    check_content(store, row.object, (unsigned)row.lines, name);
    return (unsigned)row.lines;
}

static unsigned look_at_model(struct store *store, bool *alias)
{
    struct model_row row;
    enum err code = store_model_get(store, "m", &row);
    if (code)
        return 0;
    unsigned version = (unsigned)row.bytes - 900;
    check_content(store, row.object, version, "model");
    *alias = row.alias_count == 1;
    model_row_fini(&row);
    return version;
}

static void look_at_job(struct store *store, struct store_script_state *state)
{
    struct job_row rows[2];
    struct event_row *events;
    size_t count = 0;
    int64_t object;
    bool more;
    state->job = -1;
    if (store_job_list(store, &(struct job_filter){-1, NULL, ""}, "", 2, rows, &count,
                       &more) != ERR_OK ||
        count > 1)
        store_script_fail("jobs cannot be listed, or there are %zu", count);
    if (count == 0)
        return;
    memcpy(job_id, rows[0].id, sizeof job_id);
    state->job = (int)rows[0].state;
    state->fence = rows[0].fence;
    job_row_fini(&rows[0]);
    if (store_checkpoint_latest(store, job_id, &object, &state->checkpoint) == ERR_OK)
        check_content(store, object, (unsigned)state->checkpoint, "checkpoint");
    if (store_events_read(store, job_id, 0, 100, &events, &count) != ERR_OK)
        store_script_fail("events cannot be read");
    for (size_t i = 0; i < count; i++) {
        state->events = events[i].id;
        free(events[i].data);
    }
    free(events);
}

struct store_script_state store_script_look(struct store *store)
{
    struct store_script_state state = {.text = store_script_corpus(store, "text"),
                                       .big = store_script_corpus(store, "big")};
    struct key_row key;
    state.model = look_at_model(store, &state.alias);
    look_at_job(store, &state);
    state.key = store_key_get(store, "k", &key) == ERR_OK;
    return state;
}

bool store_script_same(struct store_script_state a, struct store_script_state b)
{
    if (a.job < 0 || b.job < 0)
        a.fence = b.fence = 0;
    return a.text == b.text && a.big == b.big && a.model == b.model && a.job == b.job &&
           a.checkpoint == b.checkpoint && a.events == b.events && a.alias == b.alias &&
           a.key == b.key && a.fence == b.fence;
}

static void note_damage(void *context, const char *what)
{
    (void)context;
    store_script_fail("damage: %s", what);
}

/* Every stored object is named by something, and nothing is half there. */
static void check_nothing_loose(void)
{
    static const char sql[] = "SELECT count(*) FROM object WHERE state = 1 AND id NOT IN"
                              " (SELECT object FROM corpus UNION SELECT object FROM model"
                              "  UNION SELECT object FROM checkpoint)"
                              " UNION ALL SELECT count(*) FROM chunk WHERE object NOT IN "
                              "(SELECT id FROM object)";
    sqlite3 *raw;
    sqlite3_stmt *statement;
    if (sqlite3_open_v2(store_script_path, &raw, SQLITE_OPEN_READONLY, NULL) !=
            SQLITE_OK ||
        sqlite3_prepare_v2(raw, sql, -1, &statement, NULL) != SQLITE_OK) {
        store_script_fail("the file cannot be looked into");
    } else {
        while (sqlite3_step(statement) == SQLITE_ROW)
            if (sqlite3_column_int(statement, 0) != 0)
                store_script_fail("something is loose");
        sqlite3_finalize(statement);
    }
    sqlite3_close(raw);
}

static struct store_script_state expected_after(unsigned operations)
{
    struct store_script_state state = store_script_nothing;
    /* Only the states are wanted: the operations fail on a store that is not there. */
    for (unsigned i = 0; i < operations; i++)
        if (store_script[i] == store_script_text)
            state.text++;
        else if (store_script[i] == op_big)
            state.big = 100;
        else if (store_script[i] == op_drop_big)
            state.big = 0;
        else if (store_script[i] == op_job)
            state.job = JOB_QUEUED;
        else if (store_script[i] == op_claim)
            state.job = JOB_RUNNING, state.fence++;
        else if (store_script[i] == op_checkpoint)
            state.checkpoint++;
        else if (store_script[i] == op_events)
            state.events += 2;
        else if (store_script[i] == op_succeed)
            state.model = 1, state.job = JOB_SUCCEEDED;
        else if (store_script[i] == op_alias)
            state.alias = true;
        else if (store_script[i] == op_model)
            state.model++;
        else if (store_script[i] == op_key || store_script[i] == op_drop_key)
            state.key = store_script[i] == op_key;
        else if (store_script[i] == op_drop_job)
            state.job = -1, state.checkpoint = 0, state.events = 0;
    return state;
}

/* Opens what a fault has left and compares. */
void store_script_check(unsigned answered)
{
    struct store_settings settings = {.path = store_script_path, .create = true};
    struct store *store;
    struct err_info info = {0};
    enum err code = store_open(&settings, &store, &info);
    if (code) {
        store_script_fail("after %u operations the store does not open: %s", answered,
                          info.message);
        return;
    }
    struct store_script_state found = store_script_look(store);
    /* op_events is two writes, of which only the second shows here. */
    if (!store_script_same(found, expected_after(answered)) &&
        (answered == STORE_SCRIPT_LENGTH ||
         !store_script_same(found, expected_after(answered + 1))))
        store_script_fail(
            "after %u operations: text %u big %u model %u job %d checkpoint %llu events "
            "%lld alias %d key %d fence %llu",
            answered, found.text, found.big, found.model, found.job,
            (unsigned long long)found.checkpoint, (long long)found.events, found.alias,
            found.key, (unsigned long long)found.fence);
    if (store_check(store, note_damage, NULL, &info) != ERR_OK)
        store_script_fail("check: %s", info.message);
    store_close(store);
    check_nothing_loose();
}

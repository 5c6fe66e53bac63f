/* SPDX-License-Identifier: MIT */
/* Faults S1 to S5 against the store. A script of operations runs in order, each one
 * answered before the next; what the store must look like after each is written down as a
 * small state. A fault hits at the n-th step of the disk, for n = 1, 2, 3 … until a run
 * passes untouched. Afterwards the store must be in the state after the answered
 * operations, or after one more: the one that was cut off.
 *
 * Prints TAP. FIRTH_FAULTS=full in the environment visits every n, otherwise some. */
#include <math.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/sqlite/migrate.h"
#include "storage/store.h"
#include "tests/fault/vfs_shim.h"

static char folder[64], path[96];
static char problem[500]; /* of the run at hand; "" while all is well */
static unsigned tests_done, tests_failed;

#define FAIL(...)                                                                        \
    do {                                                                                 \
        if (!problem[0])                                                                 \
            snprintf(problem, sizeof problem, __VA_ARGS__);                              \
    } while (0)

static void tap(const char *name, unsigned long runs)
{
    printf("%s %u - %s (%lu runs)\n", problem[0] ? "not ok" : "ok", ++tests_done, name,
           runs);
    if (problem[0]) {
        printf("# %s\n", problem);
        tests_failed++;
    }
    fflush(stdout);
}

/* ---- the script ---- */

struct state {
    unsigned text, big;  /* version of the corpus, 0: not there */
    unsigned model;      /* version of the model file */
    int job;             /* state of the job, -1: not there */
    uint64_t checkpoint; /* step of the newest, 0: none */
    int64_t events;      /* id of the last */
    bool alias, key;
    uint64_t fence;
};

static const struct state nothing = {.job = -1};

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

static enum err op_text(struct store *store, struct state *state)
{
    state->text++;
    return put_corpus(store, "text", state->text);
}

static enum err op_big(struct store *store, struct state *state)
{
    state->big = 100;
    return put_corpus(store, "big", 100);
}

static enum err op_drop_big(struct store *store, struct state *state)
{
    state->big = 0;
    return store_corpus_delete(store, "big");
}

static char job_id[STORE_ID_SIZE];

static enum err op_job(struct store *store, struct state *state)
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

static enum err op_claim(struct store *store, struct state *state)
{
    struct job_row row;
    enum err code = store_job_claim(store, &row);
    job_row_fini(&row);
    state->job = JOB_RUNNING;
    state->fence++;
    return code;
}

static enum err op_checkpoint(struct store *store, struct state *state)
{
    struct store_upload *upload;
    state->checkpoint++;
    enum err code = begin(store, (unsigned)state->checkpoint, &upload);
    return code ? code
                : store_checkpoint_commit(upload, job_id, state->fence, state->checkpoint,
                                          state->checkpoint == 1, NULL);
}

static enum err op_events(struct store *store, struct state *state)
{
    struct event_row rows[2] = {{.type = "log", .data = (char[]){"a"}},
                                {.type = "log", .data = (char[]){"b"}}};
    struct metric_point points[2] = {{"loss", 1, 2.5, 3}, {"loss", 2, 2.25, 4}};
    state->events += 2;
    enum err code = store_metrics_append(store, job_id, points, 2);
    return code ? code : store_events_append(store, job_id, rows, 2);
}

static enum err op_succeed(struct store *store, struct state *state)
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

static enum err op_alias(struct store *store, struct state *state)
{
    static const char live[1][STORE_NAME_SIZE] = {"live"};
    state->alias = true;
    return store_model_patch(store, "m", "{\"a\":1}", live, 1, NULL);
}

static enum err op_model(struct store *store, struct state *state)
{
    struct store_upload *upload;
    struct model_row model = {.name = "m", .kind = "ngram"};
    state->model++;
    enum err code = begin(store, state->model, &upload);
    return code ? code : store_model_commit(upload, &model, true, NULL);
}

static enum err op_key(struct store *store, struct state *state)
{
    struct key_row row = {.id = "k"};
    state->key = true;
    return store_key_insert(store, &row);
}

static enum err op_drop_key(struct store *store, struct state *state)
{
    state->key = false;
    return store_key_delete(store, "k");
}

static enum err op_drop_job(struct store *store, struct state *state)
{
    state->job = -1;
    state->checkpoint = 0;
    state->events = 0;
    return store_job_delete(store, job_id);
}

static enum err op_backup(struct store *store, struct state *state)
{
    char copy[120];
    (void)state;
    snprintf(copy, sizeof copy, "%s/copy.db", folder);
    unlink(copy);
    return store_backup(store, copy, NULL);
}

typedef enum err operation(struct store *store, struct state *state);
static operation *const script[] = {
    op_text,     op_big,   op_job,        op_claim,      op_checkpoint,
    op_events,   op_text,  op_checkpoint, op_checkpoint, op_checkpoint,
    op_succeed,  op_alias, op_backup,     op_model,      op_key,
    op_drop_big, op_big,   op_drop_key,   op_text,       op_drop_job,
};
enum { SCRIPT_LENGTH = sizeof script / sizeof *script };

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
        FAIL("%s: content of version %u is wrong (%s)", what, version, err_word(code));
    free(bytes);
    free(wanted);
}

static unsigned look_at_corpus(struct store *store, const char *name)
{
    struct corpus_row row;
    enum err code = store_corpus_get(store, name, &row);
    if (code && code != ERR_CORPUS_NOT_FOUND)
        FAIL("corpus %s: %s", name, err_word(code));
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

static void look_at_job(struct store *store, struct state *state)
{
    struct job_row rows[2];
    struct event_row *events;
    size_t count = 0;
    int64_t object;
    bool more;
    state->job = -1;
    if (store_job_list(store, -1, "", "", 2, rows, &count, &more) != ERR_OK || count > 1)
        FAIL("jobs cannot be listed, or there are %zu", count);
    if (count == 0)
        return;
    memcpy(job_id, rows[0].id, sizeof job_id);
    state->job = (int)rows[0].state;
    state->fence = rows[0].fence;
    job_row_fini(&rows[0]);
    if (store_checkpoint_latest(store, job_id, &object, &state->checkpoint) == ERR_OK)
        check_content(store, object, (unsigned)state->checkpoint, "checkpoint");
    if (store_events_read(store, job_id, 0, 100, &events, &count) != ERR_OK)
        FAIL("events cannot be read");
    for (size_t i = 0; i < count; i++) {
        state->events = events[i].id;
        free(events[i].data);
    }
    free(events);
}

static struct state look(struct store *store)
{
    struct state state = {.text = look_at_corpus(store, "text"),
                          .big = look_at_corpus(store, "big")};
    struct key_row key;
    state.model = look_at_model(store, &state.alias);
    look_at_job(store, &state);
    state.key = store_key_get(store, "k", &key) == ERR_OK;
    return state;
}

static bool same(struct state a, struct state b)
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
    FAIL("damage: %s", what);
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
    if (sqlite3_open_v2(path, &raw, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(raw, sql, -1, &statement, NULL) != SQLITE_OK) {
        FAIL("the file cannot be looked into");
    } else {
        while (sqlite3_step(statement) == SQLITE_ROW)
            if (sqlite3_column_int(statement, 0) != 0)
                FAIL("something is loose");
        sqlite3_finalize(statement);
    }
    sqlite3_close(raw);
}

static struct state expected_after(unsigned operations)
{
    struct state state = nothing;
    /* Only the states are wanted: the operations fail on a store that is not there. */
    for (unsigned i = 0; i < operations; i++)
        if (script[i] == op_text)
            state.text++;
        else if (script[i] == op_big)
            state.big = 100;
        else if (script[i] == op_drop_big)
            state.big = 0;
        else if (script[i] == op_job)
            state.job = JOB_QUEUED;
        else if (script[i] == op_claim)
            state.job = JOB_RUNNING, state.fence++;
        else if (script[i] == op_checkpoint)
            state.checkpoint++;
        else if (script[i] == op_events)
            state.events += 2;
        else if (script[i] == op_succeed)
            state.model = 1, state.job = JOB_SUCCEEDED;
        else if (script[i] == op_alias)
            state.alias = true;
        else if (script[i] == op_model)
            state.model++;
        else if (script[i] == op_key || script[i] == op_drop_key)
            state.key = script[i] == op_key;
        else if (script[i] == op_drop_job)
            state.job = -1, state.checkpoint = 0, state.events = 0;
    return state;
}

/* Opens what a fault has left and compares. */
static void check_after(unsigned answered)
{
    struct store_settings settings = {.path = path, .create = true};
    struct store *store;
    struct err_info info = {0};
    enum err code = store_open(&settings, &store, &info);
    if (code) {
        FAIL("after %u operations the store does not open: %s", answered, info.message);
        return;
    }
    struct state found = look(store);
    /* op_events is two writes, of which only the second shows here. */
    if (!same(found, expected_after(answered)) &&
        (answered == SCRIPT_LENGTH || !same(found, expected_after(answered + 1))))
        FAIL("after %u operations: text %u big %u model %u job %d checkpoint %llu events "
             "%lld alias %d key %d fence %llu",
             answered, found.text, found.big, found.model, found.job,
             (unsigned long long)found.checkpoint, (long long)found.events, found.alias,
             found.key, (unsigned long long)found.fence);
    if (store_check(store, note_damage, NULL, &info) != ERR_OK)
        FAIL("check: %s", info.message);
    store_close(store);
    check_nothing_loose();
}

/* ---- runs ---- */

static void clear_folder(void)
{
    static const char *const names[] = {"firth.db",
                                        "firth.db-wal",
                                        "firth.db-shm",
                                        "firth.db-journal",
                                        "firth.db.new",
                                        "firth.db.lock",
                                        "firth.db.new-journal",
                                        "copy.db",
                                        "copy.db.part",
                                        "firth.db.before-v2",
                                        "firth.db.before-v2.part",
                                        "firth.db.before-v2.lock",
                                        "firth.db.before-v2-wal",
                                        "firth.db.before-v2-shm",
                                        "copy.db.part-journal"};
    char name[200];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(name, sizeof name, "%s/%s", folder, names[i]);
        unlink(name);
    }
}

/* In a child: the script, each answer told through the pipe. */
static void run_script_and_tell(int to_parent)
{
    struct store_settings settings = {.path = path, .create = true};
    struct store *store;
    struct state state = nothing;
    if (store_open(&settings, &store, NULL) != ERR_OK)
        _exit(2);
    for (unsigned i = 0; i < SCRIPT_LENGTH; i++)
        if (script[i](store, &state) != ERR_OK || write(to_parent, "x", 1) != 1)
            _exit(3);
    store_close(store);
    _exit(0);
}

/* One run that dies at step n. False when it came through to the end. */
static bool kill_at(uint64_t n, enum vfs_shim_loss loss)
{
    int ends[2], status = 0;
    unsigned answered = 0;
    char told[SCRIPT_LENGTH + 1];
    clear_folder();
    if (pipe(ends) != 0)
        return false;
    vfs_shim_arm(VFS_SHIM_KILL, n, loss);
    pid_t child = fork();
    if (child == 0)
        run_script_and_tell(ends[1]);
    close(ends[1]);
    for (ssize_t got; (got = read(ends[0], told, sizeof told)) > 0;)
        answered += (unsigned)got;
    close(ends[0]);
    waitpid(child, &status, 0);
    vfs_shim_heal();
    int exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
    if (exit_code != VFS_SHIM_KILLED && exit_code != 0)
        FAIL("the script ended with %d after %u operations", exit_code, answered);
    check_after(answered);
    if (problem[0]) {
        char where[60];
        snprintf(where, sizeof where, " [killed at step %llu]", (unsigned long long)n);
        strncat(problem, where, sizeof problem - strlen(problem) - 1);
    }
    return exit_code == VFS_SHIM_KILLED;
}

static void sweep_kills(const char *name, enum vfs_shim_loss loss, uint64_t stride)
{
    unsigned long runs = 1;
    uint64_t n = 1;
    problem[0] = '\0';
    while (!problem[0] && kill_at(n, loss)) {
        n += stride;
        runs++;
    }
    tap(name, runs);
}

/* In this process, on a disk that is full from step n on and is given space again when
 * something has failed; every operation must then succeed without reopening. */
static bool full_at(uint64_t n)
{
    struct store_settings settings = {.path = path, .create = true};
    struct store *store = NULL;
    struct state state = nothing;
    clear_folder();
    vfs_shim_arm(VFS_SHIM_FULL, n, VFS_SHIM_KEEP);
    enum err code = store_open(&settings, &store, NULL);
    if (code) {
        if (code != ERR_NO_SPACE)
            FAIL("opening on a full disk: %s", err_word(code));
        vfs_shim_heal();
        code = store_open(&settings, &store, NULL);
    }
    for (unsigned i = 0; !code && !problem[0] && i < SCRIPT_LENGTH; i++) {
        struct state before = state;
        code = script[i](store, &state);
        if (code == ERR_NO_SPACE) {
            if (!same(look(store), before))
                FAIL("operation %u on a full disk left something", i);
            vfs_shim_heal();
            state = before;
            code = script[i](store, &state);
        }
        if (code)
            FAIL("operation %u: %s", i, err_word(code));
    }
    bool fired = vfs_shim_fired();
    vfs_shim_heal();
    if (code)
        FAIL("full at step %llu: %s", (unsigned long long)n, err_word(code));
    store_close(store);
    check_after(SCRIPT_LENGTH);
    return fired;
}

static void sweep_full(const char *name, uint64_t stride)
{
    unsigned long runs = 1;
    problem[0] = '\0';
    for (uint64_t n = 1; !problem[0] && full_at(n); n += stride)
        runs++;
    tap(name, runs);
}

/* A sync (or write) fails with EIO at or after step n: from then on writes are refused
 * and reads go on, until the store is opened anew. */
static bool broken_at(uint64_t n, enum vfs_shim_fault fault)
{
    struct store_settings settings = {.path = path, .create = true};
    struct store *store = NULL;
    struct state state = nothing, before = nothing;
    struct store_stats stats = {0};
    struct key_row key = {.id = "late"};
    unsigned answered = 0;
    clear_folder();
    vfs_shim_arm(fault, n, VFS_SHIM_KEEP);
    enum err code = store_open(&settings, &store, NULL);
    while (!code && answered < SCRIPT_LENGTH) {
        before = state;
        code = script[answered](store, &state);
        answered += !code;
    }
    bool fired = vfs_shim_fired();
    if (code && store && script[answered] != op_backup) {
        if (code != ERR_UNAVAILABLE || store_stats_get(store, &stats) != ERR_OK ||
            !stats.failed)
            FAIL("operation %u was answered %s", answered, err_word(code));
        if (store_key_insert(store, &key) != ERR_UNAVAILABLE)
            FAIL("a write was taken after a failure");
        if (!same(look(store), before))
            FAIL("reads do not go on");
    }
    vfs_shim_heal();
    store_close(store);
    check_after(answered);
    return fired;
}

static void sweep_broken(const char *name, enum vfs_shim_fault fault, uint64_t stride)
{
    unsigned long runs = 1;
    problem[0] = '\0';
    for (uint64_t n = 1; !problem[0] && broken_at(n, fault); n += stride)
        runs++;
    tap(name, runs);
}

/* ---- migrations ---- */

static const char *const next_steps[] = {"",
                                         "CREATE TABLE later (x ANY) STRICT;"
                                         "INSERT INTO later VALUES (1);"
                                         "UPDATE corpus SET lines = lines",
                                         NULL};

static void migrate_and_exit(void)
{
    struct database database;
    enum err code = database_open(&database, path, ROLE_WRITER, NULL);
    if (!code) {
        code = migrate_run(&database, path, next_steps, NULL);
        database_close(&database);
    }
    _exit(code ? 4 : 0);
}

static void check_is_store_with_text(const char *of)
{
    struct store_settings settings = {.path = of, .create = false};
    struct store *store;
    struct err_info info = {0};
    if (store_open(&settings, &store, &info) != ERR_OK) {
        FAIL("%s", info.message);
        return;
    }
    if (look_at_corpus(store, "text") != 1)
        FAIL("%s has lost its corpus", of);
    store_close(store);
}

static void check_migrated_or_not(void)
{
    struct database database;
    int64_t version = 0, tables = 0;
    char copy[120];
    snprintf(copy, sizeof copy, "%s.before-v2", path);
    if (database_open(&database, path, ROLE_WRITER, NULL) != ERR_OK ||
        database_integer(&database, "PRAGMA user_version", &version) != ERR_OK ||
        database_integer(&database,
                         "SELECT count(*) FROM sqlite_schema"
                         " WHERE name = 'later'",
                         &tables) != ERR_OK)
        FAIL("the file cannot be read");
    database_close(&database);
    if (version - 1 != tables || (version != 1 && version != 2))
        FAIL("version %lld with %lld new tables", (long long)version, (long long)tables);
    if (version == 1)
        check_is_store_with_text(path);
    if (access(copy, F_OK) == 0)
        check_is_store_with_text(copy);
    else if (version == 2)
        FAIL("migrated without a copy");
}

static bool migrate_killed_at(uint64_t n, enum vfs_shim_loss loss)
{
    struct store_settings settings = {.path = path, .create = true};
    struct store *store;
    struct state state = nothing;
    int status = 0;
    clear_folder();
    vfs_shim_arm(VFS_SHIM_NONE, 0, loss);
    if (store_open(&settings, &store, NULL) != ERR_OK || op_text(store, &state) != ERR_OK)
        FAIL("no store to migrate");
    store_close(store);
    vfs_shim_arm(VFS_SHIM_KILL, n, loss);
    pid_t child = fork();
    if (child == 0)
        migrate_and_exit();
    waitpid(child, &status, 0);
    vfs_shim_heal();
    if (!WIFEXITED(status) ||
        (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != VFS_SHIM_KILLED))
        FAIL("the migration ended with %d", status);
    check_migrated_or_not();
    return WIFEXITED(status) && WEXITSTATUS(status) == VFS_SHIM_KILLED;
}

static void sweep_migrations(const char *name, uint64_t stride)
{
    unsigned long runs = 0;
    problem[0] = '\0';
    for (int loss = VFS_SHIM_KEEP; loss <= VFS_SHIM_MIX; loss++)
        for (uint64_t n = 1; !problem[0]; n += stride, runs++)
            if (!migrate_killed_at(n, (enum vfs_shim_loss)loss))
                break;
    tap(name, runs);
}

/* ---- foreign locks ---- */

/* In a child forked before any store is open: takes SQLite's own lock when the first byte
 * comes, and gives it back when the pipe is closed. */
static void take_and_keep_lock(int from_parent, int to_parent)
{
    char byte;
    sqlite3 *raw;
    if (read(from_parent, &byte, 1) != 1 || sqlite3_open(path, &raw) != SQLITE_OK ||
        sqlite3_exec(raw, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK ||
        write(to_parent, "x", 1) != 1)
        _exit(1);
    _exit(read(from_parent, &byte, 1) != 0);
}

static void use_locked_store(int to_child, int from_child, pid_t child)
{
    struct store_settings settings = {.path = path, .create = true};
    struct store *store;
    struct state state = nothing;
    int status;
    char byte;
    if (store_open(&settings, &store, NULL) != ERR_OK) {
        FAIL("no store");
        close(to_child);
        return;
    }
    enum err code = op_text(store, &state);
    if (code || write(to_child, "x", 1) != 1 || read(from_child, &byte, 1) != 1)
        FAIL("the lock was not taken");
    code = op_text(store, &state);
    if (code != ERR_UNAVAILABLE)
        FAIL("a write to a locked store was answered %s", err_word(code));
    if (look_at_corpus(store, "text") != 1)
        FAIL("reads do not go on");
    close(to_child);
    if (waitpid(child, &status, 0) != child || status != 0)
        FAIL("the process with the lock failed");
    code = op_text(store, &state);
    if (code || look_at_corpus(store, "text") != 3)
        FAIL("the store does not go on: %s", err_word(code));
    store_close(store);
}

static void foreign_lock(void)
{
    int up[2], down[2];
    problem[0] = '\0';
    clear_folder();
    vfs_shim_arm(VFS_SHIM_NONE, 0, VFS_SHIM_KEEP);
    if (pipe(up) != 0 || pipe(down) != 0)
        return;
    pid_t child = fork();
    if (child == 0) {
        close(down[1]);
        take_and_keep_lock(down[0], up[1]);
    }
    close(up[1]);
    close(down[0]);
    use_locked_store(down[1], up[0], child);
    close(up[0]);
    tap("S5 a foreign lock is answered, then over", 1);
}

int main(void)
{
    const char *faults = getenv("FIRTH_FAULTS");
    bool full = faults && strcmp(faults, "full") == 0;
    snprintf(folder, sizeof folder, "/tmp/firth-faults-XXXXXX");
    if (!mkdtemp(folder))
        return 1;
    snprintf(path, sizeof path, "%s/firth.db", folder);
    signal(SIGPIPE, SIG_IGN);
    vfs_shim_register();
    printf("1..8\n");
    sweep_kills("S1 killed at any step", VFS_SHIM_KEEP, full ? 1 : 61);
    sweep_kills("S2 power cut, unsynced writes lost", VFS_SHIM_LOSE, full ? 1 : 67);
    sweep_kills("S2 power cut, unsynced writes mixed", VFS_SHIM_MIX, full ? 1 : 71);
    sweep_full("S3 no space at any write", full ? 1 : 73);
    sweep_broken("S4 a sync fails", VFS_SHIM_SYNC_EIO, full ? 1 : 79);
    sweep_broken("S4 a write fails", VFS_SHIM_WRITE_EIO, full ? 1 : 83);
    sweep_migrations("S1 and S2 during a migration", full ? 1 : 9);
    foreign_lock();
    clear_folder();
    rmdir(folder);
    return tests_failed ? 1 : 0;
}

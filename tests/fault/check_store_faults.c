/* SPDX-License-Identifier: MIT */
/* Faults S1 to S5 against the store. A script of operations runs in order, each one
 * answered before the next; what the store must look like after each is
 * written down as a small state. A fault hits at the n-th step of the disk, for n = 1, 2,
 * 3 … until a run passes untouched. Afterwards the store must be in the state after the
 * answered operations, or after one more: the one that was cut off.
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
#include "tests/fault/store_script.h"
#include "tests/fault/vfs_shim.h"

static unsigned tests_done, tests_failed;

static void tap(const char *name, unsigned long runs)
{
    printf("%s %u - %s (%lu runs)\n", store_script_problem[0] ? "not ok" : "ok",
           ++tests_done, name, runs);
    if (store_script_problem[0]) {
        printf("# %s\n", store_script_problem);
        tests_failed++;
    }
    fflush(stdout);
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
                                        "firth.db.before-v4",
                                        "firth.db.before-v4.part",
                                        "firth.db.before-v4.lock",
                                        "firth.db.before-v4-wal",
                                        "firth.db.before-v4-shm",
                                        "copy.db.part-journal"};
    char name[200];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(name, sizeof name, "%s/%s", store_script_folder, names[i]);
        unlink(name);
    }
}

/* In a child: the script, each answer told through the pipe. */
static void run_script_and_tell(int to_parent)
{
    struct store_settings settings = {.path = store_script_path, .create = true};
    struct store *store;
    struct store_script_state state = store_script_nothing;
    if (store_open(&settings, &store, NULL) != ERR_OK)
        _exit(2);
    for (unsigned i = 0; i < STORE_SCRIPT_LENGTH; i++)
        if (store_script[i](store, &state) != ERR_OK || write(to_parent, "x", 1) != 1)
            _exit(3);
    store_close(store);
    _exit(0);
}

/* One run that dies at step n. False when it came through to the end. */
static bool kill_at(uint64_t n, enum vfs_shim_loss loss)
{
    int ends[2], status = 0;
    unsigned answered = 0;
    char told[STORE_SCRIPT_LENGTH + 1];
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
        store_script_fail("the script ended with %d after %u operations", exit_code,
                          answered);
    store_script_check(answered);
    if (store_script_problem[0]) {
        char where[60];
        snprintf(where, sizeof where, " [killed at step %llu]", (unsigned long long)n);
        strncat(store_script_problem, where,
                sizeof store_script_problem - strlen(store_script_problem) - 1);
    }
    return exit_code == VFS_SHIM_KILLED;
}

static void sweep_kills(const char *name, enum vfs_shim_loss loss, uint64_t stride)
{
    unsigned long runs = 1;
    uint64_t n = 1;
    store_script_problem[0] = '\0';
    while (!store_script_problem[0] && kill_at(n, loss)) {
        n += stride;
        runs++;
    }
    tap(name, runs);
}

/* In this process, on a disk that is full from step n on and is given space again when
 * something has failed; every operation must then succeed without reopening. */
static bool full_at(uint64_t n)
{
    struct store_settings settings = {.path = store_script_path, .create = true};
    struct store *store = NULL;
    struct store_script_state state = store_script_nothing;
    clear_folder();
    vfs_shim_arm(VFS_SHIM_FULL, n, VFS_SHIM_KEEP);
    enum err code = store_open(&settings, &store, NULL);
    if (code) {
        if (code != ERR_NO_SPACE)
            store_script_fail("opening on a full disk: %s", err_word(code));
        vfs_shim_heal();
        code = store_open(&settings, &store, NULL);
    }
    for (unsigned i = 0; !code && !store_script_problem[0] && i < STORE_SCRIPT_LENGTH;
         i++) {
        struct store_script_state before = state;
        code = store_script[i](store, &state);
        if (code == ERR_NO_SPACE) {
            if (!store_script_same(store_script_look(store), before))
                store_script_fail("operation %u on a full disk left something", i);
            vfs_shim_heal();
            state = before;
            code = store_script[i](store, &state);
        }
        if (code)
            store_script_fail("operation %u: %s", i, err_word(code));
    }
    bool fired = vfs_shim_fired();
    vfs_shim_heal();
    if (code)
        store_script_fail("full at step %llu: %s", (unsigned long long)n, err_word(code));
    store_close(store);
    store_script_check(STORE_SCRIPT_LENGTH);
    return fired;
}

static void sweep_full(const char *name, uint64_t stride)
{
    unsigned long runs = 1;
    store_script_problem[0] = '\0';
    for (uint64_t n = 1; !store_script_problem[0] && full_at(n); n += stride)
        runs++;
    tap(name, runs);
}

/* A sync (or write) fails with EIO at or after step n: from then on writes are refused
 * and reads go on, until the store is opened anew. */
static bool broken_at(uint64_t n, enum vfs_shim_fault fault)
{
    struct store_settings settings = {.path = store_script_path, .create = true};
    struct store *store = NULL;
    struct store_script_state state = store_script_nothing, before = store_script_nothing;
    struct store_stats stats = {0};
    struct key_row key = {.id = "late"};
    unsigned answered = 0;
    clear_folder();
    vfs_shim_arm(fault, n, VFS_SHIM_KEEP);
    enum err code = store_open(&settings, &store, NULL);
    while (!code && answered < STORE_SCRIPT_LENGTH) {
        before = state;
        code = store_script[answered](store, &state);
        answered += !code;
    }
    bool fired = vfs_shim_fired();
    if (code && store && store_script[answered] != store_script_backup) {
        if (code != ERR_UNAVAILABLE || store_stats_get(store, &stats) != ERR_OK ||
            !stats.failed)
            store_script_fail("operation %u was answered %s", answered, err_word(code));
        if (store_key_insert(store, &key) != ERR_UNAVAILABLE)
            store_script_fail("a write was taken after a failure");
        if (!store_script_same(store_script_look(store), before))
            store_script_fail("reads do not go on");
    }
    vfs_shim_heal();
    store_close(store);
    store_script_check(answered);
    return fired;
}

static void sweep_broken(const char *name, enum vfs_shim_fault fault, uint64_t stride)
{
    unsigned long runs = 1;
    store_script_problem[0] = '\0';
    for (uint64_t n = 1; !store_script_problem[0] && broken_at(n, fault); n += stride)
        runs++;
    tap(name, runs);
}

/* ---- migrations ---- */

static const char *const next_steps[] = {"", "", "",
                                         "CREATE TABLE later (x ANY) STRICT;"
                                         "INSERT INTO later VALUES (1);"
                                         "UPDATE corpus SET lines = lines",
                                         NULL};

static void migrate_and_exit(void)
{
    struct database database;
    enum err code = database_open(&database, store_script_path, ROLE_WRITER, NULL);
    if (!code) {
        code = migrate_run(&database, store_script_path, next_steps, NULL);
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
        store_script_fail("%s", info.message);
        return;
    }
    if (store_script_corpus(store, "text") != 1)
        store_script_fail("%s has lost its corpus", of);
    store_close(store);
}

static void check_migrated_or_not(void)
{
    struct database database;
    int64_t version = 0, tables = 0;
    char copy[120];
    snprintf(copy, sizeof copy, "%s.before-v4", store_script_path);
    if (database_open(&database, store_script_path, ROLE_WRITER, NULL) != ERR_OK ||
        database_integer(&database, "PRAGMA user_version", &version) != ERR_OK ||
        database_integer(&database,
                         "SELECT count(*) FROM sqlite_schema"
                         " WHERE name = 'later'",
                         &tables) != ERR_OK)
        store_script_fail("the file cannot be read");
    database_close(&database);
    if (version - 3 != tables || (version != 3 && version != 4))
        store_script_fail("version %lld with %lld new tables", (long long)version,
                          (long long)tables);
    if (version == 3)
        check_is_store_with_text(store_script_path);
    if (access(copy, F_OK) == 0)
        check_is_store_with_text(copy);
    else if (version == 4)
        store_script_fail("migrated without a copy");
}

static bool migrate_killed_at(uint64_t n, enum vfs_shim_loss loss)
{
    struct store_settings settings = {.path = store_script_path, .create = true};
    struct store *store;
    struct store_script_state state = store_script_nothing;
    int status = 0;
    clear_folder();
    vfs_shim_arm(VFS_SHIM_NONE, 0, loss);
    if (store_open(&settings, &store, NULL) != ERR_OK ||
        store_script_text(store, &state) != ERR_OK)
        store_script_fail("no store to migrate");
    store_close(store);
    vfs_shim_arm(VFS_SHIM_KILL, n, loss);
    pid_t child = fork();
    if (child == 0)
        migrate_and_exit();
    waitpid(child, &status, 0);
    vfs_shim_heal();
    if (!WIFEXITED(status) ||
        (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != VFS_SHIM_KILLED))
        store_script_fail("the migration ended with %d", status);
    check_migrated_or_not();
    return WIFEXITED(status) && WEXITSTATUS(status) == VFS_SHIM_KILLED;
}

static void sweep_migrations(const char *name, uint64_t stride)
{
    unsigned long runs = 0;
    store_script_problem[0] = '\0';
    for (int loss = VFS_SHIM_KEEP; loss <= VFS_SHIM_MIX; loss++)
        for (uint64_t n = 1; !store_script_problem[0]; n += stride, runs++)
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
    if (read(from_parent, &byte, 1) != 1 ||
        sqlite3_open(store_script_path, &raw) != SQLITE_OK ||
        sqlite3_exec(raw, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK ||
        write(to_parent, "x", 1) != 1)
        _exit(1);
    _exit(read(from_parent, &byte, 1) != 0);
}

static void use_locked_store(int to_child, int from_child, pid_t child)
{
    struct store_settings settings = {.path = store_script_path, .create = true};
    struct store *store;
    struct store_script_state state = store_script_nothing;
    int status;
    char byte;
    if (store_open(&settings, &store, NULL) != ERR_OK) {
        store_script_fail("no store");
        close(to_child);
        return;
    }
    enum err code = store_script_text(store, &state);
    if (code || write(to_child, "x", 1) != 1 || read(from_child, &byte, 1) != 1)
        store_script_fail("the lock was not taken");
    code = store_script_text(store, &state);
    if (code != ERR_UNAVAILABLE)
        store_script_fail("a write to a locked store was answered %s", err_word(code));
    if (store_script_corpus(store, "text") != 1)
        store_script_fail("reads do not go on");
    close(to_child);
    if (waitpid(child, &status, 0) != child || status != 0)
        store_script_fail("the process with the lock failed");
    code = store_script_text(store, &state);
    if (code || store_script_corpus(store, "text") != 3)
        store_script_fail("the store does not go on: %s", err_word(code));
    store_close(store);
}

static void foreign_lock(void)
{
    int up[2], down[2];
    store_script_problem[0] = '\0';
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
    snprintf(store_script_folder, sizeof store_script_folder, "/tmp/firth-faults-XXXXXX");
    if (!mkdtemp(store_script_folder))
        return 1;
    snprintf(store_script_path, sizeof store_script_path, "%s/firth.db",
             store_script_folder);
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
    rmdir(store_script_folder);
    return tests_failed ? 1 : 0;
}

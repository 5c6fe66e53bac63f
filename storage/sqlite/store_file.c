/* SPDX-License-Identifier: MIT */
/* A store is claimed by a lock on a file of its own (PATH.lock), not on the database: the
 * locks SQLite takes there vanish when any descriptor of that file is closed by the
 * process. For the same reason the database's header is only read here, before SQLite
 * opens it and while nobody else in this process can have it open.
 *
 * A new store is made under another name, filled, synced and then renamed, so there is
 * never an empty or half-made file under the name itself; a file of zero length was made
 * by something else and is refused. */
#include "storage/sqlite/store_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/sqlite/database.h"
#include "storage/sqlite/migrate.h"

enum { PATH_MAX_BYTES = 3800, HEADER_BYTES = 100 };

static void join(char *joined, size_t size, const char *path, const char *suffix)
{
    snprintf(joined, size, "%s%s", path, suffix);
}

uint64_t store_file_size(const char *path, const char *suffix)
{
    char joined[4096];
    struct stat status;
    join(joined, sizeof joined, path, suffix);
    return stat(joined, &status) == 0 ? (uint64_t)status.st_size : 0;
}

static enum err sync_path(const char *path, int flags)
{
    int fd = open(path, flags | O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_from_errno(errno);
    enum err code = fsync(fd) == 0 ? ERR_OK : ERR_IO;
    close(fd);
    return code;
}

enum err store_file_sync(const char *path)
{
    return sync_path(path, 0);
}

enum err store_file_sync_folder(const char *path)
{
    char folder[4096];
    join(folder, sizeof folder, path, "");
    char *slash = strrchr(folder, '/');
    if (!slash)
        return sync_path(".", O_DIRECTORY);
    slash[slash == folder ? 1 : 0] = '\0';
    return sync_path(folder, O_DIRECTORY);
}

static uint32_t big_endian(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
           bytes[3];
}

static enum err judge_header(const char *path, const unsigned char *header, size_t size,
                             struct err_info *info)
{
    if (size == 0)
        return err_set(
            info, ERR_WRONG_STORE,
            "%s is empty (zero bytes), so it is not a store; remove it to have "
            "a new one made, or restore a backup.",
            path);
    if (size < HEADER_BYTES || memcmp(header, "SQLite format 3", 16) != 0)
        return err_set(info, ERR_WRONG_STORE,
                       "%s is not a store: it is not a database file.", path);
    if (big_endian(header + 68) != MIGRATE_APPLICATION_ID)
        return err_set(info, ERR_WRONG_STORE,
                       "%s is not a store: it is a database of another program.", path);
    if (big_endian(header + 60) > migrate_version(migrate_steps))
        return err_set(info, ERR_WRONG_STORE,
                       "%s was written by a newer version of firthd (its format is %u, "
                       "this program knows up to %lld); use that version.",
                       path, big_endian(header + 60),
                       (long long)migrate_version(migrate_steps));
    return ERR_OK;
}

static enum err examine(const char *path, struct err_info *info)
{
    unsigned char header[HEADER_BYTES];
    struct stat status;
    if (stat(path, &status) != 0)
        return err_set(info, ERR_IO, "%s cannot be opened: %s.", path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return err_set(info, ERR_WRONG_STORE, "%s is not a file.", path);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return err_set(info, ERR_IO, "%s cannot be opened: %s.", path, strerror(errno));
    ssize_t got = pread(fd, header, sizeof header, 0);
    close(fd);
    if (got < 0)
        return err_set(info, ERR_IO, "%s cannot be read: %s.", path, strerror(errno));
    return judge_header(path, header, (size_t)got, info);
}

static enum err take_lock(const char *lock_path, const char *path, int *lock_fd,
                          struct err_info *info)
{
    int fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_set(info, err_from_errno(errno), "%s cannot be made: %s.", lock_path,
                       strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int reason = errno;
        close(fd);
        if (reason == EWOULDBLOCK)
            return err_set(info, ERR_LOCKED,
                           "%s is in use by another firthd; stop that one, or give this "
                           "one a store of its own.",
                           path);
        return err_set(info, ERR_IO, "%s cannot be locked: %s.", lock_path,
                       strerror(reason));
    }
    *lock_fd = fd;
    return ERR_OK;
}

static enum err fill_new(const char *temporary, struct err_info *info)
{
    struct database connection;
    char identity[64];
    snprintf(identity, sizeof identity, "PRAGMA application_id=%d",
             MIGRATE_APPLICATION_ID);
    enum err code = database_open(&connection, temporary, ROLE_MAKER, info);
    if (code)
        return code;
    code = database_run(&connection, "PRAGMA auto_vacuum=INCREMENTAL");
    if (!code)
        code = database_run(&connection, identity);
    if (!code)
        code = migrate_run(&connection, temporary, migrate_steps, info);
    database_close(&connection);
    return code;
}

static void remove_remains(const char *path)
{
    static const char *const suffixes[] = {"-wal", "-shm", "-journal"};
    char joined[4096];
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        join(joined, sizeof joined, path, suffixes[i]);
        unlink(joined);
    }
}

static enum err make_new(const char *path, struct err_info *info)
{
    char temporary[4096];
    join(temporary, sizeof temporary, path, ".new");
    unlink(temporary);
    remove_remains(temporary);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set(info, err_from_errno(errno),
                       "A new store cannot be made at %s: %s.", path, strerror(errno));
    close(fd);
    enum err code = fill_new(temporary, info);
    if (!code)
        code = store_file_sync(temporary);
    /* The log of a store that was removed must not be taken for this one's. */
    remove_remains(path);
    if (!code && rename(temporary, path) != 0)
        code = err_from_errno(errno);
    if (!code)
        code = store_file_sync_folder(path);
    if (code) {
        unlink(temporary);
        err_set(info, code, "A new store cannot be made at %s: %s.", path,
                err_text(code));
    }
    return code;
}

static enum err claim_locked(const char *path, bool create, struct err_info *info)
{
    if (access(path, F_OK) == 0 || errno != ENOENT)
        return examine(path, info);
    return create ? make_new(path, info)
                  : err_set(info, ERR_NOT_FOUND, "There is no store at %s.", path);
}

static enum err check_path(const char *path, struct err_info *info)
{
    if (!path || !*path || strlen(path) > PATH_MAX_BYTES ||
        strncmp(path, "file:", 5) == 0 || path[0] == ':')
        return err_set(info, ERR_INVALID,
                       "The store's path must name a file of at most %d bytes and not "
                       "start with \"file:\" or \":\".",
                       PATH_MAX_BYTES);
    return ERR_OK;
}

enum err store_file_examine(const char *path, struct err_info *info)
{
    enum err code = check_path(path, info);
    if (!code && access(path, F_OK) != 0)
        code = err_set(info, ERR_NOT_FOUND, "There is no store at %s.", path);
    return code ? code : examine(path, info);
}

enum err store_file_claim(const char *path, bool create, int *lock_fd,
                          struct err_info *info)
{
    char lock_path[4096];
    *lock_fd = -1;
    enum err code = check_path(path, info);
    if (code)
        return code;
    join(lock_path, sizeof lock_path, path, ".lock");
    bool there = access(path, F_OK) == 0;
    if (!there && !create)
        return err_set(info, ERR_NOT_FOUND, "There is no store at %s.", path);
    /* Without a lock file no firthd has it open, so looking into it harms nobody, and a
     * file that is not ours gets no company. */
    if (there && access(lock_path, F_OK) != 0)
        code = examine(path, info);
    if (code)
        return code;
    code = take_lock(lock_path, path, lock_fd, info);
    if (code)
        return code;
    code = claim_locked(path, create, info);
    if (code) {
        close(*lock_fd);
        *lock_fd = -1;
    }
    return code;
}

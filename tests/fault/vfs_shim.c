/* SPDX-License-Identifier: MIT */
/* For a power cut the shim remembers, for each sector written since the file's last sync,
 * what was there at that sync. Reads need no care: the real file always has the newest
 * content, and only when the process is to die are sectors put back.
 *
 * rename, link and fsync of the code under test come here too, through the linker's
 * --wrap; they count as steps. */
#include "tests/fault/vfs_shim.h"

#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECTOR = 512, PATH_SIZE = 400 };

struct sector {
    sqlite3_int64 number;
    unsigned char old[SECTOR];
};

/* What is not synced of one file, whoever has it open. */
struct unsynced {
    char path[PATH_SIZE];
    sqlite3_int64 synced_size;
    struct sector *sectors;
    size_t count, capacity;
    unsigned char *known; /* a bit a sector: is it in `sectors`? */
    size_t known_size;
    struct unsynced *next;
};

struct shim_file {
    sqlite3_file base;
    char path[PATH_SIZE]; /* "" for a temporary file, which is not followed */
    sqlite3_file *real;
};

static struct {
    sqlite3_vfs vfs;
    sqlite3_vfs *real;
    pthread_mutex_t lock;
    enum vfs_shim_fault fault;
    enum vfs_shim_loss loss;
    uint64_t at, steps;
    bool fired;
    struct unsynced *files;
} shim = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- the power cut ---- */

static struct unsynced *unsynced_of(const char *path)
{
    struct unsynced *file = shim.files;
    while (file && strcmp(file->path, path) != 0)
        file = file->next;
    if (file)
        return file;
    struct stat status;
    file = calloc(1, sizeof *file);
    snprintf(file->path, sizeof file->path, "%s", path);
    file->synced_size = stat(path, &status) == 0 ? status.st_size : 0;
    file->next = shim.files;
    shim.files = file;
    return file;
}

static void forget(const char *path)
{
    for (struct unsynced **at = &shim.files; *at; at = &(*at)->next)
        if (strcmp((*at)->path, path) == 0) {
            struct unsynced *gone = *at;
            *at = gone->next;
            free(gone->sectors);
            free(gone->known);
            free(gone);
            return;
        }
}

static bool is_known(struct unsynced *file, size_t number)
{
    if (number / 8 >= file->known_size) {
        size_t size = number / 8 * 2 + 64;
        file->known = realloc(file->known, size);
        memset(file->known + file->known_size, 0, size - file->known_size);
        file->known_size = size;
    }
    bool known = file->known[number / 8] >> number % 8 & 1;
    file->known[number / 8] = (unsigned char)(file->known[number / 8] | 1 << number % 8);
    return known;
}

static void remember(struct shim_file *file, sqlite3_int64 offset, sqlite3_int64 size)
{
    if (!file->path[0] || size <= 0)
        return;
    struct unsynced *unsynced = unsynced_of(file->path);
    for (sqlite3_int64 n = offset / SECTOR; n <= (offset + size - 1) / SECTOR; n++) {
        if (is_known(unsynced, (size_t)n))
            continue;
        if (unsynced->count == unsynced->capacity) {
            unsynced->capacity = unsynced->capacity * 2 + 64;
            unsynced->sectors = realloc(unsynced->sectors,
                                        unsynced->capacity * sizeof *unsynced->sectors);
        }
        struct sector *sector = &unsynced->sectors[unsynced->count++];
        memset(sector, 0, sizeof *sector);
        sector->number = n;
        file->real->pMethods->xRead(file->real, sector->old, SECTOR, n * SECTOR);
    }
}

static bool coin(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 63;
}

static void put_back(struct unsynced *file, uint64_t *chance)
{
    struct stat status;
    int fd = open(file->path, O_RDWR);
    if (fd < 0 || fstat(fd, &status) != 0)
        return;
    sqlite3_int64 size = file->synced_size;
    for (size_t i = 0; i < file->count; i++) {
        const struct sector *sector = &file->sectors[i];
        sqlite3_int64 end = (sector->number + 1) * SECTOR;
        if (shim.loss == VFS_SHIM_MIX && coin(chance)) {
            end = end < status.st_size ? end : status.st_size;
            size = end > size ? end : size;
        } else if (pwrite(fd, sector->old, SECTOR, sector->number * SECTOR) != SECTOR) {
            _exit(1);
        }
    }
    if (shim.loss == VFS_SHIM_MIX && status.st_size < file->synced_size && coin(chance))
        size = status.st_size;
    if (ftruncate(fd, size) != 0)
        _exit(1);
    close(fd);
}

static void die(void)
{
    uint64_t chance = shim.at;
    if (shim.loss != VFS_SHIM_KEEP)
        for (struct unsynced *file = shim.files; file; file = file->next)
            put_back(file, &chance);
    _exit(VFS_SHIM_KILLED);
}

/* ---- steps ---- */

enum step { STEP_WRITE, STEP_SYNC, STEP_OTHER };

/* Counts a step, with the lock held; says what SQLite is to be told. */
static int take_step(enum step step)
{
    shim.steps++;
    if (shim.fault == VFS_SHIM_NONE || shim.steps < shim.at)
        return SQLITE_OK;
    if (shim.fault == VFS_SHIM_KILL && step != STEP_WRITE)
        die();
    if (shim.fault == VFS_SHIM_FULL && step == STEP_WRITE) {
        shim.fired = true;
        return SQLITE_FULL;
    }
    if (shim.fault == VFS_SHIM_SYNC_EIO && step == STEP_SYNC && !shim.fired) {
        shim.fired = true;
        return SQLITE_IOERR_FSYNC;
    }
    if (shim.fault == VFS_SHIM_WRITE_EIO && step == STEP_WRITE && !shim.fired) {
        shim.fired = true;
        return SQLITE_IOERR_WRITE;
    }
    return SQLITE_OK;
}

static bool dies_now(void)
{
    return shim.fault == VFS_SHIM_KILL && shim.steps >= shim.at;
}

static sqlite3_file *real_of(sqlite3_file *file)
{
    return ((struct shim_file *)(void *)file)->real;
}

static int shim_close(sqlite3_file *file)
{
    return real_of(file)->pMethods->xClose(real_of(file));
}

static int shim_read(sqlite3_file *file, void *bytes, int size, sqlite3_int64 offset)
{
    return real_of(file)->pMethods->xRead(real_of(file), bytes, size, offset);
}

/* A process dies with a write half done. */
static int shim_write(sqlite3_file *file, const void *bytes, int size,
                      sqlite3_int64 offset)
{
    sqlite3_file *real = real_of(file);
    pthread_mutex_lock(&shim.lock);
    int code = take_step(STEP_WRITE);
    if (code == SQLITE_OK) {
        remember((struct shim_file *)(void *)file, offset, size);
        int part = dies_now() ? size / 2 : size;
        code = part ? real->pMethods->xWrite(real, bytes, part, offset) : SQLITE_OK;
        if (dies_now())
            die();
    }
    pthread_mutex_unlock(&shim.lock);
    return code;
}

static int shim_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    sqlite3_int64 now = 0;
    sqlite3_file *real = real_of(file);
    pthread_mutex_lock(&shim.lock);
    int code = take_step(STEP_OTHER);
    if (code == SQLITE_OK && real->pMethods->xFileSize(real, &now) == SQLITE_OK)
        remember((struct shim_file *)(void *)file, size, now - size);
    if (code == SQLITE_OK)
        code = real->pMethods->xTruncate(real, size);
    pthread_mutex_unlock(&shim.lock);
    return code;
}

static int shim_sync(sqlite3_file *file, int flags)
{
    (void)flags;
    pthread_mutex_lock(&shim.lock);
    int code = take_step(STEP_SYNC);
    if (code == SQLITE_OK)
        forget(((struct shim_file *)(void *)file)->path);
    pthread_mutex_unlock(&shim.lock);
    return code;
}

static int shim_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return real_of(file)->pMethods->xFileSize(real_of(file), size);
}

static int shim_lock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int shim_unlock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int shim_reserved(sqlite3_file *file, int *out)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), out);
}

static int shim_control(sqlite3_file *file, int what, void *argument)
{
    return real_of(file)->pMethods->xFileControl(real_of(file), what, argument);
}

static int shim_sector(sqlite3_file *file)
{
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int shim_traits(sqlite3_file *file)
{
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int shim_shm_map(sqlite3_file *file, int page, int size, int extend,
                        void volatile **out)
{
    return real_of(file)->pMethods->xShmMap(real_of(file), page, size, extend, out);
}

static int shim_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
    return real_of(file)->pMethods->xShmLock(real_of(file), offset, count, flags);
}

static void shim_shm_barrier(sqlite3_file *file)
{
    real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int shim_shm_unmap(sqlite3_file *file, int remove)
{
    return real_of(file)->pMethods->xShmUnmap(real_of(file), remove);
}

static const sqlite3_io_methods shim_methods = {
    .iVersion = 2,
    .xClose = shim_close,
    .xRead = shim_read,
    .xWrite = shim_write,
    .xTruncate = shim_truncate,
    .xSync = shim_sync,
    .xFileSize = shim_size,
    .xLock = shim_lock,
    .xUnlock = shim_unlock,
    .xCheckReservedLock = shim_reserved,
    .xFileControl = shim_control,
    .xSectorSize = shim_sector,
    .xDeviceCharacteristics = shim_traits,
    .xShmMap = shim_shm_map,
    .xShmLock = shim_shm_lock,
    .xShmBarrier = shim_shm_barrier,
    .xShmUnmap = shim_shm_unmap,
};

static int shim_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags,
                     int *flags_out)
{
    struct shim_file *opened = (struct shim_file *)(void *)file;
    (void)vfs;
    memset(opened, 0, sizeof *opened);
    opened->real = (sqlite3_file *)(void *)(opened + 1);
    snprintf(opened->path, sizeof opened->path, "%s", path ? path : "");
    int code = shim.real->xOpen(shim.real, path, opened->real, flags, flags_out);
    opened->base.pMethods = opened->real->pMethods ? &shim_methods : NULL;
    return code;
}

static int shim_delete(sqlite3_vfs *vfs, const char *path, int sync_folder)
{
    (void)vfs;
    (void)sync_folder;
    pthread_mutex_lock(&shim.lock);
    int code = take_step(STEP_OTHER);
    forget(path);
    if (code == SQLITE_OK)
        code = shim.real->xDelete(shim.real, path, 0);
    pthread_mutex_unlock(&shim.lock);
    return code;
}

void vfs_shim_register(void)
{
    shim.real = sqlite3_vfs_find("unix");
    shim.vfs = *shim.real;
    shim.vfs.zName = "shim";
    shim.vfs.szOsFile = (int)sizeof(struct shim_file) + shim.real->szOsFile;
    shim.vfs.xOpen = shim_open;
    shim.vfs.xDelete = shim_delete;
    sqlite3_vfs_register(&shim.vfs, 1);
}

void vfs_shim_arm(enum vfs_shim_fault fault, uint64_t at, enum vfs_shim_loss loss)
{
    pthread_mutex_lock(&shim.lock);
    while (shim.files)
        forget(shim.files->path);
    shim.fault = fault;
    shim.loss = loss;
    shim.at = at;
    shim.steps = 0;
    shim.fired = false;
    pthread_mutex_unlock(&shim.lock);
}

void vfs_shim_heal(void)
{
    pthread_mutex_lock(&shim.lock);
    shim.fault = VFS_SHIM_NONE;
    pthread_mutex_unlock(&shim.lock);
}

uint64_t vfs_shim_steps(void)
{
    pthread_mutex_lock(&shim.lock);
    uint64_t steps = shim.steps;
    pthread_mutex_unlock(&shim.lock);
    return steps;
}

bool vfs_shim_fired(void)
{
    pthread_mutex_lock(&shim.lock);
    bool fired = shim.fired;
    pthread_mutex_unlock(&shim.lock);
    return fired;
}

/* ---- calls of the code under test itself ---- */

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __real_link(const char *from, const char *to);
int __wrap_link(const char *from, const char *to);
int __wrap_fsync(int fd);

static void plain_step(void)
{
    pthread_mutex_lock(&shim.lock);
    int ignored = take_step(STEP_OTHER);
    (void)ignored;
    pthread_mutex_unlock(&shim.lock);
}

int __wrap_rename(const char *from, const char *to)
{
    plain_step();
    return __real_rename(from, to);
}

int __wrap_link(const char *from, const char *to)
{
    plain_step();
    return __real_link(from, to);
}

int __wrap_fsync(int fd)
{
    char link_path[64], path[PATH_SIZE];
    plain_step();
    snprintf(link_path, sizeof link_path, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link_path, path, sizeof path - 1);
    pthread_mutex_lock(&shim.lock);
    path[size > 0 ? size : 0] = '\0';
    forget(path);
    pthread_mutex_unlock(&shim.lock);
    return 0;
}

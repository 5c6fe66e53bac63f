/* SPDX-License-Identifier: MIT */
/* Unnamed temporary files (O_TMPFILE, or mkostemp and unlink where the file system has
 * none), written through a 1 MiB buffer. Nothing is ever visible by name after a crash.
 */
#include "base/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/memory.h"

enum { SPILL_BUFFER = 1 << 20 };

struct spill {
    int fd;
    uint64_t flushed; /* bytes in the file */
    size_t pending;   /* bytes in the buffer */
    char *buffer;     /* [SPILL_BUFFER] */
    void *mapped;
    size_t mapped_size;
};

static int open_unnamed(const char *directory)
{
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT))
        return fd;
    char path[4096];
    if (snprintf(path, sizeof path, "%s/.firth-XXXXXX", directory) >= (int)sizeof path)
        return -1;
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd;
}

enum err spill_open(const char *directory, struct spill **out)
{
    *out = NULL;
    if (!directory)
        directory = getenv("TMPDIR");
    if (!directory || !*directory)
        directory = "/tmp";
    struct spill *spill = memory_new_array(1, sizeof *spill);
    if (!spill)
        return ERR_NO_MEMORY;
    spill->fd = open_unnamed(directory);
    spill->buffer = spill->fd >= 0 ? malloc(SPILL_BUFFER) : NULL;
    if (!spill->buffer) {
        enum err code = spill->fd < 0 ? err_from_errno(errno) : ERR_NO_MEMORY;
        spill_close(spill);
        return code;
    }
    *out = spill;
    return ERR_OK;
}

void spill_close(struct spill *spill)
{
    if (!spill)
        return;
    if (spill->mapped)
        munmap(spill->mapped, spill->mapped_size);
    if (spill->fd >= 0)
        close(spill->fd);
    free(spill->buffer);
    free(spill);
}

static enum err write_at_end(struct spill *spill, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t done = pwrite(spill->fd, bytes, size, (off_t)spill->flushed);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return err_from_errno(errno);
        bytes += done;
        size -= (size_t)done;
        spill->flushed += (uint64_t)done;
    }
    return ERR_OK;
}

static enum err flush(struct spill *spill)
{
    enum err code = write_at_end(spill, spill->buffer, spill->pending);
    if (!code)
        spill->pending = 0;
    return code;
}

enum err spill_append(struct spill *spill, const void *bytes, size_t size)
{
    enum err code = ERR_OK;
    if (size > SPILL_BUFFER - spill->pending)
        code = flush(spill);
    if (code)
        return code;
    if (size >= SPILL_BUFFER)
        return write_at_end(spill, bytes, size);
    if (size > 0)
        memcpy(spill->buffer + spill->pending, bytes, size);
    spill->pending += size;
    return ERR_OK;
}

static enum err append_from_writer(void *context, const void *bytes, size_t size)
{
    return spill_append(context, bytes, size);
}

struct writer spill_writer(struct spill *spill)
{
    return (struct writer){spill, append_from_writer};
}

uint64_t spill_size(const struct spill *spill)
{
    return spill->flushed + spill->pending;
}

enum err spill_read(struct spill *spill, uint64_t offset, void *bytes, size_t size,
                    size_t *got)
{
    *got = 0;
    enum err code = spill->pending ? flush(spill) : ERR_OK;
    while (!code && *got < size) {
        ssize_t done =
            pread(spill->fd, (char *)bytes + *got, size - *got, (off_t)(offset + *got));
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) {
            code = done < 0 ? err_from_errno(errno) : ERR_OK;
            break;
        }
        *got += (size_t)done;
    }
    return code;
}

enum err spill_map(struct spill *spill, struct span *content)
{
    *content = (struct span){"", 0};
    enum err code = flush(spill);
    if (code || spill->flushed == 0)
        return code;
    if (spill->mapped)
        munmap(spill->mapped, spill->mapped_size);
    spill->mapped_size = (size_t)spill->flushed;
    spill->mapped = mmap(NULL, spill->mapped_size, PROT_READ, MAP_SHARED, spill->fd, 0);
    if (spill->mapped == MAP_FAILED) {
        spill->mapped = NULL;
        return err_from_errno(errno);
    }
    *content = span_of(spill->mapped, spill->mapped_size);
    return ERR_OK;
}

enum err spill_map_writable(struct spill *spill, uint64_t size, void **bytes)
{
    *bytes = NULL;
    enum err code = flush(spill);
    if (code)
        return code;
    if (size < spill->flushed || size > SIZE_MAX - 1)
        return ERR_INVALID;
    int failed = size > 0 ? posix_fallocate(spill->fd, 0, (off_t)size) : 0;
    if (failed)
        return err_from_errno(failed);
    if (spill->mapped)
        munmap(spill->mapped, spill->mapped_size);
    spill->flushed = size;
    spill->mapped_size = size ? (size_t)size : 1; /* an empty file maps too, unused */
    spill->mapped = mmap(NULL, spill->mapped_size, PROT_READ | PROT_WRITE, MAP_SHARED,
                         spill->fd, 0);
    if (spill->mapped == MAP_FAILED) {
        spill->mapped = NULL;
        return err_from_errno(errno);
    }
    *bytes = spill->mapped;
    return ERR_OK;
}

int spill_fd(struct spill *spill)
{
    return flush(spill) ? -1 : spill->fd;
}

/* SPDX-License-Identifier: MIT */
/* Readers and writers over descriptors and buffers: short reads and writes and
 * interrupted calls are dealt with here once. */
#include "base/stream.h"

#include <errno.h>
#include <unistd.h>

enum err reader_fill(const struct reader *reader, void *bytes, size_t size, size_t *got)
{
    *got = 0;
    while (*got < size) {
        size_t part = 0;
        enum err code =
            reader->read(reader->context, (char *)bytes + *got, size - *got, &part);
        if (code)
            return code;
        if (part == 0)
            break;
        *got += part;
    }
    return ERR_OK;
}

static enum err write_to_buffer(void *context, const void *bytes, size_t size)
{
    return buffer_append(context, bytes, size);
}

struct writer writer_to_buffer(struct buffer *buffer)
{
    return (struct writer){buffer, write_to_buffer};
}

static enum err write_to_fd(void *context, const void *bytes, size_t size)
{
    const char *next = bytes;
    while (size > 0) {
        ssize_t done = write(*(int *)context, next, size);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return err_from_errno(errno);
        next += done;
        size -= (size_t)done;
    }
    return ERR_OK;
}

struct writer writer_to_fd(int *fd)
{
    return (struct writer){fd, write_to_fd};
}

static enum err read_from_fd(void *context, void *bytes, size_t size, size_t *got)
{
    ssize_t done;
    do
        done = read(*(int *)context, bytes, size);
    while (done < 0 && errno == EINTR);
    *got = done < 0 ? 0 : (size_t)done;
    return done < 0 ? err_from_errno(errno) : ERR_OK;
}

struct reader reader_from_fd(int *fd)
{
    return (struct reader){fd, read_from_fd};
}

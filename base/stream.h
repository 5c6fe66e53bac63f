/* SPDX-License-Identifier: MIT */
/* Where bytes come from and go to, without saying what is behind: a socket, a store, a
 * buffer. This is how model/ writes a file without knowing of files. */
#ifndef FIRTH_BASE_STREAM_H
#define FIRTH_BASE_STREAM_H

#include <stddef.h>

#include "base/buffer.h"
#include "base/err.h"

struct reader {
    void *context;
    /* Stores up to `size` bytes and their number in *got; 0 means the end. */
    enum err (*read)(void *context, void *bytes, size_t size, size_t *got);
};

struct writer {
    void *context;
    /* Takes all `size` bytes or fails. */
    enum err (*write)(void *context, const void *bytes, size_t size);
};

/* Reads until `size` bytes are there or the end; *got says how many. */
MUST_CHECK enum err reader_fill(const struct reader *reader, void *bytes, size_t size,
                                size_t *got);

/* A writer that appends to `buffer` (borrowed). */
struct writer writer_to_buffer(struct buffer *buffer);

/* A writer to, and a reader from, an open file descriptor (not closed by it). The
 * descriptor is passed in the pointer: give the address of an int that outlives it. */
struct writer writer_to_fd(int *fd);
struct reader reader_from_fd(int *fd);

#endif

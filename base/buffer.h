/* SPDX-License-Identifier: MIT */
/* A growing byte buffer with a hard maximum. After a failed append the buffer keeps what
 * it had and remembers the error, so a run of appends can be checked once at its end. */
#ifndef FIRTH_BASE_BUFFER_H
#define FIRTH_BASE_BUFFER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct buffer {
    char *bytes; /* [size], followed by a NUL that is not counted */
    size_t size, capacity;
    size_t maximum;  /* size never exceeds this */
    enum err failed; /* ERR_OK, ERR_LIMIT or ERR_NO_MEMORY; sticky */
};

/* An empty buffer that may grow to `maximum` bytes; allocates nothing yet. */
void buffer_init(struct buffer *buffer, size_t maximum);
void buffer_fini(struct buffer *buffer);

/* Forgets the content and the error, keeps the memory. */
void buffer_clear(struct buffer *buffer);

/* Makes room for `size` more bytes and returns where they go, NULL on failure. Follow
 * with buffer_wrote. */
char *buffer_reserve(struct buffer *buffer, size_t size);
void buffer_wrote(struct buffer *buffer, size_t size);

enum err buffer_append(struct buffer *buffer, const void *bytes, size_t size);
enum err buffer_append_text(struct buffer *buffer, const char *text);
enum err buffer_append_char(struct buffer *buffer, char c);
enum err buffer_printf(struct buffer *buffer, const char *format, ...) PRINTF_LIKE(2, 3);

/* Drops the first `size` bytes. */
void buffer_consume(struct buffer *buffer, size_t size);

/* Hands the bytes (NUL-terminated, free() them) to the caller and empties the buffer.
 * NULL when an append failed before. */
MUST_CHECK char *buffer_release(struct buffer *buffer, size_t *size);

#endif

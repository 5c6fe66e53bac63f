/* SPDX-License-Identifier: MIT */
/* The growing buffer: doubling, one NUL always kept behind the content, growth refused
 * past the maximum the owner stated. */
#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

void buffer_init(struct buffer *buffer, size_t maximum)
{
    *buffer = (struct buffer){.maximum = maximum};
}

void buffer_fini(struct buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct buffer){0};
}

void buffer_clear(struct buffer *buffer)
{
    buffer->size = 0;
    buffer->failed = ERR_OK;
    if (buffer->bytes)
        buffer->bytes[0] = '\0';
}

char *buffer_reserve(struct buffer *buffer, size_t size)
{
    size_t total;
    if (buffer->failed)
        return NULL;
    if (!memory_add(buffer->size, size, &total) || total > buffer->maximum) {
        buffer->failed = ERR_LIMIT;
        return NULL;
    }
    if (total + 1 > buffer->capacity) {
        buffer->failed = memory_grow(&buffer->bytes, &buffer->capacity, total + 1, 1);
        if (buffer->failed)
            return NULL;
    }
    return buffer->bytes + buffer->size;
}

void buffer_wrote(struct buffer *buffer, size_t size)
{
    buffer->size += size;
    buffer->bytes[buffer->size] = '\0';
}

enum err buffer_append(struct buffer *buffer, const void *bytes, size_t size)
{
    char *room = buffer_reserve(buffer, size);
    if (!room)
        return buffer->failed;
    if (size > 0)
        memcpy(room, bytes, size);
    buffer_wrote(buffer, size);
    return ERR_OK;
}

enum err buffer_append_text(struct buffer *buffer, const char *text)
{
    return buffer_append(buffer, text, strlen(text));
}

enum err buffer_append_char(struct buffer *buffer, char c)
{
    return buffer_append(buffer, &c, 1);
}

enum err buffer_printf(struct buffer *buffer, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *room = size < 0 ? NULL : buffer_reserve(buffer, (size_t)size);
    if (room) {
        vsnprintf(room, (size_t)size + 1, format, again);
        buffer_wrote(buffer, (size_t)size);
    } else if (!buffer->failed) {
        buffer->failed = ERR_INTERNAL;
    }
    va_end(again);
    return buffer->failed;
}

void buffer_consume(struct buffer *buffer, size_t size)
{
    if (size >= buffer->size) {
        size = buffer->size;
    }
    if (size == 0)
        return;
    memmove(buffer->bytes, buffer->bytes + size, buffer->size - size);
    buffer->size -= size;
    buffer->bytes[buffer->size] = '\0';
}

char *buffer_release(struct buffer *buffer, size_t *size)
{
    char *bytes = NULL;
    *size = 0;
    if (!buffer->failed && buffer_reserve(buffer, 0)) {
        buffer->bytes[buffer->size] = '\0';
        bytes = buffer->bytes;
        *size = buffer->size;
        buffer->bytes = NULL;
    }
    free(buffer->bytes);
    buffer_init(buffer, buffer->maximum);
    return bytes;
}

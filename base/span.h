/* SPDX-License-Identifier: MIT */
/* A view of bytes owned by somebody else: a mapped corpus, a slice of a line. */
#ifndef FIRTH_BASE_SPAN_H
#define FIRTH_BASE_SPAN_H

#include <stddef.h>
#include <string.h>

struct span {
    const char *bytes; /* [size], not NUL-terminated */
    size_t size;
};

static inline struct span span_of(const void *bytes, size_t size)
{
    return (struct span){bytes, size};
}

static inline struct span span_of_text(const char *text)
{
    return (struct span){text, strlen(text)};
}

static inline int span_equal(struct span a, struct span b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.bytes, b.bytes, a.size) == 0);
}

#endif

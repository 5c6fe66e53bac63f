/* SPDX-License-Identifier: MIT */
/* Conditional requests and ranges (RFC 9110, sections 13 and 14). One range is served; a
 * list of several is answered with the whole, which the standard allows. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/exchange_int.h"

/* True when a list of entity tags has "etag" (or is *). Weak ones compare as strong. */
static bool list_has(const char *list, const char *etag)
{
    size_t size = strlen(etag);
    while (*list) {
        list += strspn(list, ", \t");
        if (*list == '*')
            return true;
        if (strncmp(list, "W/", 2) == 0)
            list += 2;
        if (*list != '"')
            return false;
        size_t length = strcspn(list + 1, "\"");
        if (list[length + 1] != '"')
            return false;
        if (length == size && memcmp(list + 1, etag, size) == 0)
            return true;
        list += length + 2;
    }
    return false;
}

bool exchange_not_modified(struct exchange *x, const char *etag)
{
    char quoted[160];
    const char *wanted = exchange_header(x, "If-None-Match");
    snprintf(quoted, sizeof quoted, "\"%s\"", etag);
    exchange_set_header(x, "ETag", quoted);
    if (!wanted || !list_has(wanted, etag))
        return false;
    exchange_reply_empty(x, 304);
    return true;
}

/* The ETag that was set, quoted; "" when none. */
static const char *etag_set(const struct exchange *x)
{
    for (size_t i = 0; i < x->reply.header_count; i++)
        if (strcmp(x->reply_headers[i].name, "ETag") == 0)
            return x->reply_headers[i].value;
    return "";
}

/* Reads digits; false when there are none or too many. */
static bool read_number(const char **text, uint64_t *number)
{
    char *end;
    if (!isdigit((unsigned char)**text))
        return false;
    errno = 0;
    *number = strtoull(*text, &end, 10);
    *text = end;
    return errno == 0;
}

enum range { RANGE_NONE, RANGE_ONE, RANGE_IMPOSSIBLE };

/* "bytes=2-5", "bytes=2-", "bytes=-5". Anything else asks for the whole. */
static enum range parse_range(const char *text, uint64_t size, uint64_t *first,
                              uint64_t *length)
{
    uint64_t from = 0, to = UINT64_MAX;
    if (strncmp(text, "bytes=", 6) != 0 || strchr(text, ','))
        return RANGE_NONE;
    text += 6;
    bool has_from = read_number(&text, &from);
    if (*text++ != '-')
        return RANGE_NONE;
    bool has_to = read_number(&text, &to);
    if (*text || (!has_from && !has_to) || (has_from && has_to && to < from))
        return RANGE_NONE;
    if (!has_from) { /* the last `to` bytes */
        from = to < size ? size - to : 0;
        if (to == 0)
            return RANGE_IMPOSSIBLE;
        to = UINT64_MAX;
    }
    if (from >= size)
        return RANGE_IMPOSSIBLE;
    *first = from;
    *length = (to >= size ? size - 1 : to) - from + 1;
    return RANGE_ONE;
}

enum err exchange_range(struct exchange *x, uint64_t size, uint64_t *first,
                        uint64_t *length, unsigned *status)
{
    char value[96];
    const char *wanted = x->known[HEADER_RANGE], *only_if = x->known[HEADER_IF_RANGE];
    *first = 0;
    *length = size;
    *status = 200;
    enum err code = exchange_set_header(x, "Accept-Ranges", "bytes");
    if (code || !wanted || (only_if && strcmp(only_if, etag_set(x)) != 0))
        return code;
    enum range range = parse_range(wanted, size, first, length);
    if (range == RANGE_ONE) {
        *status = 206;
        snprintf(value, sizeof value, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, *first,
                 *first + *length - 1, size);
        return exchange_set_header(x, "Content-Range", value);
    }
    if (range == RANGE_IMPOSSIBLE) {
        *status = 416;
        exchange_make_problem(x, 416, "range_not_satisfiable",
                              "The range lies outside of the content", NULL);
        snprintf(value, sizeof value, "bytes */%" PRIu64, size);
        return exchange_set_header(x, "Content-Range", value);
    }
    return ERR_OK;
}

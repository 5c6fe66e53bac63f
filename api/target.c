/* SPDX-License-Identifier: MIT */
/* Strict decoding of the raw target. The library would decode for us, but cuts the path
 * at %00 and lets %2e%2e%2f pass as ../, so it is given a function that decodes nothing.
 */
#include "api/target.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

static int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Decodes in place. False for a bad escape or a byte that may not be there. */
static bool decode(char *text, bool is_query)
{
    char *to = text;
    for (const char *from = text; *from; from++) {
        int c = (unsigned char)*from;
        if (c == '%') {
            int high = hex_value(from[1]), low = high < 0 ? -1 : hex_value(from[2]);
            if (low < 0)
                return false;
            c = high * 16 + low;
            from += 2;
            if (c == 0 || (!is_query && (c == '/' || c == '\\')))
                return false;
        } else if (c == '+' && is_query) {
            c = ' ';
        } else if (c <= 0x20) {
            return false;
        }
        if ((c < 0x20 && !(is_query && (c == '\n' || c == '\t' || c == '\r'))) ||
            c == 0x7f)
            return false;
        *to++ = (char)c;
    }
    *to = '\0';
    return true;
}

/* True when `text` is UTF-8 without overlong forms and surrogates. */
static bool is_utf8(const char *text)
{
    const unsigned char *next = (const unsigned char *)text;
    while (*next) {
        uint32_t code = *next;
        unsigned more = code < 0x80   ? 0
                        : code < 0xc2 ? 9
                        : code < 0xe0 ? 1
                        : code < 0xf0 ? 2
                        : code < 0xf5 ? 3
                                      : 9;
        if (more == 9)
            return false;
        code &= more == 0 ? 0x7fu : 0x3fu >> more;
        for (unsigned i = 1; i <= more; i++) {
            if ((next[i] & 0xc0) != 0x80)
                return false;
            code = code << 6 | (next[i] & 0x3fu);
        }
        if ((more == 2 && code < 0x800) || (more == 3 && code < 0x10000) ||
            code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
            return false;
        next += more + 1;
    }
    return true;
}

/* True when a segment of the decoded path is . or .. */
static bool has_dot_segment(const char *path)
{
    for (const char *at = path; at; at = strchr(at + 1, '/')) {
        size_t length = strcspn(at + 1, "/");
        if ((length == 1 && at[1] == '.') ||
            (length == 2 && at[1] == '.' && at[2] == '.'))
            return true;
    }
    return false;
}

static enum err parse_query(char *query, struct target *target, struct err_info *info)
{
    while (query && *query) {
        char *next = strchr(query, '&');
        if (next)
            *next++ = '\0';
        if (*query) {
            char *value = strchr(query, '=');
            if (value)
                *value++ = '\0';
            else
                value = query + strlen(query);
            if (target->query_count == TARGET_QUERY_MAX)
                return err_set(info, ERR_SYNTAX, "More than %d query parameters",
                               TARGET_QUERY_MAX);
            if (!decode(query, true) || !decode(value, true) || !is_utf8(query) ||
                !is_utf8(value))
                return err_set(info, ERR_SYNTAX,
                               "The query has a bad escape or bytes that are not UTF-8");
            target->query[target->query_count].name = query;
            target->query[target->query_count++].value = value;
        }
        query = next;
    }
    return ERR_OK;
}

enum err target_parse(char *raw, struct target *target, struct err_info *info)
{
    static char root[] = "/";
    target->path = raw;
    target->authority = NULL;
    target->query_count = 0;
    if (strcmp(raw, "*") == 0)
        return ERR_OK;
    if (strncasecmp(raw, "http://", 7) == 0) {
        char *path = raw + 7 + strcspn(raw + 7, "/?");
        /* Moved to the left, so that its end does not overwrite the path. */
        memmove(raw, raw + 7, (size_t)(path - raw - 7));
        raw[path - raw - 7] = '\0';
        target->authority = raw;
        raw = *path == '/' ? path : root;
        if (*path == '?')
            return err_set(info, ERR_SYNTAX, "The request target has no path");
        target->path = raw;
    }
    if (raw[0] != '/')
        return err_set(info, ERR_SYNTAX, "The request target must begin with /");
    char *query = strchr(raw, '?');
    if (query)
        *query++ = '\0';
    if (!decode(raw, false) || !is_utf8(raw))
        return err_set(info, ERR_SYNTAX,
                       "The path has a bad escape, an encoded slash, a control byte or "
                       "bytes that are not UTF-8");
    if (has_dot_segment(raw))
        return err_set(info, ERR_SYNTAX, "The path has a segment . or ..");
    return parse_query(query, target, info);
}

/* SPDX-License-Identifier: MIT */
/* Finding a route: a walk over the table. A pattern's literal segments must be equal, a
 * {variable} takes one non-empty segment; of two patterns that fit, the one that stands
 * first wins, so literals stand before variables. */
#include "api/route.h"

#include <string.h>

static bool is_head(const char *method)
{
    return strcmp(method, "HEAD") == 0;
}

/* Fits the path to one pattern and notes where the variables lie. */
static bool fits(const char *pattern, const char *path, struct route_match *match)
{
    match->variables = 0;
    while (*pattern && *path) {
        if (*pattern == '{') {
            size_t size = strcspn(path, "/");
            if (size == 0)
                return false;
            match->names[match->variables] = pattern + 1;
            match->values[match->variables++] = path;
            path += size;
            pattern = strchr(pattern, '}') + 1;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return *pattern == *path;
}

void route_find(const struct route *routes, size_t count, const char *method,
                const char *path, struct route_match *match)
{
    struct route_match trial = {0};
    *match = (struct route_match){.head = is_head(method)};
    const char *wanted = match->head ? "GET" : method;
    for (size_t i = 0; i < count; i++) {
        if (!fits(routes[i].pattern, path, &trial))
            continue;
        match->path_known = true;
        if (strcmp(routes[i].method, wanted) != 0)
            continue;
        trial.route = &routes[i];
        trial.path_known = true;
        trial.head = match->head;
        *match = trial;
        return;
    }
}

void route_allow(const struct route *routes, size_t count, const char *path,
                 struct buffer *text)
{
    static const char *const methods[] = {"GET", "PUT", "POST", "PATCH", "DELETE"};
    struct route_match match;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        route_find(routes, count, methods[i], path, &match);
        if (match.route)
            buffer_printf(text, "%s%s, ", methods[i], i == 0 ? ", HEAD" : "");
    }
    buffer_append_text(text, "OPTIONS");
}

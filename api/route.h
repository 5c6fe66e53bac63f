/* SPDX-License-Identifier: MIT */
/* The route table: what is answered, where it runs, who may call it. 404, 405 with Allow,
 * OPTIONS, HEAD (every GET), the scopes, the allowed query parameters and the metrics'
 * labels all come from it. routes.c holds the table itself. */
#ifndef FIRTH_API_ROUTE_H
#define FIRTH_API_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "api/exchange.h"
#include "storage/store.h" /* SCOPE_READ, SCOPE_TRAIN, SCOPE_ADMIN */

enum route_flag {
    /* Where it runs. Without either: a pool for what waits on the disk or the client. */
    ROUTE_INLINE = 1,  /* on the HTTP loop: must never wait nor take a millisecond */
    ROUTE_COMPUTE = 2, /* on the inference pool */
    /* The body. Without either: a body is refused with 400. */
    ROUTE_JSON = 4,   /* application/json, at most json_bytes */
    ROUTE_STREAM = 8, /* raw bytes by exchange_read; starts when the first have come */
    ROUTE_BODY_OPTIONAL = 16, /* with ROUTE_JSON: no body is fine */
    /* Who and when. */
    ROUTE_OPEN = 32,  /* no key needed */
    ROUTE_ALWAYS = 64 /* also while starting and draining, and past the soft cap */
};

struct route {
    const char *method;  /* GET, POST, PUT, PATCH or DELETE */
    const char *pattern; /* "/corpora/{name}/text"; a variable is one whole segment */
    unsigned flags;
    unsigned scope;    /* SCOPE_READ, SCOPE_TRAIN or SCOPE_ADMIN */
    const char *query; /* allowed query parameters by blanks, NULL none */
    enum err (*handle)(struct exchange *x, struct err_info *info);
    /* May be NULL. Tried first, on the HTTP loop, for bodies of at most 16 KiB: answers
     * at once when that is cheap (the model is loaded and small work), with *answered
     * true or an error; else leaves *answered false and `handle` runs where it should. */
    enum err (*inline_try)(struct exchange *x, bool *answered, struct err_info *info);
};

/* The daemon's table (routes.c). */
extern const struct route routes_table[];
extern const size_t routes_count;

#define ROUTE_VARIABLES_MAX 4
struct route_match {
    const struct route *route; /* NULL: no route for this method */
    bool path_known;           /* another method has this path: 405 instead of 404 */
    bool head;                 /* HEAD, answered by the GET route */
    const char *names[ROUTE_VARIABLES_MAX];  /* into the pattern, to its '}' */
    const char *values[ROUTE_VARIABLES_MAX]; /* into the path, to the next '/' or end */
    size_t variables;
};

/* Finds the route for a decoded path. */
void route_find(const struct route *routes, size_t count, const char *method,
                const char *path, struct route_match *match);
/* Appends "GET, HEAD, OPTIONS" for the methods this path has. */
void route_allow(const struct route *routes, size_t count, const char *path,
                 struct buffer *text);

#endif

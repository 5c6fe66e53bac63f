/* SPDX-License-Identifier: MIT */
/* The HTTP side as server/main.c sees it. */
#ifndef FIRTH_API_API_H
#define FIRTH_API_API_H

#include <stddef.h>

#include "base/err.h"

struct api;
struct route;
struct server;

/* Listens on server->settings.listen and answers from then on (503 until the server's
 * phase is SERVER_READY). ERR_INVALID for an address that is none, ERR_FORBIDDEN for one
 * that is not loopback while no key is configured, ERR_IO when it cannot be had. */
MUST_CHECK enum err api_start(struct server *server, struct api **out,
                              struct err_info *info);
/* The same with another table of routes: for tests. */
MUST_CHECK enum err api_start_routes(struct server *server, const struct route *routes,
                                     size_t count, struct api **out,
                                     struct err_info *info);

/* "127.0.0.1:8080" with the real port; borrowed. */
const char *api_address(const struct api *api);

/* Begins to drain (set the phase first): new work is refused with 503 and close, streams
 * get their final event, what runs may finish. Returns when nothing is left or after
 * `seconds`. */
void api_drain(struct api *api, double seconds);

/* Cuts what is left, joins the loops, frees. NULL is fine. Call before server_stop. */
void api_stop(struct api *api);

#endif

/* SPDX-License-Identifier: MIT */
/* Names a browser may reach us by, and pages it may reach us from. Private to api/. */
#ifndef FIRTH_API_ORIGIN_H
#define FIRTH_API_ORIGIN_H

#include <stdbool.h>

struct api;

/* True when the Host value (with or without port) is one of ours: a loopback name, the
 * listening address, one of allowed_hosts, or any literal address when we listen on all.
 * Keeps a web page from reaching us through a name of its own (DNS rebinding). */
bool origin_is_our_host(const struct api *api, const char *host);
/* True for an origin in allowed_origins. */
bool origin_is_allowed(const struct api *api, const char *origin);
/* True when the page came from this very server: "http://" and the Host. */
bool origin_is_same(const char *origin, const char *host);

#endif

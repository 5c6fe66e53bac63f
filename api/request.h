/* SPDX-License-Identifier: MIT */
/* Judging a request by its head, before anything of its body is kept. Private to api/. */
#ifndef FIRTH_API_REQUEST_H
#define FIRTH_API_REQUEST_H

#include <microhttpd.h>

#include "api/exchange_int.h"

/* Copies the head into the exchange, checks it, finds its route. Afterwards either the
 * exchange may run, or x->refused is set and its reply made; x->close when the connection
 * cannot be trusted to hold another request. */
void request_judge(struct exchange *x, struct MHD_Connection *mhd, const char *method,
                   const char *version, char *raw_target);
/* What every reply carries for browsers, into `headers`; how many there are. The texts
 * are the exchange's or constant. */
enum { REQUEST_ORIGIN_HEADERS_MAX = 3 };
size_t request_origin_headers(const struct exchange *x, struct header *headers);

#endif

/* SPDX-License-Identifier: MIT */
/* From the record of a reply to the library's response. Private to api/. */
#ifndef FIRTH_API_REPLY_H
#define FIRTH_API_REPLY_H

#include "api/exchange_int.h"

/* Queues the reply; loop thread. MHD_NO closes the connection. */
enum MHD_Result reply_queue(struct exchange *x);
/* Writes a whole reply past the library, for when it refuses one (in the midst of a
 * body); the connection must be closed afterwards. */
void reply_raw(struct exchange *x);
/* "408 Request Timeout" on a connection that has not sent a whole head yet. */
void reply_timeout(int fd);

#endif

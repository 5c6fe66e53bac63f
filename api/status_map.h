/* SPDX-License-Identifier: MIT */
/* The only place where an error code becomes an HTTP status. */
#ifndef FIRTH_API_STATUS_MAP_H
#define FIRTH_API_STATUS_MAP_H

#include "base/err.h"

unsigned status_map(enum err code);
/* "Not Found" and the like; never NULL. */
const char *status_map_title(unsigned status);
/* Seconds for Retry-After; 0 when the status has none. */
unsigned status_map_retry_after(unsigned status);

#endif

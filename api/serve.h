/* SPDX-License-Identifier: MIT */
/* What the library calls for each request, and what the loop does with an exchange that
 * another thread changed. Private to api/; all on the loop's thread. */
#ifndef FIRTH_API_SERVE_H
#define FIRTH_API_SERVE_H

#include "api/exchange_int.h"

void *serve_target(void *loop, const char *target, struct MHD_Connection *mhd);
enum MHD_Result serve_request(void *loop, struct MHD_Connection *mhd, const char *url,
                              const char *method, const char *version, const char *bytes,
                              size_t *size, void **state);
void serve_completed(void *loop, struct MHD_Connection *mhd, void **state,
                     enum MHD_RequestTerminationCode code);
/* Resumes, pumps or gives back the exchange, whatever it is time for. */
void serve_attend(struct exchange *x);

#endif

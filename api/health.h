/* SPDX-License-Identifier: MIT */
/* Liveness and metrics: answered on the HTTP loop, whatever else is full. */
#ifndef FIRTH_API_HEALTH_H
#define FIRTH_API_HEALTH_H

#include "api/exchange.h"

enum err health_livez(struct exchange *x, struct err_info *info);
enum err health_metrics(struct exchange *x, struct err_info *info);

#endif

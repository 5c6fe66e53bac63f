/* SPDX-License-Identifier: MIT */
/* What the daemon says about itself, beside the loop's own /livez and /metrics. */
#ifndef FIRTH_API_META_H
#define FIRTH_API_META_H

#include "api/exchange.h"

enum err meta_home(struct exchange *x, struct err_info *info);
enum err meta_readyz(struct exchange *x, struct err_info *info);
enum err meta_info(struct exchange *x, struct err_info *info);

#endif

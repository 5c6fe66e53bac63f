/* SPDX-License-Identifier: MIT */
/* Limits that /generate and /v1/completions share. */
#ifndef FIRTH_API_GENERATE_REQUEST_H
#define FIRTH_API_GENERATE_REQUEST_H

#include "api/exchange.h"

/* Tokens of all outputs of one request together. */
#define GENERATE_TOKENS_MAX 65536

/* max_tokens within its setting, and outputs × max_tokens within GENERATE_TOKENS_MAX:
 * checked before any work. ERR_LIMIT names the limit. */
MUST_CHECK enum err generate_check_cost(struct exchange *x, int64_t outputs,
                                        int64_t max_tokens, struct err_info *info);

/* The seed of the request, or one drawn from the system that fits a JSON number. */
uint64_t generate_seed(bool given, int64_t seed);

#endif

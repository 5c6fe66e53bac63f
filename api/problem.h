/* SPDX-License-Identifier: MIT */
/* The one shape of every error body: RFC 9457 problem+json, with the OpenAI `error`
 * object inside it under /v1. */
#ifndef FIRTH_API_PROBLEM_H
#define FIRTH_API_PROBLEM_H

#include <stdbool.h>

#include "api/fields.h"
#include "base/buffer.h"
#include "base/err.h"

struct problem {
    unsigned status;
    const char *code; /* the stable word */
    const char *detail;
    const char *instance; /* the request's path */
    const char *request_id;
    const struct err_info *info;       /* pointer, offset and line; may be NULL */
    const struct field_errors *errors; /* may be NULL */
    bool v1;
};

/* Appends the JSON object. What a client sent and is repeated here (instance) is cut to
 * 64 bytes. */
void problem_print(const struct problem *problem, struct buffer *out);

#endif

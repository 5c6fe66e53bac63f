/* SPDX-License-Identifier: MIT */
/* The request target, taken apart and decoded strictly: what a route sees is never
 * something else than what a proxy in front may have checked. */
#ifndef FIRTH_API_TARGET_H
#define FIRTH_API_TARGET_H

#include <stddef.h>

#include "base/err.h"

#define TARGET_QUERY_MAX 32

struct target {
    char *path;      /* decoded, NUL-terminated, starts with '/'; "*" for OPTIONS * */
    char *authority; /* of an absolute-form target, else NULL */
    size_t query_count;
    struct {
        char *name, *value; /* decoded */
    } query[TARGET_QUERY_MAX];
};

/* Decodes `raw` in place (the target points into it). ERR_SYNTAX for a bad escape,
 * control bytes, an encoded slash or backslash, a segment . or .. in any spelling, bytes
 * that are not UTF-8, or too many parameters. */
MUST_CHECK enum err target_parse(char *raw, struct target *target, struct err_info *info);

#endif

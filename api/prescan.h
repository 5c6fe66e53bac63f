/* SPDX-License-Identifier: MIT */
/* JSON bodies: a cheap look over the bytes before the parser may allocate anything, then
 * the parser with duplicate members refused. */
#ifndef FIRTH_API_PRESCAN_H
#define FIRTH_API_PRESCAN_H

#include <jansson.h>
#include <stddef.h>

#include "base/err.h"

#define PRESCAN_DEPTH_MAX 64

/* ERR_SYNTAX for nesting deeper than PRESCAN_DEPTH_MAX, a byte order mark, or emptiness;
 * ERR_LIMIT for more than `tokens_max` structural characters ([]{}:,). */
MUST_CHECK enum err prescan_check(const char *bytes, size_t size, size_t tokens_max,
                                  struct err_info *info);

/* prescan_check, then parses. New in *value. ERR_SYNTAX says line, column and offset. */
MUST_CHECK enum err prescan_parse(const char *bytes, size_t size, size_t tokens_max,
                                  json_t **value, struct err_info *info);

#endif

/* SPDX-License-Identifier: MIT */
/* The API's own description, built into the program. */
#ifndef FIRTH_API_OPENAPI_H
#define FIRTH_API_OPENAPI_H

#include "api/exchange.h"

/* The bytes of openapi.yaml (openapi_data.c, made at build time). */
extern const unsigned char openapi_yaml[];
extern const size_t openapi_yaml_size;

/* Appends a YAML document as JSON. ERR_SYNTAX with the line when it is none. */
MUST_CHECK enum err openapi_to_json(struct span yaml, struct buffer *json,
                                    struct err_info *info);

enum err openapi_get_yaml(struct exchange *x, struct err_info *info);
enum err openapi_get_json(struct exchange *x, struct err_info *info);

#endif

/* SPDX-License-Identifier: MIT */
/* The options of scoring one text in order (model/lm/lm_stream.h), from requests and from
 * the command line. */
#ifndef FIRTH_API_STREAM_OPTIONS_H
#define FIRTH_API_STREAM_OPTIONS_H

#include "api/cli_options.h"
#include "api/fields.h"
#include "model/lm/lm_stream.h"

/* What a request's members carry, cache and dynamic said; borrowed from its JSON. */
struct stream_request {
    bool carry, carry_given;
    json_t *cache, *dynamic;
};

/* The three rows of a table of fields. `where` is the struct stream_request within the
 * struct `record` that is read into. */
#define STREAM_FIELDS(record, where)                                                     \
    {.name = "carry",                                                                    \
     .type = FIELD_FLAG,                                                                 \
     .offset = offsetof(record, where.carry),                                            \
     .given = FIELD_GIVEN(record, where.carry_given)},                                   \
        {.name = "cache", .type = FIELD_ANY, .offset = offsetof(record, where.cache)},   \
    {                                                                                    \
        .name = "dynamic", .type = FIELD_ANY, .offset = offsetof(record, where.dynamic)  \
    }

/* Reads cache and dynamic: true for the usual settings, or an object of settings. Without
 * a word on `carry`, it goes with them. `pointer` is that of the object they stand in. */
MUST_CHECK enum err stream_options_read(const struct stream_request *request,
                                        const char *pointer,
                                        struct lm_stream_options *options,
                                        struct field_errors *errors);

/* The same from --carry, --cache-… and --dynamic-…. */
void stream_options_of_arguments(const struct cli_arguments *arguments,
                                 struct lm_stream_options *options);

#endif

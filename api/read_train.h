/* SPDX-License-Identifier: MIT */
/* The body of POST /train as a train_spec. */
#ifndef FIRTH_API_READ_TRAIN_H
#define FIRTH_API_READ_TRAIN_H

#include <jansson.h>

#include "api/fields.h"
#include "model/train.h"

/* Reads everything, collects every bad field. `metadata` gets the new text of the user's
 * object (free it), NULL when there is none. ERR_INVALID when `errors` has grown. */
MUST_CHECK enum err read_train(json_t *body, struct train_spec *spec, char **metadata,
                               struct field_errors *errors);

/* A tokenizer object at `pointer`; what it does not name stays. */
MUST_CHECK enum err read_tokenizer(json_t *object, const char *pointer,
                                   struct tokenizer_settings *settings,
                                   struct field_errors *errors);

#endif

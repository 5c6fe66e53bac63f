/* SPDX-License-Identifier: MIT */
/* Training as JSON: kinds and their parameters, resolved settings, models. Each
 * prints one whole value unless its comment says otherwise. */
#ifndef FIRTH_API_PRINT_TRAIN_H
#define FIRTH_API_PRINT_TRAIN_H

#include "api/printer.h"
#include "model/train.h"
#include "server/registry.h"
#include "storage/store.h"

void print_tokenizer(struct printer *p, const struct tokenizer_settings *settings);
/* All parameters of the kind with their values, as an object. */
void print_params(struct printer *p, const struct params *params);
void print_can(struct printer *p, const struct kind *kind);
void print_kind(struct printer *p, const struct kind *kind);
void print_estimate(struct printer *p, const struct train_spec *spec,
                    const struct train_estimate *estimate);
/* "name value" lines as an object; what is no number stays text. NULL prints {}. */
void print_named_values(struct printer *p, const char *lines);

/* Members of an open object: "tokenizer", "params" and "seed", null when there was
 * none. */
void print_spec(struct printer *p, const struct train_spec *spec, bool seed);
/* "metadata": the JSON object a user gave, {} when there is none. */
void print_metadata(struct printer *p, const char *metadata);
void print_model(struct printer *p, const struct model_row *model,
                 enum model_state state);

#endif

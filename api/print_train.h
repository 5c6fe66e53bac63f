/* SPDX-License-Identifier: MIT */
/* Training as JSON: kinds and their parameters, resolved settings, jobs, models. Each
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

/* `queue_position` 0: none; `latest`: the newest point of each series. */
void print_job(struct printer *p, const struct job_row *job, size_t queue_position,
               const struct metric_point *latest, size_t latest_count);
void print_model(struct printer *p, const struct model_row *model,
                 enum model_state state);

#endif

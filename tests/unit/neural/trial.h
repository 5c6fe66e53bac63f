/* SPDX-License-Identifier: MIT */
/* Small neural trainings for the tests. */
#ifndef FIRTH_TESTS_UNIT_NEURAL_TRIAL_H
#define FIRTH_TESTS_UNIT_NEURAL_TRIAL_H

#include "base/buffer.h"
#include "model/model.h"
#include "model/neural/neural_kinds.h"

/* A spec of small sizes; `params` are names and values in turn, ending with NULL. */
struct train_spec trial_spec(const struct kind *kind, const char *const *params);

/* Trains on `text` without a validation part (unless spec says so). */
enum err trial_train(const struct train_spec *spec, const char *text, struct span resume,
                     const struct progress *progress, struct buffer *file,
                     struct train_result *result, struct err_info *info);

/* Loads what trial_train wrote. */
struct model *trial_load(const struct buffer *file);

/* `lines` lines of five to nine words with a pattern in them; free it. */
char *trial_text(size_t lines);

double trial_metric(const struct train_result *result, const char *name);

#endif

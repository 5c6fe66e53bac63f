/* SPDX-License-Identifier: MIT */
/* What inference works on: one model, or an ensemble of models that share a vocabulary.
 * The answers of this folder carry token ids; vocab_word(target.vocab, id) is their text.
 * All log-probabilities are natural. Any number of threads may use one target. */
#ifndef FIRTH_MODEL_LM_TARGET_H
#define FIRTH_MODEL_LM_TARGET_H

#include <stddef.h>

#include "base/err.h"

struct lm;
struct model;
struct tokenizer;
struct vocab;

#define TARGET_MODELS_MAX 16

struct target {
    const struct lm *lm;
    const struct tokenizer *tokenizer; /* borrowed from the (first) model */
    const struct vocab *vocab;
    struct lm *mixture; /* an ensemble's own, or NULL */
};

/* One model; borrowed. ERR_NOT_ABLE when it is no language model. */
MUST_CHECK enum err target_of_model(const struct model *model, struct target *target,
                                    struct err_info *info);

/* Mixes the probabilities of models[count] with the given weights (NULL: equal ones),
 * which are positive and need not sum to 1. The models are borrowed and must outlive the
 * target. ERR_INVALID, ERR_NOT_ABLE, ERR_VOCAB_MISMATCH. */
MUST_CHECK enum err target_of_ensemble(struct model *const *models, const double *weights,
                                       size_t count, struct target *target,
                                       struct err_info *info);
/* The same, where models[i] is asked through views[i] when that is not NULL: a language
 * model that stands for the model's own, also borrowed. */
MUST_CHECK enum err target_of_views(struct model *const *models,
                                    const struct lm *const *views, const double *weights,
                                    size_t count, struct target *target,
                                    struct err_info *info);
void target_fini(struct target *target);

#endif

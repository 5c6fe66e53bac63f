/* SPDX-License-Identifier: MIT */
/* The kind "ngram": training, loading, estimating. */
#ifndef FIRTH_MODEL_NGRAM_NGRAM_H
#define FIRTH_MODEL_NGRAM_NGRAM_H

#include "model/kinds.h"
#include "model/model.h"
#include "model/train.h"

extern const struct kind kind_ngram;

/* The members of its row; see struct kind. */
enum err ngram_train(const struct train_spec *spec, const struct train_input *input,
                     const struct progress *progress, const struct writer *artefact,
                     struct train_result *result, struct err_info *info);
enum err ngram_load(struct model *model, const struct artefact *artefact,
                    struct err_info *info);
enum err ngram_estimate(const struct train_spec *spec, const struct train_input *input,
                        struct train_estimate *estimate, struct err_info *info);

/* The thresholds of the parameter "prune", one an order: the last one given goes on for
 * higher orders. ERR_INVALID unless the first is 0 and they never fall. */
#define NGRAM_PRUNE_MAX 1000000000.0
MUST_CHECK enum err ngram_read_prune(const struct params *params, uint32_t *least,
                                     struct err_info *info);

#endif

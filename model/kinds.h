/* SPDX-License-Identifier: MIT */
/* The table of model kinds and their hyperparameters. Request validation, --help, GET
 * /kinds and the documentation are all made from it; a kind is one row, a trainer one
 * file behind one function. */
#ifndef FIRTH_MODEL_KINDS_H
#define FIRTH_MODEL_KINDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/progress.h"
#include "base/span.h"
#include "base/stream.h"
#include "model/params.h"
#include "model/text/tokenizer.h"

enum capability {
    CAN_SCORE = 1 << 0,   /* next, score, rescore, generate, evaluate perplexity */
    CAN_VECTORS = 1 << 1, /* neighbors, analogy, similarity, embed, maps */
    CAN_TRANSLATE = 1 << 2,
    CAN_EXPORT_ARPA = 1 << 3
};

struct train_spec;
struct train_input;
struct train_result;
struct train_estimate;
struct artefact;
struct model;

struct kind {
    const char *name; /* "ngram" */
    const char *help;
    const struct param *params;          /* ends with a NULL name */
    unsigned can;                        /* set of enum capability */
    struct tokenizer_settings tokenizer; /* the defaults of this kind */

    /* Puts numbers in place of defaults that hang on other parameters, by params_settle;
     * may be NULL. Doing it again changes nothing. */
    void (*settle)(struct params *params);

    /* Refuses values that are right each for itself but do not go together; may be NULL.
     * Asked before a training is queued and again before it starts. */
    enum err (*check)(const struct params *params, struct err_info *info);

    /* Refuses what makes no sense with, or without, a validation part; may be NULL. Asked
     * before a job is queued; training asks again, as a text may have no part to spare.
     */
    enum err (*check_valid)(const struct train_spec *spec, bool validated,
                            struct err_info *info);

    /* Trains and writes the whole artefact. ERR_CANCELLED when told to stop. */
    enum err (*train)(const struct train_spec *spec, const struct train_input *input,
                      const struct progress *progress, const struct writer *artefact,
                      struct train_result *result, struct err_info *info);

    /* Fills model->lm, model->vectors, … from the artefact, which stays valid. */
    enum err (*load)(struct model *model, const struct artefact *artefact,
                     struct err_info *info);

    /* What training would need; may be NULL. */
    enum err (*estimate)(const struct train_spec *spec, const struct train_input *input,
                         struct train_estimate *estimate, struct err_info *info);
};

/* All kinds that exist, in the order they are listed; ends with NULL. */
extern const struct kind *const kinds[];
const struct kind *kind_find(const char *name); /* NULL when unknown */

#endif

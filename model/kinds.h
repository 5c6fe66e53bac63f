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
#include "model/text/tokenizer.h"

enum param_type { PARAM_INTEGER, PARAM_NUMBER, PARAM_BOOLEAN, PARAM_CHOICE, PARAM_INTEGERS, PARAM_NAMES };

struct param {
    const char *name;
    enum param_type type;
    double minimum, maximum;
    const char *fallback; /* the default, as text: "3", "kneser-ney", "false", "" */
    const char *choices;  /* "a|b|c" for PARAM_CHOICE, else NULL */
    const char *help;
};

#define PARAMS_MAX 48
#define PARAM_LIST_MAX 16
#define PARAM_NAME_SIZE 65

/* The values of one kind's parameters, all set (from defaults). Plain data. */
struct params {
    const struct kind *kind;
    struct param_value {
        double number; /* integers, numbers, booleans; the index of a choice */
        uint32_t list_count;
        double list[PARAM_LIST_MAX];
        char names[PARAM_LIST_MAX][PARAM_NAME_SIZE];
        bool given; /* set by the user, not by default */
    } values[PARAMS_MAX];
};

enum capability {
    CAN_SCORE = 1 << 0,     /* next, score, rescore, generate, evaluate perplexity */
    CAN_VECTORS = 1 << 1,   /* neighbors, analogy, similarity, embed, maps */
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
    const struct param *params; /* ends with a NULL name */
    unsigned can;               /* set of enum capability */
    struct tokenizer_settings tokenizer; /* the defaults of this kind */

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

/* Sets every parameter to its default. */
void params_init(struct params *params, const struct kind *kind);

/* Setting by name; ERR_INVALID tells name, type, range and default, with the pointer
 * "/params/NAME". */
MUST_CHECK enum err params_set_number(struct params *params, const char *name,
                                      double value, struct err_info *info);
MUST_CHECK enum err params_set_boolean(struct params *params, const char *name,
                                       bool value, struct err_info *info);
MUST_CHECK enum err params_set_text(struct params *params, const char *name,
                                    const char *value, struct err_info *info);
MUST_CHECK enum err params_set_list(struct params *params, const char *name,
                                    const double *values, size_t count,
                                    struct err_info *info);
MUST_CHECK enum err params_set_names(struct params *params, const char *name,
                                     const char *const *values, size_t count,
                                     struct err_info *info);
/* From one word of a command line or a stored spec: "3", "true", "katz", "0,0,1". */
MUST_CHECK enum err params_parse(struct params *params, const char *name,
                                 const char *text, struct err_info *info);

/* Reading; the name must be one of the kind's own (asserted). */
double params_number(const struct params *params, const char *name);
bool params_boolean(const struct params *params, const char *name);
const char *params_choice(const struct params *params, const char *name);
const struct param_value *params_value(const struct params *params, const char *name);

#endif

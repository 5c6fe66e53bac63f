/* SPDX-License-Identifier: MIT */
/* Hyperparameters: a table of typed, ranged parameters a kind, and the values of one
 * training. */
#ifndef FIRTH_MODEL_PARAMS_H
#define FIRTH_MODEL_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct buffer;
struct kind;

enum param_type {
    PARAM_INTEGER,
    PARAM_NUMBER,
    PARAM_BOOLEAN,
    PARAM_CHOICE,
    PARAM_INTEGERS,
    PARAM_NAMES,
    PARAM_TYPE_COUNT
};
extern const char *const param_type_names[PARAM_TYPE_COUNT]; /* "integer", … */

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
        char names[PARAM_LIST_MAX][PARAM_NAME_SIZE]; /* [0] is the text of a choice */
        bool given;                                  /* set by the user, not by default */
    } values[PARAMS_MAX];
};

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

/* Puts a number in place of a default that means "as suits"; it stays a default. The name
 * must be one of the kind's own (asserted). */
void params_settle(struct params *params, const char *name, double value);

/* Reading; the name must be one of the kind's own (asserted). */
double params_number(const struct params *params, const char *name);
bool params_boolean(const struct params *params, const char *name);
const char *params_choice(const struct params *params, const char *name);
const struct param_value *params_value(const struct params *params, const char *name);

/* The value as params_parse reads it back ("3", "true", "katz", "0,0,1"). */
enum err params_format(const struct params *params, const struct param *param,
                       struct buffer *text);
/* What a value must be: "an integer from 1 to 8", "one of katz, mle". Appends. */
enum err params_describe(const struct param *param, struct buffer *text);

#endif

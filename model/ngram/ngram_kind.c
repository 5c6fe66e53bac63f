/* SPDX-License-Identifier: MIT */
/* The row of the kind "ngram" and the meaning of its parameters. */
#include "model/ngram/ngram.h"

#include "model/ngram/levels.h"

static const struct param ngram_params[] = {
    {.name = "order",
     .type = PARAM_INTEGER,
     .minimum = 1,
     .maximum = NGRAM_ORDER_MAX,
     .fallback = "3",
     .help = "Words the model looks at together: the predicted one and those before it"},
    {.name = "smoothing",
     .type = PARAM_CHOICE,
     .fallback = "kneser-ney",
     .choices = "kneser-ney|mle|additive|jelinek-mercer|witten-bell|katz",
     .help = "How probability is kept for what the corpus does not hold; kneser-ney is "
             "the best, mle keeps none"},
    {.name = "delta",
     .type = PARAM_NUMBER,
     .minimum = 1e-9,
     .maximum = 1e6,
     .fallback = "0.01",
     .help = "What additive smoothing adds to every count; 1 is Laplace's rule"},
    {.name = "prune",
     .type = PARAM_INTEGERS,
     .minimum = 0,
     .maximum = NGRAM_PRUNE_MAX,
     .fallback = "",
     .help = "For each order from 1, n-grams that occur this often or less are dropped; "
             "the first must be 0, numbers must not fall, the last goes on"},
    {.name = "compact",
     .type = PARAM_BOOLEAN,
     .fallback = "false",
     .help = "A quantised form, several times smaller and slower"},
    {.name = NULL},
};

const struct kind kind_ngram = {
    .name = "ngram",
    .help = "N-gram model: counts of word sequences, smoothed",
    .params = ngram_params,
    .can = CAN_SCORE | CAN_EXPORT_ARPA,
    .tokenizer = {.unit = UNIT_WORD, .segment = SEGMENT_LINE, .min_count = 1},
    .train = ngram_train,
    .load = ngram_load,
    .estimate = ngram_estimate,
};

enum err ngram_read_prune(const struct params *params, uint32_t *least,
                          struct err_info *info)
{
    const struct param_value *prune = params_value(params, "prune");
    for (uint32_t k = 0; k < NGRAM_ORDER_MAX; k++) {
        double value = k < prune->list_count ? prune->list[k] : k ? least[k - 1] : 0;
        if (k == 0 && value != 0)
            return err_set_field(info, ERR_INVALID, "/params/prune",
                                 "The first number of \"prune\" must be 0: single words "
                                 "are limited by the tokenizer's min_count");
        if (k > 0 && value < least[k - 1])
            return err_set_field(info, ERR_INVALID, "/params/prune",
                                 "The numbers of \"prune\" must not fall from one order "
                                 "to the next");
        least[k] = (uint32_t)value;
    }
    return ERR_OK;
}

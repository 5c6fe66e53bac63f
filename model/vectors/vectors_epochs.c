/* SPDX-License-Identifier: MIT */
/* The customary number of passes (5 of skip-gram, 15 of GloVe) is right for tens of
 * millions of tokens. A text of some hundred thousand is over before the vectors have
 * left their starting points: on 283,000 tokens of Wikipedia skip-gram's correlation with
 * MEN was .07 after 5 passes, .49 after 20 to 60, and lower again after 150. So by
 * default a small text is gone through until about as much was read as is enough of a
 * large one. The table in README.md has the figures. */
#include "model/vectors/vectors_epochs.h"

#include <math.h>

#include "model/vectors/vectors_kinds.h"

/* Passes by default: as many as read `enough` tokens, within limits. */
struct habit {
    double least, most, enough;
};

static const struct habit by_samples = {5, 60, 2e7}, by_pairs = {15, 60, 5e7};
static const double WITHOUT_END = 1e6;

double vectors_epochs(const struct train_spec *spec, double tokens)
{
    const struct habit *habit = spec->kind == &kind_glove ? &by_pairs : &by_samples;
    double epochs = spec->budget.epochs > 0 ? spec->budget.epochs : WITHOUT_END;
    if (spec->budget.tokens > 0)
        epochs = fmin(epochs, spec->budget.tokens / tokens);
    if (spec->budget.epochs > 0 || spec->budget.tokens > 0 || spec->budget.seconds > 0)
        return epochs;
    return fmin(fmax(ceil(habit->enough / tokens), habit->least), habit->most);
}

/* SPDX-License-Identifier: MIT */
/* Dropout (Srivastava et al. 2014) by masks whose elements are 0 or 1/(1-p). Drawn per
 * element it is plain dropout; one row used at every time step makes it variational (Gal
 * and Ghahramani 2016); over a recurrent weight matrix it is weight-drop (Merity 2018).
 */
#ifndef FIRTH_MODEL_NN_DROPOUT_H
#define FIRTH_MODEL_NN_DROPOUT_H

#include <stddef.h>

#include "base/random.h"

/* Fills mask[count]; p in [0, 1). */
void dropout_draw(struct random *random, double p, size_t count, float *mask);

/* y[steps][count] = x[steps][count] ∘ mask[count] at every step; y may be x. */
void dropout_apply(size_t steps, size_t count, const float *mask, const float *x,
                   float *y);

#endif

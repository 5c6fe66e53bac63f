/* SPDX-License-Identifier: MIT */
/* Finite-difference checks shared by the tests of layers and losses. */
#ifndef FIRTH_TESTS_UNIT_NN_GRADIENT_H
#define FIRTH_TESTS_UNIT_NN_GRADIENT_H

#include <stddef.h>

#include "base/random.h"

/* Fills with normal numbers times `scale`. */
void gradient_fill(struct random *random, size_t count, float scale, float *values);

/* Compares gradient[count] of loss() with respect to values[count] with central
 * differences of the stated step: ‖analytic - numeric‖ / (‖analytic‖ + ‖numeric‖). At
 * most 60 elements, evenly spread, are moved. */
double gradient_error(double (*loss)(void *context), void *context, float *values,
                      const float *gradient, size_t count, float step);

#endif

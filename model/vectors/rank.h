/* SPDX-License-Identifier: MIT */
/* How well two lists of numbers agree. */
#ifndef FIRTH_MODEL_VECTORS_RANK_H
#define FIRTH_MODEL_VECTORS_RANK_H

#include <stddef.h>

#include "base/err.h"

/* Pearson's correlation; NAN with fewer than two numbers or where one list is constant.
 */
double rank_pearson(const double *x, const double *y, size_t count);

/* Spearman's rank correlation: Pearson's of the ranks, equal numbers sharing their mean
 * rank. */
MUST_CHECK enum err rank_spearman(const double *x, const double *y, size_t count,
                                  double *correlation);

#endif

/* SPDX-License-Identifier: MIT */
/* Gradient methods on a block of parameters, element by element, so that a range of it (a
 * tensor, or single rows of an embedding) can be updated alone. */
#ifndef FIRTH_MODEL_NN_OPTIMIZER_H
#define FIRTH_MODEL_NN_OPTIMIZER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* The order of OPTIMIZER_NAMES. */
enum optimizer_method {
    OPTIMIZER_SGD,
    OPTIMIZER_MOMENTUM, /* Polyak's heavy ball */
    OPTIMIZER_NESTEROV, /* as formulated by Sutskever et al. 2013 */
    OPTIMIZER_ADAGRAD,  /* Duchi et al. 2011 */
    OPTIMIZER_RMSPROP,  /* Tieleman and Hinton 2012 */
    OPTIMIZER_ADAM,     /* Kingma and Ba 2015; weight decay decoupled (Loshchilov 2019) */
    OPTIMIZER_COUNT
};
#define OPTIMIZER_NAMES "sgd|momentum|nesterov|adagrad|rmsprop|adam"

struct optimizer {
    enum optimizer_method method;
    size_t count;
    float *first, *second;  /* [count] moments, NULL where the method has none */
    uint64_t step;          /* steps begun */
    double momentum, decay; /* β₁ (or μ) and β₂ (or ρ) */
    double weight_decay;
};

MUST_CHECK enum err optimizer_init(struct optimizer *optimizer,
                                   enum optimizer_method method, size_t count,
                                   double weight_decay);
void optimizer_fini(struct optimizer *optimizer);

/* Counts a step: once before the updates of a mini-batch. */
void optimizer_begin(struct optimizer *optimizer);

/* Moves values[first … first+count-1] along gradient[count] times `scale` (clipping) with
 * the learning rate. values is the whole block; ranges may be updated by several threads
 * at once. */
void optimizer_update(struct optimizer *optimizer, float *values, size_t first,
                      size_t count, const float *gradient, double scale, double rate);

#endif

/* SPDX-License-Identifier: MIT */
/* The body of a neural language model: from token ids to the vectors that the output
 * layer sees, and back. A body works on one share of a mini-batch, on one thread; it owns
 * its activations, masks and state, and borrows the parameters.
 *
 * The rows it takes and gives are ordered step by step: row t·rows + b is time step t of
 * sequence b. The feed-forward body has one step. */
#ifndef FIRTH_MODEL_NEURAL_BODY_H
#define FIRTH_MODEL_NEURAL_BODY_H

#include "model/neural/shape.h"

struct body_dropout {
    double layers;    /* variational, on the output of each layer but the last */
    double output;    /* variational, on the output of the last */
    double input;     /* variational, on the embedded words; feed-forward: plain */
    double words;     /* whole words of the vocabulary, for the batch */
    double recurrent; /* weight-drop on recurrent matrices */
};

/* Penalties on the last recurrent layer's h (Merity et al. 2017): on the mean square of
 * it after dropout, and of its change from step to step before. Means are over
 * `elements`, those of the whole batch. */
struct body_penalties {
    double activation, slowness;
    size_t elements;
};

struct body;

/* For `rows` sequences of at most `steps` steps. With `training` it can go backward. */
MUST_CHECK enum err body_new(const struct shape *shape, size_t rows, size_t steps,
                             bool training, struct body **out);
void body_free(struct body *body);

/* The recurrent state of one layer, [state_parts][rows][width], carried from call to
 * call; all zero at the start of a text. Not for the feed-forward body. */
float *body_state(struct body *body, unsigned layer);
size_t body_layer_state(const struct body *body, unsigned layer); /* its floats */
void body_reset(struct body *body);

/* ids: [steps][rows], or [rows][context] for the feed-forward body. Writes hidden
 * [steps·rows][output]. `dropout` (NULL: none) draws from `random`. */
void body_forward(struct body *body, const float *values, const uint32_t *ids,
                  size_t steps, const struct body_dropout *dropout, struct random *random,
                  float *hidden);

/* After a forward: from dhidden [steps·rows][output] (overwritten) to the gradients of
 * the inner layers, added to inner[shape->inner_count] (laid out as the block is from
 * inner_at), and of the embedded words, [steps·rows·(context or 1)][embedding], borrowed
 * until the next call. The penalties are for the recurrent bodies. */
const float *body_backward(struct body *body, const float *values,
                           const struct body_penalties *penalties, float *dhidden,
                           float *inner);

/* Of the same forward, for the tests and the laboratory: layer's h [steps][rows][width].
 */
const float *body_activations(const struct body *body, unsigned layer);

#endif

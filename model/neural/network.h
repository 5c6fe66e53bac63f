/* SPDX-License-Identifier: MIT */
/* A neural language model in training: parameters, gradient, optimiser, and as many
 * bodies as there are threads, each with a fixed share of the mini-batch. With the same
 * number of threads the same bits. */
#ifndef FIRTH_MODEL_NEURAL_NETWORK_H
#define FIRTH_MODEL_NEURAL_NETWORK_H

#include "base/parallel.h"
#include "model/neural/body.h"
#include "model/nn/optimizer.h"
#include "model/nn/softmax.h"

struct network_settings {
    size_t rows, steps; /* sequences side by side, steps a batch (1: feed-forward) */
    unsigned threads;   /* at most `rows` are used */
    uint64_t seed;
    enum optimizer_method method;
    double weight_decay;
    bool averaging;
    struct body_dropout dropout;
    double activation_penalty, slowness_penalty; /* recurrent; not in the loss told */
};

struct network_share {
    size_t first, rows; /* of the batch */
    struct body *body;
    struct random random; /* of its dropout */
    float *inner; /* [inner_count] its part of the gradient; of share 0 in place */
    uint32_t *ids;
    const float *dembedded; /* of the last backward */
};

/* Part of the block: floats first … end-1. */
struct network_range {
    size_t first, end;
};
#define NETWORK_RANGES_MAX (SOFTMAX_CLUSTERS_MAX + 3u)

struct network {
    const struct shape *shape;
    struct network_settings settings;
    struct network_share shares[PARALLEL_THREADS_MAX];
    struct softmax *softmax;
    struct optimizer optimizer;
    float *values;   /* [total] the parameters */
    float *average;  /* [total] of the parameters over the steps, or NULL */
    float *gradient; /* [total]; set in the dense ranges and in the touched rows */
    struct network_range dense[NETWORK_RANGES_MAX];
    size_t dense_count;
    uint32_t *touched; /* rows of the embedding outside dense that the batch touched */
    size_t touched_count;
    const uint32_t *touched_outputs; /* likewise of an output layer of its own */
    size_t touched_outputs_count;
    uint32_t *stamps; /* [vocab] number of the batch that touched a row last */
    uint32_t stamp;
    float *hidden, *dhidden; /* [positions][output], share by share */
    float *logprobs;         /* [positions] */
    uint32_t *targets;       /* [positions] */
};

/* Draws the parameters from settings->seed. The shape is borrowed. */
MUST_CHECK enum err network_new(const struct shape *shape,
                                const struct network_settings *settings,
                                struct network **out);
void network_free(struct network *network);

/* Loss (mean, nats) and gradient of one batch. inputs: [rows][steps] and targets
 * [rows][steps] (recurrent, from the carried state on), or inputs [rows][context] and
 * targets [rows]. With `dropped` dropout is at work. */
MUST_CHECK enum err network_gradient(struct network *network, size_t steps,
                                     const uint32_t *inputs, const uint32_t *targets,
                                     bool dropped, double *loss);

/* The norm of the gradient over all parameters. */
MUST_CHECK enum err network_norm(struct network *network, double *norm);

/* One step of the optimiser along the gradient times `scale`. Outside the dense ranges
 * only those rows move that the batch touched, and so do their moments. */
MUST_CHECK enum err network_update(struct network *network, double scale, double rate);

/* Moves the average by `weight` towards the parameters: 1 makes it equal to them. */
MUST_CHECK enum err network_average(struct network *network, double weight);

/* Copies the carried state of one sequence to or from state[network_state_size]. */
size_t network_state_size(const struct shape *shape);
void network_get_state(const struct network *network, size_t row, float *state);
void network_set_state(struct network *network, size_t row, const float *state);

#endif

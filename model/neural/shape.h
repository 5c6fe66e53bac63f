/* SPDX-License-Identifier: MIT */
/* The shape of a neural language model and where its tensors lie. All parameters are one
 * block of float32; a tensor is a name and a place in it. */
#ifndef FIRTH_MODEL_NEURAL_SHAPE_H
#define FIRTH_MODEL_NEURAL_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/random.h"
#include "model/kinds.h"
#include "model/nn/cell.h"
#include "model/nn/softmax.h"

#define SHAPE_LAYERS_MAX 4u
#define SHAPE_CONTEXT_MAX 32u
#define SHAPE_DIMENSION_MAX                                                              \
    65536u /* of embedding and hidden sizes: products fit an int */
#define SHAPE_TENSORS_MAX                                                                \
    (SHAPE_LAYERS_MAX * (CELL_TENSORS_MAX + 2u) + 2u * SOFTMAX_CLUSTERS_MAX + 8u)

/* The output bias of <s>, which is never predicted: its probability is zero in training
 * as it is in use, and its gradient with it. */
#define SHAPE_NEVER (-1e4f)

/* The order of SHAPE_ACTIVATIONS. */
enum shape_activation { ACTIVATION_TANH, ACTIVATION_RELU, ACTIVATION_LOGISTIC };
#define SHAPE_ACTIVATIONS "tanh|relu|logistic"

struct shape_tensor {
    char name[32];
    size_t rows, columns;
    size_t at; /* offset in the block, in floats, a multiple of 16 */
};

struct shape {
    const struct cell_kind *cell; /* NULL: the feed-forward model */
    uint32_t vocab;
    size_t embedding; /* E */
    size_t hidden;    /* H of the lower layers, or of the one hidden layer */
    size_t output;    /* D: what the output layer sees */
    unsigned layers, context;
    bool tied, direct, layer_norm;
    enum shape_activation activation;

    struct shape_tensor tensors[SHAPE_TENSORS_MAX];
    size_t tensor_count;
    size_t total; /* floats of the block */
    /* Offsets of what code needs by itself. */
    size_t embedding_at, output_at, bias_at, layer_at[SHAPE_LAYERS_MAX];
    size_t inner_at, inner_count;     /* all that is neither embedding nor output layer */
    size_t hidden_at, hidden_bias_at; /* the feed-forward model's hidden layer */
    /* With layer_norm: of each recurrent layer's output, or ([0]) of the hidden layer. */
    size_t gain_at[SHAPE_LAYERS_MAX], norm_bias_at[SHAPE_LAYERS_MAX];
    struct softmax_layout softmax;
};

/* Works out a shape from a kind's parameters. ERR_LIMIT with a sentence when a size or
 * the whole block would overflow or exceed `memory_bytes` (0: no such limit). */
MUST_CHECK enum err shape_init(struct shape *shape, const struct params *params,
                               uint32_t vocab, uint64_t memory_bytes,
                               struct err_info *info);

/* As shape_init, for the vocabulary of a training: cutoffs of the adaptive softmax that
 * are not given are chosen from the words' counts. */
struct vocab;
MUST_CHECK enum err shape_init_counted(struct shape *shape, const struct params *params,
                                       const struct vocab *vocab, uint64_t memory_bytes,
                                       struct err_info *info);

/* Sets the parameter `cutoffs` to what the shape has, so that a model file says it. */
MUST_CHECK enum err shape_write_cutoffs(const struct shape *shape, struct params *params,
                                        struct err_info *info);

/* Input and output width of a recurrent layer. */
size_t shape_layer_input(const struct shape *shape, unsigned layer);
size_t shape_layer_output(const struct shape *shape, unsigned layer);

/* Draws the initial parameters: embeddings and outputs uniform in ±0.1 (tied: ±1/√E). */
void shape_draw(const struct shape *shape, struct random *random, float *values);

#endif

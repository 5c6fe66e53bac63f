/* SPDX-License-Identifier: MIT */
/* Dynamic evaluation (Krause et al. 2018): the tokens of a step, once scored, are gone
 * through again from the state they started in, by the same code that trains, and a copy
 * of the parameters moves by
 *
 *     θ ← θ - rate · g / (r + floor) + decay · (θ₀ - θ)
 *
 * with g the gradient of the step's mean loss. The paper takes each parameter's r, the
 * root mean square of its gradients, from the training text. Here it is that of the text
 * scored so far, which needs no training text, is known when it is used, and serves any
 * model file; the floor, the root mean square over all parameters, keeps those that have
 * hardly moved yet from jumping. The gradient's own size cancels out, so one rate suits
 * models of any size. Runs on one thread, so that equal texts give equal bits. */
#include "model/neural/adapter.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/simd.h"
#include "model/neural/network.h"
#include "model/text/vocab.h"

struct adapter {
    struct shape shape; /* its output layer's gradients are those of the whole one */
    const float *original;
    struct lm_dynamic options;
    struct network *network;
    float *squares; /* [total] sums of the gradients' squares */
    double norms;   /* sum of their squared norms */
    uint64_t taken; /* steps */
    size_t count;   /* tokens gathered */
    uint32_t *inputs, *targets;
    float *state; /* before the first of them */
};

/* Copies of the block: parameters, gradient, squares. */
enum { COPIES = 3 };

enum err adapter_new(const struct shape *shape, const float *values,
                     const struct lm_dynamic *options, struct adapter **out)
{
    struct network_settings settings = {.rows = shape->cell ? 1 : options->steps,
                                        .steps = shape->cell ? options->steps : 1,
                                        .threads = 1,
                                        .method = OPTIMIZER_SGD};
    size_t context = shape->cell ? 1 : shape->context;
    *out = NULL;
    if (shape->total > ADAPTER_BYTES / sizeof(float) / COPIES)
        return ERR_LIMIT;
    struct adapter *adapter = memory_new_array(1, sizeof *adapter);
    if (!adapter)
        return ERR_NO_MEMORY;
    *adapter = (struct adapter){.shape = *shape, .original = values, .options = *options};
    if (shape->softmax.kind == SOFTMAX_SAMPLED)
        adapter->shape.softmax.kind = SOFTMAX_FULL;
    adapter->squares = memory_new_aligned(shape->total, sizeof(float));
    adapter->inputs = memory_new_array(options->steps * context, sizeof(uint32_t));
    adapter->targets = memory_new_array(options->steps, sizeof(uint32_t));
    adapter->state = memory_new_array(network_state_size(shape) + 1, sizeof(float));
    enum err code =
        adapter->squares && adapter->inputs && adapter->targets && adapter->state
            ? network_new(&adapter->shape, &settings, &adapter->network)
            : ERR_NO_MEMORY;
    if (code) {
        adapter_free(adapter);
        return code;
    }
    memcpy(adapter->network->values, values, shape->total * sizeof *values);
    *out = adapter;
    return ERR_OK;
}

void adapter_free(struct adapter *adapter)
{
    if (!adapter)
        return;
    network_free(adapter->network);
    free(adapter->squares);
    free(adapter->inputs);
    free(adapter->targets);
    free(adapter->state);
    free(adapter);
}

const float *adapter_values(const struct adapter *adapter)
{
    return adapter->network->values;
}

size_t adapter_room(const struct adapter *adapter)
{
    return adapter->options.steps - adapter->count;
}

void adapter_begin(struct adapter *adapter, struct body *body)
{
    float *state = adapter->state;
    if (adapter->count > 0)
        return;
    for (unsigned i = 0; adapter->shape.cell && i < adapter->shape.layers; i++) {
        size_t size = body_layer_state(body, i);
        memcpy(state, body_state(body, i), size * sizeof *state);
        state += size;
    }
}

/* The rule for one range of the block. */
struct rule {
    float rate, decay;
    float per_step; /* 1 / steps taken, this one included */
    float floor;
};

SIMD_CLONES static void follow(size_t count, const struct rule *rule,
                               const float *gradient, const float *original,
                               float *squares, float *values)
{
    for (size_t i = 0; i < count; i++) {
        squares[i] += gradient[i] * gradient[i];
        float size = sqrtf(squares[i] * rule->per_step) + rule->floor;
        values[i] +=
            rule->decay * (original[i] - values[i]) - rule->rate * gradient[i] / size;
    }
}

static void move(struct adapter *adapter, const struct rule *rule, size_t first,
                 size_t count)
{
    const struct network *network = adapter->network;
    follow(count, rule, network->gradient + first, adapter->original + first,
           adapter->squares + first, network->values + first);
}

static enum err take_step(struct adapter *adapter)
{
    const struct shape *shape = &adapter->shape;
    struct network *network = adapter->network;
    double loss, norm;
    network_set_state(network, 0, adapter->state);
    enum err code = network_gradient(network, adapter->count, adapter->inputs,
                                     adapter->targets, false, &loss);
    if (!code)
        code = network_norm(network, &norm);
    adapter->count = 0;
    if (code || !isfinite(norm))
        return code;
    adapter->taken++;
    adapter->norms += norm * norm;
    double size = sqrt(adapter->norms / (double)adapter->taken / (double)shape->total);
    struct rule rule = {.rate = (float)adapter->options.rate,
                        .decay = (float)adapter->options.decay,
                        .per_step = 1 / (float)adapter->taken,
                        .floor = (float)size + FLT_MIN};
    for (size_t i = 0; i < network->dense_count; i++)
        move(adapter, &rule, network->dense[i].first,
             network->dense[i].end - network->dense[i].first);
    for (size_t i = 0; i < network->touched_count; i++)
        move(adapter, &rule,
             shape->embedding_at + (size_t)network->touched[i] * shape->embedding,
             shape->embedding);
    network->values[shape->bias_at + VOCAB_BOS] = SHAPE_NEVER;
    return ERR_OK;
}

enum err adapter_learn(struct adapter *adapter, const uint32_t *inputs,
                       const uint32_t *targets, size_t count)
{
    size_t context = adapter->shape.cell ? 1 : adapter->shape.context;
    memcpy(adapter->inputs + adapter->count * context, inputs,
           count * context * sizeof *inputs);
    memcpy(adapter->targets + adapter->count, targets, count * sizeof *targets);
    adapter->count += count;
    return adapter_room(adapter) == 0 ? take_step(adapter) : ERR_OK;
}

enum err adapter_end(struct adapter *adapter)
{
    return adapter->count > 0 && adapter->shape.cell ? take_step(adapter) : ERR_OK;
}

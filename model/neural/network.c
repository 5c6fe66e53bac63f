/* SPDX-License-Identifier: MIT */
/* One training step. Each share of the batch goes forward on its own thread through its
 * own body; the hidden vectors of all shares lie share by share in one array, over which
 * the softmax runs with the vocabulary cut among the threads; then each share goes
 * backward.
 *
 * The gradients of the inner layers are summed over the shares in their order. An
 * embedding of its own has a sparse gradient: only rows of words in the batch are
 * cleared, summed, measured and updated. A tied one shares the output layer's tensor, to
 * whose gradient the words' are added where that is dense; the rows of a cluster that no
 * target was in, or that are not in the sample, are treated as sparse ones. */
#include "model/neural/network.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/nn/pointwise.h"
#include "model/text/vocab.h"

static size_t words_a_row(const struct network *network)
{
    const struct shape *shape = network->shape;
    return shape->cell ? network->settings.steps : shape->context;
}

static bool share_init(struct network *network, unsigned index)
{
    struct network_share *share = &network->shares[index];
    size_t rows = network->settings.rows, threads = network->settings.threads;
    share->first = rows * index / threads;
    share->rows = rows * (index + 1) / threads - share->first;
    random_seed(&share->random, network->settings.seed, 1000 + index);
    share->inner = index == 0
                       ? network->gradient + network->shape->inner_at
                       : memory_new_aligned(network->shape->inner_count, sizeof(float));
    share->ids = memory_new_array(share->rows * words_a_row(network), sizeof(uint32_t));
    return share->inner && share->ids &&
           body_new(network->shape, share->rows, network->settings.steps, true,
                    &share->body) == ERR_OK;
}

static bool allocate(struct network *network)
{
    const struct shape *shape = network->shape;
    const struct network_settings *settings = &network->settings;
    size_t positions, cells;
    if (!memory_multiply(settings->rows, settings->steps, &positions) ||
        !memory_multiply(positions, shape->output, &cells))
        return false;
    network->values = memory_new_aligned(shape->total, sizeof(float));
    if (settings->averaging)
        network->average = memory_new_aligned(shape->total, sizeof(float));
    network->gradient = memory_new_aligned(shape->total, sizeof(float));
    network->hidden = memory_new_aligned(cells, sizeof(float));
    network->dhidden = memory_new_aligned(cells, sizeof(float));
    network->logprobs = memory_new_aligned(positions, sizeof(float));
    network->targets = memory_new_array(positions, sizeof(uint32_t));
    network->touched = memory_new_array(shape->vocab, sizeof(uint32_t));
    network->stamps = memory_new_array(shape->vocab, sizeof(uint32_t));
    bool done = network->values && (network->average || !settings->averaging) &&
                network->gradient && network->hidden && network->dhidden &&
                network->logprobs && network->targets && network->touched &&
                network->stamps;
    for (unsigned i = 0; done && i < settings->threads; i++)
        done = share_init(network, i);
    return done &&
           softmax_new(&shape->softmax, positions, settings->threads, settings->seed,
                       &network->softmax) == ERR_OK &&
           optimizer_init(&network->optimizer, settings->method, shape->total,
                          settings->weight_decay) == ERR_OK;
}

enum err network_new(const struct shape *shape, const struct network_settings *settings,
                     struct network **out)
{
    *out = NULL;
    struct network *network = memory_new_array(1, sizeof *network);
    if (!network)
        return ERR_NO_MEMORY;
    network->shape = shape;
    network->settings = *settings;
    if (!shape->cell)
        network->settings.steps = 1;
    if (settings->threads > settings->rows)
        network->settings.threads = (unsigned)settings->rows;
    if (!allocate(network)) {
        network_free(network);
        return ERR_NO_MEMORY;
    }
    struct random random;
    random_seed(&random, settings->seed, 1);
    shape_draw(shape, &random, network->values);
    *out = network;
    return ERR_OK;
}

void network_free(struct network *network)
{
    if (!network)
        return;
    for (unsigned i = 0; i < PARALLEL_THREADS_MAX; i++) {
        struct network_share *share = &network->shares[i];
        if (i > 0)
            free(share->inner);
        free(share->ids);
        body_free(share->body);
    }
    softmax_free(network->softmax);
    optimizer_fini(&network->optimizer);
    free(network->values);
    free(network->average);
    free(network->gradient);
    free(network->hidden);
    free(network->dhidden);
    free(network->logprobs);
    free(network->targets);
    free(network->touched);
    free(network->stamps);
    free(network);
}

/* ---- loss and gradient ---- */

/* The call in progress, for the threads. */
struct pass {
    struct network *network;
    size_t steps;
    const uint32_t *inputs, *targets;
    bool dropped;
};

/* Puts the share's ids and targets into the order bodies work in: step by step. */
static void distribute(const struct pass *pass, struct network_share *share)
{
    const struct shape *shape = pass->network->shape;
    uint32_t *targets = pass->network->targets + share->first * pass->steps;
    if (!shape->cell) {
        memcpy(share->ids, pass->inputs + share->first * shape->context,
               share->rows * shape->context * sizeof *share->ids);
        memcpy(targets, pass->targets + share->first, share->rows * sizeof *targets);
        return;
    }
    for (size_t t = 0; t < pass->steps; t++)
        for (size_t b = 0; b < share->rows; b++) {
            size_t from = (share->first + b) * pass->steps + t;
            share->ids[t * share->rows + b] = pass->inputs[from];
            targets[t * share->rows + b] = pass->targets[from];
        }
}

static enum err forward(void *context, unsigned index, unsigned count)
{
    (void)count;
    struct pass *pass = context;
    struct network *network = pass->network;
    struct network_share *share = &network->shares[index];
    distribute(pass, share);
    body_forward(share->body, network->values, share->ids, pass->steps,
                 pass->dropped ? &network->settings.dropout : NULL, &share->random,
                 network->hidden + share->first * pass->steps * network->shape->output);
    return ERR_OK;
}

static enum err backward(void *context, unsigned index, unsigned count)
{
    (void)count;
    struct pass *pass = context;
    struct network *network = pass->network;
    struct network_share *share = &network->shares[index];
    memset(share->inner, 0, network->shape->inner_count * sizeof(float));
    const struct body_penalties penalties = {
        .activation = network->settings.activation_penalty,
        .slowness = network->settings.slowness_penalty,
        .elements = network->settings.rows * pass->steps * network->shape->output};
    share->dembedded = body_backward(share->body, network->values, &penalties,
                                     network->dhidden + share->first * pass->steps *
                                                            network->shape->output,
                                     share->inner);
    return ERR_OK;
}

/* Ends a dense range where a sparse one begins; the next begins after it. */
static void leave_sparse(struct network *network, size_t first, size_t end, size_t *from)
{
    if (first > *from)
        network->dense[network->dense_count++] = (struct network_range){*from, first};
    *from = end;
}

/* Works out which part of the block's gradient the output layer has set, in the order the
 * tensors lie in. */
static void find_dense(struct network *network, const struct softmax_batch *batch)
{
    const struct shape *shape = network->shape;
    const struct softmax_layout *layout = &shape->softmax;
    size_t from = 0, table = (size_t)shape->vocab * layout->size;
    network->dense_count = 0;
    if (!shape->tied)
        leave_sparse(network, shape->embedding_at, shape->inner_at, &from);
    if (batch->touched)
        leave_sparse(network, shape->output_at, shape->output_at + table, &from);
    for (uint32_t k = 0; k < layout->cluster_count; k++) {
        const struct softmax_cluster *cluster = &layout->clusters[k];
        size_t floats = (cluster->end - cluster->first) * cluster->width;
        if (!(batch->active >> k & 1))
            leave_sparse(network, cluster->weights_at, cluster->weights_at + floats,
                         &from);
    }
    leave_sparse(network, shape->total, shape->total, &from);
}

static void touch(struct network *network, uint32_t id)
{
    network->stamps[id] = network->stamp;
    network->touched[network->touched_count++] = id;
}

static void begin_touching(struct network *network, const struct softmax_batch *batch)
{
    network->touched_count = 0;
    network->touched_outputs_count = 0;
    if (++network->stamp == 0) {
        memset(network->stamps, 0, network->shape->vocab * sizeof *network->stamps);
        network->stamp = 1;
    }
    if (!network->shape->tied) {
        network->touched_outputs = batch->touched;
        network->touched_outputs_count = batch->touched_count;
        return;
    }
    for (size_t i = 0; i < batch->touched_count; i++)
        touch(network, batch->touched[i]);
}

static bool dense_row(const struct network *network, const struct softmax_batch *batch,
                      uint32_t id)
{
    const struct softmax_layout *layout = &network->shape->softmax;
    if (!network->shape->tied || batch->touched)
        return false;
    uint32_t cluster = softmax_cluster_of(layout, id);
    return cluster == layout->cluster_count || (batch->active >> cluster & 1);
}

/* The row of the embedding's gradient, cleared when the batch touches it first. */
static float *gradient_row(struct network *network, const struct softmax_batch *batch,
                           uint32_t id)
{
    const struct shape *shape = network->shape;
    float *row = network->gradient + shape->embedding_at + id * shape->embedding;
    if (network->stamps[id] != network->stamp && !dense_row(network, batch, id)) {
        touch(network, id);
        memset(row, 0, shape->embedding * sizeof *row);
    }
    return row;
}

static void gather(struct pass *pass, const struct softmax_batch *batch)
{
    struct network *network = pass->network;
    const struct shape *shape = network->shape;
    begin_touching(network, batch);
    find_dense(network, batch);
    for (unsigned i = 0; i < network->settings.threads; i++) {
        struct network_share *share = &network->shares[i];
        size_t words = share->rows * (shape->cell ? pass->steps : shape->context);
        if (i > 0)
            pointwise_add_scaled(shape->inner_count, 1, share->inner,
                                 network->shares[0].inner);
        for (size_t j = 0; j < words; j++)
            pointwise_add_scaled(shape->embedding, 1,
                                 share->dembedded + j * shape->embedding,
                                 gradient_row(network, batch, share->ids[j]));
    }
}

enum err network_gradient(struct network *network, size_t steps, const uint32_t *inputs,
                          const uint32_t *targets, bool dropped, double *loss)
{
    const struct shape *shape = network->shape;
    struct pass pass = {network, shape->cell ? steps : 1, inputs, targets, dropped};
    unsigned threads = network->settings.threads;
    size_t positions = network->settings.rows * pass.steps;
    struct softmax_batch batch = {.rows = positions,
                                  .size = shape->output,
                                  .hidden = network->hidden,
                                  .targets = network->targets,
                                  .dhidden = network->dhidden,
                                  .logprobs = network->logprobs,
                                  .draw = network->optimizer.step};
    *loss = 0;
    enum err code = parallel_run(threads, forward, &pass);
    if (!code)
        code = softmax_run(network->softmax, network->values, &batch, network->gradient);
    if (!code)
        code = parallel_run(threads, backward, &pass);
    if (code)
        return code;
    gather(&pass, &batch);
    for (size_t i = 0; i < positions; i++)
        *loss -= (double)network->logprobs[i] / (double)positions;
    return ERR_OK;
}

/* ---- the step ---- */

struct moving {
    struct network *network;
    double scale, rate;
    double squares[PARALLEL_THREADS_MAX];
};

/* Calls visit for each piece of the gradient that one thread treats: its share of every
 * dense range, in whole cache lines, and of the touched rows. */
static void visit_share(struct moving *moving, unsigned index, unsigned count,
                        void (*visit)(struct moving *moving, unsigned index, size_t first,
                                      size_t floats))
{
    const struct network *network = moving->network;
    const struct shape *shape = network->shape;
    for (size_t i = 0; i < network->dense_count; i++) {
        const struct network_range *range = &network->dense[i];
        size_t floats = range->end - range->first, lines = floats / 16;
        size_t first = lines * index / count * 16, end = lines * (index + 1) / count * 16;
        end = index + 1 == count ? floats : end;
        visit(moving, index, range->first + first, end - first);
    }
    for (size_t i = index; i < network->touched_count; i += count)
        visit(moving, index,
              shape->embedding_at + (size_t)network->touched[i] * shape->embedding,
              shape->embedding);
    for (size_t i = index; i < network->touched_outputs_count; i += count)
        visit(moving, index,
              shape->output_at + (size_t)network->touched_outputs[i] * shape->output,
              shape->output);
}

static void add_squares(struct moving *moving, unsigned index, size_t first,
                        size_t floats)
{
    moving->squares[index] +=
        pointwise_squares(floats, moving->network->gradient + first);
}

static void update(struct moving *moving, unsigned index, size_t first, size_t floats)
{
    struct network *network = moving->network;
    (void)index;
    optimizer_update(&network->optimizer, network->values, first, floats,
                     network->gradient + first, moving->scale, moving->rate);
}

static enum err square_share(void *context, unsigned index, unsigned count)
{
    visit_share(context, index, count, add_squares);
    return ERR_OK;
}

static enum err update_share(void *context, unsigned index, unsigned count)
{
    visit_share(context, index, count, update);
    return ERR_OK;
}

enum err network_norm(struct network *network, double *norm)
{
    struct moving moving = {.network = network};
    double sum = 0;
    enum err code = parallel_run(network->settings.threads, square_share, &moving);
    for (unsigned i = 0; i < network->settings.threads; i++)
        sum += moving.squares[i];
    *norm = sqrt(sum);
    return code;
}

enum err network_update(struct network *network, double scale, double rate)
{
    struct moving moving = {.network = network, .scale = scale, .rate = rate};
    optimizer_begin(&network->optimizer);
    enum err code = parallel_run(network->settings.threads, update_share, &moving);
    if (network->shape->vocab > VOCAB_BOS)
        network->values[network->shape->bias_at + VOCAB_BOS] = SHAPE_NEVER;
    return code;
}

static enum err average_share(void *context, unsigned index, unsigned count)
{
    struct moving *moving = context;
    struct network *network = moving->network;
    size_t lines = network->shape->total / 16;
    size_t first = lines * index / count * 16, end = lines * (index + 1) / count * 16;
    pointwise_scale(end - first, (float)(1 - moving->rate), network->average + first);
    pointwise_add_scaled(end - first, (float)moving->rate, network->values + first,
                         network->average + first);
    return ERR_OK;
}

enum err network_average(struct network *network, double weight)
{
    struct moving moving = {.network = network, .rate = weight};
    return parallel_run(network->settings.threads, average_share, &moving);
}

/* ---- the carried state ---- */

size_t network_state_size(const struct shape *shape)
{
    size_t size = 0;
    for (unsigned i = 0; shape->cell && i < shape->layers; i++)
        size += shape->cell->state_parts * shape_layer_output(shape, i);
    return size;
}

/* Copies each layer's part of one sequence's state. */
static void copy_state(const struct network *network, size_t row, bool out, float *state)
{
    const struct shape *shape = network->shape;
    const struct network_share *share = network->shares;
    while (row >= share->first + share->rows)
        share++;
    for (unsigned i = 0; shape->cell && i < shape->layers; i++)
        for (size_t part = 0; part < shape->cell->state_parts; part++) {
            size_t width = shape_layer_output(shape, i);
            float *own = body_state(share->body, i) +
                         (part * share->rows + row - share->first) * width;
            memcpy(out ? state : own, out ? own : state, width * sizeof *own);
            state += width;
        }
}

void network_get_state(const struct network *network, size_t row, float *state)
{
    copy_state(network, row, true, state);
}

void network_set_state(struct network *network, size_t row, const float *state)
{
    float *from;
    memcpy(&from, &state, sizeof state); /* only read */
    copy_state(network, row, false, from);
}

/* SPDX-License-Identifier: MIT */
/* Whole networks: the gradient of every tensor against finite differences, for each kind,
 * tied and untied, over one and several shares; and what an update moves. */
#include "model/neural/network.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/text/vocab.h"
#include "tests/support/unit.h"
#include "tests/unit/neural/trial.h"
#include "tests/unit/nn/gradient.h"

enum { VOCAB = 13, ROWS = 4, STEPS = 5, CONTEXT = 3 };

struct trial {
    struct shape shape;
    struct network *network;
    uint32_t inputs[ROWS * STEPS], targets[ROWS * STEPS];
};

static void trial_init(struct trial *trial, const struct kind *kind,
                       const char *const *params, unsigned threads)
{
    static const char *const small[] = {"embedding_size", "7", "hidden_size", "6", NULL};
    struct train_spec spec = trial_spec(kind, small);
    struct random random;
    random_seed(&random, 8, 0);
    for (; params && params[0]; params += 2)
        ck_assert_int_eq(params_parse(&spec.params, params[0], params[1], NULL), ERR_OK);
    if (kind == &kind_nplm)
        ck_assert_int_eq(params_parse(&spec.params, "context", "3", NULL), ERR_OK);
    ck_assert_int_eq(shape_init(&trial->shape, &spec.params, VOCAB, 0, NULL), ERR_OK);
    struct network_settings settings = {
        .rows = ROWS, .steps = STEPS, .threads = threads, .seed = 4};
    ck_assert_int_eq(network_new(&trial->shape, &settings, &trial->network), ERR_OK);
    for (size_t i = 0; i < trial->shape.tensor_count; i++) {
        const struct shape_tensor *tensor = &trial->shape.tensors[i];
        gradient_fill(&random, tensor->rows * tensor->columns, 0.4f,
                      trial->network->values + tensor->at);
    }
    for (size_t i = 0; i < ROWS * STEPS; i++) {
        trial->inputs[i] = (uint32_t)random_below(&random, VOCAB - 2);
        trial->targets[i] = (uint32_t)random_below(&random, VOCAB);
    }
}

static double loss_of(void *context)
{
    struct trial *trial = context;
    double loss;
    for (unsigned i = 0; i < trial->network->settings.threads; i++)
        body_reset(trial->network->shares[i].body);
    ck_assert_int_eq(network_gradient(trial->network, STEPS, trial->inputs,
                                      trial->targets, false, &loss),
                     ERR_OK);
    return loss;
}

/* What is neither in a dense range nor in a touched row is stale: it counts as zero. */
static float *copy_gradient(const struct trial *trial)
{
    const struct network *network = trial->network;
    const struct shape *shape = &trial->shape;
    float *copy = calloc(shape->total, sizeof *copy);
    for (size_t i = 0; i < network->dense_count; i++) {
        const struct network_range *range = &network->dense[i];
        memcpy(copy + range->first, network->gradient + range->first,
               (range->end - range->first) * sizeof *copy);
    }
    for (size_t i = 0; i < network->touched_count; i++) {
        size_t at = shape->embedding_at + network->touched[i] * shape->embedding;
        memcpy(copy + at, network->gradient + at, shape->embedding * sizeof *copy);
    }
    for (size_t i = 0; i < network->touched_outputs_count; i++) {
        size_t at = shape->output_at + network->touched_outputs[i] * shape->output;
        memcpy(copy + at, network->gradient + at, shape->output * sizeof *copy);
    }
    return copy;
}

static void check_gradients(const struct kind *kind, const char *const *params,
                            unsigned threads)
{
    struct trial trial;
    trial_init(&trial, kind, params, threads);
    /* A normalised loss is more curved. */
    float step = trial.shape.layer_norm ? 1e-2f : 3e-2f;
    loss_of(&trial);
    float *gradient = copy_gradient(&trial);
    for (size_t i = 0; i < trial.shape.tensor_count; i++) {
        const struct shape_tensor *tensor = &trial.shape.tensors[i];
        double error =
            gradient_error(loss_of, &trial, trial.network->values + tensor->at,
                           gradient + tensor->at, tensor->rows * tensor->columns, step);
        ck_assert_msg(error < 1e-2, "%s %s: %g", kind->name, tensor->name, error);
    }
    free(gradient);
    network_free(trial.network);
}

START_TEST(gradients_of_recurrent)
{
    static const struct kind *const all[] = {&kind_rnn, &kind_gru, &kind_lstm,
                                             &kind_mlstm};
    static const char *const tied[] = {"layers", "2", NULL};
    static const char *const untied[] = {"layers", "2", "tied", "false", NULL};
    static const char *const normed[] = {"layers", "2", "layer_norm", "true", NULL};
    static const char *const normed_untied[] = {"layers", "2",     "layer_norm", "true",
                                                "tied",   "false", NULL};
    check_gradients(all[_i], tied, 1);
    check_gradients(all[_i], untied, 3);
    check_gradients(all[_i], _i % 2 ? normed : normed_untied, 2);
}
END_TEST

START_TEST(gradients_of_feedforward)
{
    static const char *const direct[] = {"direct", "true", "activation", "logistic",
                                         NULL};
    static const char *const tied[] = {"tied", "true", NULL};
    static const char *const normed[] = {"layer_norm", "true", "direct", "true", NULL};
    check_gradients(&kind_nplm, normed, 2);
    check_gradients(&kind_nplm, NULL, 2);
    check_gradients(&kind_nplm, direct, 1);
    check_gradients(&kind_nplm, tied, 2);
}
END_TEST

/* The penalties are no part of the loss that is told, but of the gradient. */
static double penalised(void *context)
{
    struct trial *trial = context;
    const struct network_settings *settings = &trial->network->settings;
    double loss = loss_of(trial), squares = 0, changes = 0;
    size_t elements = (size_t)ROWS * STEPS * trial->shape.output;
    for (unsigned i = 0; i < settings->threads; i++) {
        const struct network_share *share = &trial->network->shares[i];
        size_t step = share->rows * trial->shape.output;
        const float *h = body_activations(share->body, trial->shape.layers - 1);
        for (size_t at = 0; at < STEPS * step; at++) {
            double change = at < step ? 0 : (double)h[at] - (double)h[at - step];
            squares += (double)h[at] * (double)h[at];
            changes += change * change;
        }
    }
    return loss + (settings->activation_penalty * squares +
                   settings->slowness_penalty * changes) /
                      (double)elements;
}

START_TEST(gradients_of_penalties)
{
    static const char *const layers[] = {"layers", "2", NULL};
    struct trial trial;
    trial_init(&trial, &kind_lstm, layers, 2);
    trial.network->settings.activation_penalty = 2;
    trial.network->settings.slowness_penalty = 5;
    double bare = loss_of(&trial);
    ck_assert_double_gt(penalised(&trial), bare + 0.01);
    float *gradient = copy_gradient(&trial);
    size_t at = trial.shape.inner_at, count = trial.shape.inner_count;
    double error = gradient_error(penalised, &trial, trial.network->values + at,
                                  gradient + at, count, 3e-2f);
    ck_assert_msg(error < 1e-2, "%g", error);
    free(gradient);
    network_free(trial.network);
}
END_TEST

/* With one source of dropout at 0.5, what it leaves is 0 or twice as much, and where it
 * leaves nothing no gradient passes. */
START_TEST(input_dropout_of_feedforward)
{
    struct trial trial;
    double loss;
    size_t zero = 0, wide = (size_t)CONTEXT * 7;
    trial_init(&trial, &kind_nplm, NULL, 1);
    trial.network->settings.dropout.input = 0.5;
    ck_assert_int_eq(
        network_gradient(trial.network, 1, trial.inputs, trial.targets, true, &loss),
        ERR_OK);
    for (size_t i = 0; i < ROWS * wide; i++)
        zero += trial.network->shares[0].dembedded[i] == 0;
    ck_assert_uint_gt(zero, ROWS * wide / 4);
    ck_assert_uint_lt(zero, ROWS * wide * 3 / 4);
    network_free(trial.network);
}
END_TEST

START_TEST(output_dropout_of_the_last_layer)
{
    static const char *const layers[] = {"layers", "2", NULL};
    struct trial trial;
    double loss;
    trial_init(&trial, &kind_gru, layers, 1);
    trial.network->settings.dropout.output = 0.5;
    ck_assert_int_eq(
        network_gradient(trial.network, STEPS, trial.inputs, trial.targets, true, &loss),
        ERR_OK);
    const struct network_share *share = &trial.network->shares[0];
    const float *h = body_activations(share->body, 1), *out = trial.network->hidden;
    size_t step = ROWS * trial.shape.output, dropped = 0;
    for (size_t i = 0; i < STEPS * step; i++) {
        ck_assert(out[i] == 0 || out[i] == 2 * h[i]);
        ck_assert((out[i] == 0) == (out[i % step] == 0));
        dropped += out[i] == 0;
    }
    ck_assert_uint_gt(dropped, STEPS * step / 5);
    network_free(trial.network);
}
END_TEST

/* Weight-drop thins the recurrent weights alone, once for all steps of the batch: where
 * the mask is 0 the gradient is 0, and the matrix itself stays whole. */
START_TEST(weight_drop)
{
    struct trial trial;
    double loss;
    trial_init(&trial, &kind_lstm, NULL, 1);
    const struct shape *shape = &trial.shape;
    size_t bytes = shape->total * sizeof(float);
    float *before = malloc(bytes);
    memcpy(before, trial.network->values, bytes);
    trial.network->settings.dropout.recurrent = 0.5;
    for (int batch = 0; batch < 2; batch++) /* the second starts from a state */
        ck_assert_int_eq(network_gradient(trial.network, STEPS, trial.inputs,
                                          trial.targets, true, &loss),
                         ERR_OK);
    ck_assert_int_eq(memcmp(before, trial.network->values, bytes), 0);
    for (size_t i = 0; i < shape->tensor_count; i++) {
        const struct shape_tensor *tensor = &shape->tensors[i];
        size_t count = tensor->rows * tensor->columns, zero = 0;
        if (strncmp(tensor->name, "layer1", 6) != 0)
            continue;
        for (size_t k = 0; k < count; k++)
            zero += trial.network->gradient[tensor->at + k] == 0;
        if (strcmp(tensor->name, "layer1.recurrent_weights") == 0) {
            ck_assert_uint_gt(zero, count / 3);
            ck_assert_uint_lt(zero, count * 2 / 3);
        } else {
            ck_assert_uint_eq(zero, 0);
        }
    }
    free(before);
    network_free(trial.network);
}
END_TEST

/* Leaving words out of the input leaves the tied output layer whole: with all words left
 * out the loss is that of a network that saw zeros, and the gradient of the table is the
 * output layer's. */
START_TEST(word_dropout_spares_the_output)
{
    struct trial trial;
    double loss;
    size_t rows = 0, width = 7;
    trial_init(&trial, &kind_lstm, NULL, 1);
    trial.network->settings.dropout.words = 0.95;
    ck_assert_int_eq(
        network_gradient(trial.network, STEPS, trial.inputs, trial.targets, true, &loss),
        ERR_OK);
    const struct network *network = trial.network;
    for (size_t i = 0; i < ROWS * STEPS; i++) {
        size_t same = 0;
        for (size_t k = 0; k < width; k++)
            same += network->shares[0].dembedded[i * width + k] == 0;
        ck_assert(same == 0 || same == width);
        rows += same == width;
    }
    ck_assert_uint_gt(rows, ROWS * STEPS / 2);
    for (size_t id = 0; id < VOCAB; id++)
        if (id != VOCAB_BOS)
            ck_assert_float_ne(network->gradient[trial.shape.embedding_at + id * width],
                               0);
    network_free(trial.network);
}
END_TEST

/* With clusters: targets are words 0 … 12, so of the last cluster there may be none. */
START_TEST(gradients_of_adaptive)
{
    static const char *const tied[] = {"softmax", "adaptive", "cutoffs", "4,8,12", NULL};
    static const char *const untied[] = {"softmax", "adaptive", "cutoffs", "4,8,12",
                                         "tied",    "false",    NULL};
    static const char *const head[] = {"softmax", "adaptive", "cutoffs", "13", NULL};
    check_gradients(&kind_lstm, tied, 1);
    check_gradients(&kind_gru, untied, 3);
    check_gradients(&kind_nplm, tied, 2);
    check_gradients(&kind_nplm, head, 1);
}
END_TEST

/* The same step draws the same sample, so its estimate has differences too. */
START_TEST(gradients_of_sampled)
{
    static const char *const tied[] = {"softmax", "sampled", "samples", "20", NULL};
    static const char *const untied[] = {"softmax", "sampled", "samples", "4",
                                         "tied",    "false",   NULL};
    check_gradients(&kind_lstm, tied, 2);
    check_gradients(&kind_gru, untied, 3);
    check_gradients(&kind_nplm, untied, 1);
}
END_TEST

START_TEST(shares_agree)
{
    struct trial one, three;
    trial_init(&one, &kind_lstm, NULL, 1);
    trial_init(&three, &kind_lstm, NULL, 3);
    double norm_one, norm_three;
    ck_assert_double_eq_tol(loss_of(&one), loss_of(&three), 1e-5);
    ck_assert_int_eq(network_norm(one.network, &norm_one), ERR_OK);
    ck_assert_int_eq(network_norm(three.network, &norm_three), ERR_OK);
    ck_assert_double_eq_tol(norm_one, norm_three, 1e-5);
    for (size_t i = 0; i < one.shape.total; i++)
        ck_assert_float_eq_tol(one.network->gradient[i], three.network->gradient[i],
                               1e-5f);
    network_free(one.network);
    network_free(three.network);
}
END_TEST

/* The norm of an untied network counts only what the batch touched, and an update leaves
 * the other words alone. */
START_TEST(update_of_touched_rows)
{
    static const char *const untied[] = {"tied", "false", NULL};
    struct trial trial;
    trial_init(&trial, &kind_lstm, untied, 2);
    loss_of(&trial);
    size_t width = trial.shape.embedding, bytes = trial.shape.total * sizeof(float);
    float *before = malloc(bytes), *gradient = copy_gradient(&trial);
    double norm, expected = 0;
    for (size_t i = 0; i < trial.shape.total; i++)
        expected += (double)gradient[i] * (double)gradient[i];
    ck_assert_int_eq(network_norm(trial.network, &norm), ERR_OK);
    ck_assert_double_eq_tol(norm, sqrt(expected), 1e-6);
    memcpy(before, trial.network->values, bytes);
    ck_assert_int_eq(network_update(trial.network, 0.5, 0.1), ERR_OK);
    for (size_t i = 0; i < trial.shape.bias_at; i++)
        ck_assert_float_eq_tol(trial.network->values[i], before[i] - 0.05f * gradient[i],
                               1e-6f);
    ck_assert_int_eq(memcmp(trial.network->values + (VOCAB - 1) * width,
                            before + (VOCAB - 1) * width, width * sizeof *before),
                     0);
    ck_assert_float_eq(trial.network->values[trial.shape.bias_at + 1], SHAPE_NEVER);
    free(before);
    free(gradient);
    network_free(trial.network);
}
END_TEST

/* Weights 1, 1/2, 1/3, … make the plain mean, a constant weight makes a fading one. */
START_TEST(averages)
{
    struct trial trial;
    trial_init(&trial, &kind_lstm, NULL, 2);
    struct network *network = trial.network;
    size_t total = trial.shape.total;
    network->average = aligned_alloc(64, total * sizeof(float));
    memset(network->average, 0x7e, total * sizeof(float)); /* any finite numbers */
    for (int i = 1; i <= 3; i++) {
        for (size_t k = 0; k < total; k++)
            network->values[k] = (float)(i * i) * (float)(k % 5);
        ck_assert_int_eq(network_average(network, 1.0 / i), ERR_OK);
    }
    for (size_t k = 0; k < total; k++)
        ck_assert_float_eq_tol(network->average[k], 14.0f / 3 * (float)(k % 5), 1e-4f);
    ck_assert_int_eq(network_average(network, 0.25), ERR_OK);
    for (size_t k = 0; k < total; k++)
        ck_assert_float_eq_tol(network->average[k],
                               (0.75f * 14 / 3 + 0.25f * 9) * (float)(k % 5), 1e-4f);
    network_free(network);
}
END_TEST

/* A step moves each method's parameter by what its published formula says. */
START_TEST(optimizer_formulas)
{
    const double g1 = 0.5, g2 = -0.25, rate = 0.1, b1 = 0.9, b2 = 0.999, rho = 0.99;
    double m1 = (1 - b1) * g1, m2 = b1 * m1 + (1 - b1) * g2;
    double v1 = (1 - b2) * g1 * g1, v2 = b2 * v1 + (1 - b2) * g2 * g2;
    double r1 = (1 - rho) * g1 * g1, r2 = rho * r1 + (1 - rho) * g2 * g2;
    double adam1 = m1 / (1 - b1) / sqrt(v1 / (1 - b2));
    double adam2 = m2 / (1 - b1 * b1) / sqrt(v2 / (1 - b2 * b2));
    const double moved[OPTIMIZER_COUNT] = {
        [OPTIMIZER_SGD] = g1 + g2,
        [OPTIMIZER_MOMENTUM] = g1 + (b1 * g1 + g2),
        [OPTIMIZER_NESTEROV] = g1 + b1 * g1 + g2 + b1 * (b1 * g1 + g2),
        [OPTIMIZER_ADAGRAD] = 1 + g2 / sqrt(g1 * g1 + g2 * g2),
        [OPTIMIZER_RMSPROP] = g1 / sqrt(r1) + g2 / sqrt(r2),
        [OPTIMIZER_ADAM] = adam1 + adam2};
    for (unsigned method = 0; method < OPTIMIZER_COUNT; method++) {
        struct optimizer optimizer;
        float value[3] = {7, 1, 7}, first = (float)(2 * g1), second = (float)(2 * g2);
        ck_assert_int_eq(optimizer_init(&optimizer, (enum optimizer_method)method, 3, 0),
                         ERR_OK);
        optimizer_begin(&optimizer);
        optimizer_update(&optimizer, value, 1, 1, &first, 0.5, rate);
        optimizer_begin(&optimizer);
        optimizer_update(&optimizer, value, 1, 1, &second, 0.5, rate);
        ck_assert_msg(fabs((double)value[1] - (1 - rate * moved[method])) < 1e-5,
                      "method %u: %g", method, (double)value[1]);
        ck_assert_float_eq(value[0], 7);
        ck_assert_float_eq(value[2], 7);
        optimizer_fini(&optimizer);
    }
}
END_TEST

START_TEST(weight_decay_shrinks)
{
    for (unsigned method = 0; method < OPTIMIZER_COUNT; method++) {
        struct optimizer optimizer;
        float value = 2, gradient = 0;
        ck_assert_int_eq(
            optimizer_init(&optimizer, (enum optimizer_method)method, 1, 0.5), ERR_OK);
        optimizer_begin(&optimizer);
        optimizer_update(&optimizer, &value, 0, 1, &gradient, 1, 0.1);
        ck_assert_float_eq_tol(value, 1.9f, 1e-6f);
        optimizer_fini(&optimizer);
    }
}
END_TEST

UNIT_SUITE(network)
{
    tcase_add_loop_test(unit, gradients_of_recurrent, 0, 4);
    tcase_add_test(unit, gradients_of_feedforward);
    tcase_add_test(unit, gradients_of_penalties);
    tcase_add_test(unit, input_dropout_of_feedforward);
    tcase_add_test(unit, output_dropout_of_the_last_layer);
    tcase_add_test(unit, weight_drop);
    tcase_add_test(unit, word_dropout_spares_the_output);
    tcase_add_test(unit, gradients_of_adaptive);
    tcase_add_test(unit, gradients_of_sampled);
    tcase_add_test(unit, shares_agree);
    tcase_add_test(unit, update_of_touched_rows);
    tcase_add_test(unit, averages);
    tcase_add_test(unit, optimizer_formulas);
    tcase_add_test(unit, weight_decay_shrinks);
}

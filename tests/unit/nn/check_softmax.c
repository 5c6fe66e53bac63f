/* SPDX-License-Identifier: MIT */
/* The full softmax: loss against its definition in double, gradients against finite
 * differences, the same bits for a thread count, vocabularies that do not fill a tile. */
#include "tests/support/unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/nn/softmax.h"
#include "tests/unit/nn/gradient.h"

struct trial {
    size_t vocab, size, rows;
    unsigned threads;
    float *weights, *bias, *hidden, *dweights, *dbias, *dhidden, *logprobs;
    uint32_t *targets;
    struct softmax_full *softmax;
};

static float *numbers(size_t count)
{
    float *block = memory_new_aligned(count, sizeof *block);
    ck_assert_ptr_nonnull(block);
    return block;
}

static void trial_init(struct trial *trial, size_t vocab, unsigned threads)
{
    struct random random;
    random_seed(&random, 3, 0);
    *trial = (struct trial){.vocab = vocab, .size = 9, .rows = 7, .threads = threads};
    trial->weights = numbers(vocab * trial->size);
    trial->bias = numbers(vocab);
    trial->hidden = numbers(trial->rows * trial->size);
    trial->dweights = numbers(vocab * trial->size);
    trial->dbias = numbers(vocab);
    trial->dhidden = numbers(trial->rows * trial->size);
    trial->logprobs = numbers(trial->rows);
    trial->targets = memory_new_array(trial->rows, sizeof *trial->targets);
    gradient_fill(&random, vocab * trial->size, 0.5f, trial->weights);
    gradient_fill(&random, vocab, 0.5f, trial->bias);
    gradient_fill(&random, trial->rows * trial->size, 1, trial->hidden);
    for (size_t i = 0; i < trial->rows; i++)
        trial->targets[i] =
            (uint32_t)(i % 2 ? random_below(&random, vocab) : vocab - 1 - i % vocab);
    ck_assert_int_eq(
        softmax_full_new(vocab, trial->size, trial->rows, threads, &trial->softmax),
        ERR_OK);
}

static void trial_fini(struct trial *trial)
{
    softmax_full_free(trial->softmax);
    free(trial->weights);
    free(trial->bias);
    free(trial->hidden);
    free(trial->dweights);
    free(trial->dbias);
    free(trial->dhidden);
    free(trial->logprobs);
    free(trial->targets);
}

static void run(struct trial *trial, bool gradients)
{
    struct softmax_batch batch = {trial->rows,
                                  trial->size,
                                  trial->hidden,
                                  trial->targets,
                                  gradients ? trial->dhidden : NULL,
                                  trial->logprobs};
    ck_assert_int_eq(softmax_full_run(trial->softmax, trial->weights, trial->bias, &batch,
                                      trial->dweights, trial->dbias),
                     ERR_OK);
}

static double loss(void *context)
{
    struct trial *trial = context;
    double sum = 0;
    run(trial, false);
    for (size_t i = 0; i < trial->rows; i++)
        sum -= (double)trial->logprobs[i];
    return sum / (double)trial->rows;
}

static double naive_logprob(const struct trial *trial, size_t row)
{
    double sum = 0, wanted = 0;
    for (size_t word = 0; word < trial->vocab; word++) {
        double logit = (double)trial->bias[word];
        for (size_t j = 0; j < trial->size; j++)
            logit += (double)trial->weights[word * trial->size + j] *
                     (double)trial->hidden[row * trial->size + j];
        sum += exp(logit);
        if (word == trial->targets[row])
            wanted = logit;
    }
    return wanted - log(sum);
}

static const size_t vocabularies[] = {1, 2, 17, 1023, 1024, 1025, 2500};

START_TEST(logprobs_equal_the_definition)
{
    struct trial trial;
    trial_init(&trial, vocabularies[_i], 2);
    run(&trial, false);
    for (size_t row = 0; row < trial.rows; row++)
        ck_assert_double_eq_tol((double)trial.logprobs[row], naive_logprob(&trial, row),
                                1e-5);
    trial_fini(&trial);
}
END_TEST

START_TEST(gradients_match_finite_differences)
{
    struct trial trial;
    trial_init(&trial, vocabularies[_i], 2);
    run(&trial, true);
    size_t weights = trial.vocab * trial.size, hidden = trial.rows * trial.size;
    float *dhidden = numbers(hidden);
    memcpy(dhidden, trial.dhidden, hidden * sizeof *dhidden);
    /* Only the words at hand have gradients that float32 differences can see. */
    size_t target = trial.targets[0] * trial.size;
    ck_assert_double_lt(gradient_error(loss, &trial, trial.weights + target,
                                       trial.dweights + target, trial.size, 1e-2f),
                        1e-2);
    if (trial.vocab < 100) {
        ck_assert_double_lt(
            gradient_error(loss, &trial, trial.weights, trial.dweights, weights, 1e-2f),
            1e-2);
        ck_assert_double_lt(
            gradient_error(loss, &trial, trial.bias, trial.dbias, trial.vocab, 1e-2f),
            1e-2);
    }
    ck_assert_double_lt(
        gradient_error(loss, &trial, trial.hidden, dhidden, hidden, 1e-2f), 1e-2);
    free(dhidden);
    trial_fini(&trial);
}
END_TEST

START_TEST(a_thread_count_always_gives_the_same_bits)
{
    struct trial a, b, one;
    trial_init(&a, 2500, 2);
    trial_init(&b, 2500, 2);
    trial_init(&one, 2500, 1);
    run(&a, true);
    run(&b, true);
    run(&one, true);
    size_t hidden = a.rows * a.size, weights = a.vocab * a.size;
    ck_assert_mem_eq(a.dhidden, b.dhidden, hidden * sizeof *a.dhidden);
    ck_assert_mem_eq(a.dweights, b.dweights, weights * sizeof *a.dweights);
    ck_assert_mem_eq(a.dweights, one.dweights, weights * sizeof *a.dweights);
    for (size_t i = 0; i < hidden; i++)
        ck_assert_float_eq_tol(a.dhidden[i], one.dhidden[i], 1e-6f);
    trial_fini(&a);
    trial_fini(&b);
    trial_fini(&one);
}
END_TEST

START_TEST(logits_of_any_size_stay_finite)
{
    struct trial trial;
    trial_init(&trial, 2500, 1);
    for (size_t i = 0; i < trial.vocab; i++)
        trial.bias[i] = i == 7 ? 1e6f : i % 2 ? -1e6f : 1000.0f;
    trial.targets[0] = 7;
    run(&trial, true);
    ck_assert_float_eq_tol(trial.logprobs[0], 0, 1e-6f);
    for (size_t i = 0; i < trial.rows * trial.size; i++)
        ck_assert(isfinite(trial.dhidden[i]));
    trial_fini(&trial);
}
END_TEST

UNIT_SUITE(softmax)
{
    int count = (int)(sizeof vocabularies / sizeof *vocabularies);
    tcase_add_loop_test(unit, logprobs_equal_the_definition, 0, count);
    tcase_add_loop_test(unit, gradients_match_finite_differences, 1, count);
    tcase_add_test(unit, a_thread_count_always_gives_the_same_bits);
    tcase_add_test(unit, logits_of_any_size_stay_finite);
}

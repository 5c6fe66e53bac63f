/* SPDX-License-Identifier: MIT */
/* Output layers: log-probabilities and distributions against their definition in double,
 * gradients against finite differences, the same bits for a thread count, vocabularies
 * that do not fill a tile, clusters that no target is in. */
#include "tests/support/unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/nn/softmax.h"
#include "tests/unit/nn/gradient.h"

enum { SIZE = 9, ROWS = 7 };

struct trial {
    struct softmax_layout layout;
    size_t total;
    unsigned threads;
    float *values, *gradient, *hidden, *dhidden, *logprobs;
    uint32_t targets[ROWS];
    struct softmax *softmax;
    struct softmax_batch batch; /* of the last run */
};

static float *numbers(size_t count)
{
    float *block = memory_new_aligned(count, sizeof *block);
    ck_assert_ptr_nonnull(block);
    return block;
}

static size_t reserve(struct trial *trial, size_t count)
{
    size_t at = trial->total;
    trial->total += count;
    return at;
}

/* Clusters begin at vocab/4 and vocab/2; `projected` ones see 4 and 3 numbers. */
static void lay_out(struct trial *trial, uint32_t vocab, enum softmax_kind kind,
                    bool projected)
{
    struct softmax_layout *layout = &trial->layout;
    *layout = (struct softmax_layout){.kind = kind,
                                      .vocab = vocab,
                                      .never = SOFTMAX_NO_WORD,
                                      .shortlist = vocab,
                                      .size = SIZE,
                                      .samples = vocab / 2 + 1};
    if (kind == SOFTMAX_ADAPTIVE && vocab >= 8) {
        layout->cluster_count = 2;
        layout->shortlist = vocab / 4;
    }
    layout->weights_at = reserve(trial, layout->shortlist * SIZE);
    for (uint32_t k = 0; k < layout->cluster_count; k++) {
        uint32_t first = k ? vocab / 2 : vocab / 4, end = k ? vocab : vocab / 2;
        size_t width = projected ? 4 - k : SIZE;
        layout->clusters[k] = (struct softmax_cluster){
            first, end, width, reserve(trial, (end - first) * width), SOFTMAX_NOWHERE, 0};
        if (projected)
            layout->clusters[k].projection_at = reserve(trial, width * SIZE);
    }
    layout->cluster_weights_at = reserve(trial, layout->cluster_count * SIZE);
    layout->cluster_bias_at = reserve(trial, layout->cluster_count);
    layout->bias_at = reserve(trial, vocab);
}

static void trial_init(struct trial *trial, uint32_t vocab, unsigned threads,
                       enum softmax_kind kind, bool projected)
{
    struct random random;
    random_seed(&random, 3, 0);
    *trial = (struct trial){.threads = threads};
    lay_out(trial, vocab, kind, projected);
    trial->values = numbers(trial->total);
    trial->gradient = numbers(trial->total);
    trial->hidden = numbers(ROWS * SIZE);
    trial->dhidden = numbers(ROWS * SIZE);
    trial->logprobs = numbers(ROWS);
    gradient_fill(&random, trial->total, 0.5f, trial->values);
    gradient_fill(&random, ROWS * SIZE, 1, trial->hidden);
    for (size_t i = 0; i < ROWS; i++)
        trial->targets[i] =
            (uint32_t)(i % 2 ? random_below(&random, vocab) : vocab - 1 - i % vocab);
    trial->targets[3] = vocab * 3 / 8; /* so that every cluster has one */
    trial->targets[5] = 0;
    ck_assert_int_eq(softmax_new(&trial->layout, ROWS, threads, 5, &trial->softmax),
                     ERR_OK);
}

static void trial_fini(struct trial *trial)
{
    softmax_free(trial->softmax);
    free(trial->values);
    free(trial->gradient);
    free(trial->hidden);
    free(trial->dhidden);
    free(trial->logprobs);
}

static void run(struct trial *trial, bool gradients)
{
    trial->batch = (struct softmax_batch){.rows = ROWS,
                                          .size = SIZE,
                                          .hidden = trial->hidden,
                                          .targets = trial->targets,
                                          .dhidden = gradients ? trial->dhidden : NULL,
                                          .logprobs = trial->logprobs,
                                          .draw = 1};
    ck_assert_int_eq(softmax_run(trial->softmax, trial->values, &trial->batch,
                                 gradients ? trial->gradient : NULL),
                     ERR_OK);
}

static double mean_loss(const struct trial *trial)
{
    double sum = 0;
    for (size_t i = 0; i < ROWS; i++)
        sum -= (double)trial->logprobs[i];
    return sum / ROWS;
}

static double loss(void *context)
{
    run(context, false);
    return mean_loss(context);
}

/* ---- the definition ---- */

static double naive_logit(size_t size, const float *weights, float bias,
                          const double *hidden)
{
    double logit = (double)bias;
    for (size_t j = 0; j < size; j++)
        logit += (double)weights[j] * hidden[j];
    return logit;
}

static double naive_cluster(const struct trial *trial,
                            const struct softmax_cluster *cluster, const double *hidden,
                            uint32_t word)
{
    const float *values = trial->values;
    double narrow[SIZE], sum = 0, wanted = 0;
    for (size_t j = 0; j < cluster->width; j++)
        narrow[j] = cluster->projection_at == SOFTMAX_NOWHERE
                        ? hidden[j]
                        : naive_logit(SIZE, values + cluster->projection_at + j * SIZE, 0,
                                      hidden);
    for (uint32_t i = cluster->first; i < cluster->end; i++) {
        const float *row =
            values + cluster->weights_at + (i - cluster->first) * cluster->width;
        double logit =
            naive_logit(cluster->width, row, values[trial->layout.bias_at + i], narrow);
        sum += exp(logit);
        if (i == word)
            wanted = logit;
    }
    return wanted - log(sum);
}

static double naive_logprob(const struct trial *trial, size_t row, uint32_t word)
{
    const struct softmax_layout *layout = &trial->layout;
    const float *values = trial->values;
    double sum = 0, wanted = 0, hidden[SIZE];
    uint32_t cluster = softmax_cluster_of(layout, word);
    for (size_t j = 0; j < SIZE; j++)
        hidden[j] = (double)trial->hidden[row * SIZE + j];
    for (uint32_t i = 0; i < layout->shortlist; i++) {
        double logit = naive_logit(SIZE, values + layout->weights_at + i * SIZE,
                                   values[layout->bias_at + i], hidden);
        sum += exp(logit);
        if (i == word)
            wanted = logit;
    }
    for (uint32_t k = 0; k < layout->cluster_count; k++) {
        double logit = naive_logit(SIZE, values + layout->cluster_weights_at + k * SIZE,
                                   values[layout->cluster_bias_at + k], hidden);
        sum += exp(logit);
        if (k == cluster)
            wanted = logit;
    }
    wanted -= log(sum);
    return cluster == layout->cluster_count
               ? wanted
               : wanted + naive_cluster(trial, &layout->clusters[cluster], hidden, word);
}

/* ---- tests ---- */

static const uint32_t vocabularies[] = {1, 2, 17, 1023, 1024, 1025, 5000};
static const struct {
    enum softmax_kind kind;
    bool projected;
} forms[] = {
    {SOFTMAX_FULL, false},
    {SOFTMAX_ADAPTIVE, false},
    {SOFTMAX_ADAPTIVE, true},
    {SOFTMAX_SAMPLED, false}, /* without gradients it is the full one */
};
enum { FORMS = 4, EXACT_FORMS = 3, VOCABULARIES = 7 };

START_TEST(logprobs_equal_the_definition)
{
    struct trial trial;
    trial_init(&trial, vocabularies[_i % VOCABULARIES], 2, forms[_i / VOCABULARIES].kind,
               forms[_i / VOCABULARIES].projected);
    run(&trial, false);
    for (size_t row = 0; row < ROWS; row++)
        ck_assert_double_eq_tol((double)trial.logprobs[row],
                                naive_logprob(&trial, row, trial.targets[row]), 2e-5);
    trial_fini(&trial);
}
END_TEST

START_TEST(distributions_equal_the_definition)
{
    struct trial trial;
    uint32_t vocab = vocabularies[_i % VOCABULARIES];
    trial_init(&trial, vocab, 1, forms[_i / VOCABULARIES].kind,
               forms[_i / VOCABULARIES].projected);
    float *rows[ROWS];
    for (size_t i = 0; i < ROWS; i++)
        rows[i] = numbers(vocab);
    if (vocab > 2) {
        trial.layout.never = 1;
        trial.values[trial.layout.bias_at + 1] = -1e4f;
    }
    ck_assert_int_eq(
        softmax_distribution(&trial.layout, trial.values, ROWS, trial.hidden, rows),
        ERR_OK);
    for (size_t i = 0; i < ROWS; i++) {
        double sum = 0;
        for (uint32_t word = 0; word < vocab; word++)
            sum += exp((double)rows[i][word]);
        ck_assert_double_eq_tol(sum, 1, 1e-6);
        for (uint32_t word = 0; word < vocab; word += 1 + vocab / 40)
            if (word != trial.layout.never)
                ck_assert_double_eq_tol((double)rows[i][word],
                                        naive_logprob(&trial, i, word), 2e-5);
        if (vocab > 2)
            ck_assert(isinf(rows[i][1]));
        free(rows[i]);
    }
    trial_fini(&trial);
}
END_TEST

/* Only the words at hand have gradients that float32 differences can see: every target's
 * row is checked by itself. */
static void check_targets(struct trial *trial, const float *gradient)
{
    const struct softmax_layout *layout = &trial->layout;
    for (size_t i = 0; i < ROWS; i++) {
        uint32_t word = trial->targets[i], k = softmax_cluster_of(layout, word);
        size_t width = SIZE, at = layout->weights_at + word * width;
        if (k < layout->cluster_count) {
            const struct softmax_cluster *cluster = &layout->clusters[k];
            width = cluster->width;
            at = cluster->weights_at + (word - cluster->first) * width;
        }
        ck_assert_double_lt(
            gradient_error(loss, trial, trial->values + at, gradient + at, width, 1e-2f),
            1e-2);
    }
}

START_TEST(gradients_match_finite_differences)
{
    struct trial trial;
    uint32_t vocab = vocabularies[1 + _i % (VOCABULARIES - 1)];
    size_t form = (size_t)_i / (VOCABULARIES - 1);
    trial_init(&trial, vocab, 2, forms[form].kind, forms[form].projected);
    const struct softmax_layout *layout = &trial.layout;
    run(&trial, true);
    check_targets(&trial, trial.gradient);
    if (vocab < 100)
        ck_assert_double_lt(gradient_error(loss, &trial, trial.values, trial.gradient,
                                           trial.total, 1e-2f),
                            1e-2);
    for (uint32_t k = 0; k < layout->cluster_count; k++) {
        size_t at = layout->clusters[k].projection_at;
        ck_assert(trial.batch.active >> k & 1);
        if (at != SOFTMAX_NOWHERE)
            ck_assert_double_lt(gradient_error(loss, &trial, trial.values + at,
                                               trial.gradient + at,
                                               layout->clusters[k].width * SIZE, 1e-2f),
                                1e-2);
    }
    size_t at = layout->cluster_weights_at, count = layout->cluster_count;
    if (count > 0)
        ck_assert_double_lt(gradient_error(loss, &trial, trial.values + at,
                                           trial.gradient + at, count * SIZE, 1e-2f),
                            1e-2);
    ck_assert_double_lt(
        gradient_error(loss, &trial, trial.hidden, trial.dhidden, ROWS * SIZE, 1e-2f),
        1e-2);
    trial_fini(&trial);
}
END_TEST

/* A cluster without targets keeps out of it: its rows' gradient is not even cleared. */
START_TEST(clusters_without_targets_are_left_alone)
{
    struct trial trial;
    trial_init(&trial, 40, 1, SOFTMAX_ADAPTIVE, true);
    const struct softmax_cluster *cluster = &trial.layout.clusters[0];
    for (size_t i = 0; i < ROWS; i++)
        trial.targets[i] = (uint32_t)(i % 2 ? i : 30 + i);
    for (size_t i = 0; i < trial.total; i++)
        trial.gradient[i] = 77;
    run(&trial, true);
    ck_assert_uint_eq(trial.batch.active, 2);
    ck_assert_float_eq(trial.gradient[cluster->weights_at], 77);
    ck_assert_float_eq(trial.gradient[cluster->projection_at], 0);
    ck_assert_float_eq(trial.gradient[trial.layout.bias_at + cluster->first], 0);
    ck_assert_double_lt(
        gradient_error(loss, &trial, trial.hidden, trial.dhidden, ROWS * SIZE, 1e-2f),
        1e-2);
    trial_fini(&trial);
}
END_TEST

START_TEST(a_thread_count_always_gives_the_same_bits)
{
    struct trial a, b, one;
    enum softmax_kind kind = forms[_i].kind;
    trial_init(&a, 5000, 2, kind, forms[_i].projected);
    trial_init(&b, 5000, 2, kind, forms[_i].projected);
    trial_init(&one, 5000, 1, kind, forms[_i].projected);
    run(&a, true);
    run(&b, true);
    run(&one, true);
    ck_assert_mem_eq(a.dhidden, b.dhidden, ROWS * SIZE * sizeof *a.dhidden);
    ck_assert_mem_eq(a.gradient, b.gradient, a.total * sizeof *a.gradient);
    size_t head = a.layout.shortlist * SIZE;
    ck_assert_mem_eq(a.gradient, one.gradient, head * sizeof *a.gradient);
    for (size_t i = 0; i < ROWS * SIZE; i++)
        ck_assert_float_eq_tol(a.dhidden[i], one.dhidden[i], 1e-6f);
    trial_fini(&a);
    trial_fini(&b);
    trial_fini(&one);
}
END_TEST

START_TEST(logits_of_any_size_stay_finite)
{
    struct trial trial;
    trial_init(&trial, 2500, 1, forms[_i].kind, forms[_i].projected);
    float *bias = trial.values + trial.layout.bias_at;
    for (size_t i = 0; i < trial.layout.vocab; i++)
        bias[i] = i == 7 ? 1e6f : i % 2 ? -1e6f : 1000.0f;
    trial.targets[0] = 7;
    run(&trial, true);
    ck_assert_float_eq_tol(trial.logprobs[0], 0, 1e-6f);
    for (size_t i = 0; i < ROWS * SIZE; i++)
        ck_assert(isfinite(trial.dhidden[i]));
    trial_fini(&trial);
}
END_TEST

/* ---- the sample ---- */

/* The estimate that the sampled softmax differentiates, for one draw. */
static double estimated_loss(void *context)
{
    run(context, true);
    return mean_loss(context);
}

/* Rows of words that were not touched count as zero. */
static float *touched_gradient(const struct trial *trial)
{
    const struct softmax_layout *layout = &trial->layout;
    float *copy = numbers(trial->total);
    memcpy(copy + layout->bias_at, trial->gradient + layout->bias_at,
           layout->vocab * sizeof *copy);
    for (size_t i = 0; i < trial->batch.touched_count; i++) {
        size_t at = layout->weights_at + trial->batch.touched[i] * (size_t)SIZE;
        memcpy(copy + at, trial->gradient + at, SIZE * sizeof *copy);
    }
    return copy;
}

START_TEST(sampled_gradients_match_finite_differences)
{
    static const size_t samples[] = {1, 10, 30};
    for (size_t i = 0; i < 3; i++) {
        struct trial trial;
        trial_init(&trial, 40, 2, SOFTMAX_SAMPLED, false);
        trial.layout.samples = samples[i];
        estimated_loss(&trial);
        float *gradient = touched_gradient(&trial), *dhidden = numbers(ROWS * SIZE);
        memcpy(dhidden, trial.dhidden, ROWS * SIZE * sizeof *dhidden);
        ck_assert_uint_lt(trial.batch.touched_count, 40);
        ck_assert_double_lt(gradient_error(estimated_loss, &trial, trial.values, gradient,
                                           trial.total, 1e-2f),
                            1e-2);
        ck_assert_double_lt(gradient_error(estimated_loss, &trial, trial.hidden, dhidden,
                                           ROWS * SIZE, 1e-2f),
                            1e-2);
        free(gradient);
        free(dhidden);
        trial_fini(&trial);
    }
}
END_TEST

START_TEST(a_sample_of_all_is_the_full_softmax)
{
    struct trial full, sampled;
    trial_init(&full, 1025, 2, SOFTMAX_FULL, false);
    trial_init(&sampled, 1025, 2, SOFTMAX_SAMPLED, false);
    sampled.layout.samples = 2000;
    run(&full, true);
    run(&sampled, true);
    ck_assert_uint_eq(sampled.batch.touched_count, 1025);
    for (size_t i = 0; i < ROWS; i++)
        ck_assert_float_eq_tol(full.logprobs[i], sampled.logprobs[i], 1e-5f);
    for (size_t i = 0; i < full.total; i++)
        ck_assert_float_eq_tol(full.gradient[i], sampled.gradient[i], 1e-5f);
    for (size_t i = 0; i < ROWS * SIZE; i++)
        ck_assert_float_eq_tol(full.dhidden[i], sampled.dhidden[i], 1e-5f);
    trial_fini(&full);
    trial_fini(&sampled);
}
END_TEST

/* The mean of 1/p over many draws is the true one: the normaliser is not biased. */
START_TEST(samples_estimate_the_normaliser)
{
    enum { DRAWS = 4000 };
    struct trial trial;
    double mean[ROWS] = {0}, size = 0;
    trial_init(&trial, 300, 1, SOFTMAX_SAMPLED, false);
    trial.layout.samples = 60;
    for (size_t i = 0; i < DRAWS; i++) {
        struct softmax_batch batch = {.rows = ROWS,
                                      .size = SIZE,
                                      .hidden = trial.hidden,
                                      .targets = trial.targets,
                                      .dhidden = trial.dhidden,
                                      .logprobs = trial.logprobs,
                                      .draw = i};
        ck_assert_int_eq(softmax_run(trial.softmax, trial.values, &batch, trial.gradient),
                         ERR_OK);
        size += (double)batch.touched_count;
        for (size_t row = 0; row < ROWS; row++)
            mean[row] += exp(-(double)trial.logprobs[row]) / DRAWS;
    }
    ck_assert_double_ge(size / DRAWS, 60);
    ck_assert_double_le(size / DRAWS, 60 + ROWS);
    for (size_t row = 0; row < ROWS; row++) {
        double expected = exp(-naive_logprob(&trial, row, trial.targets[row]));
        ck_assert_double_eq_tol(mean[row] / expected, 1, 0.03);
    }
    trial_fini(&trial);
}
END_TEST

START_TEST(the_same_draw_takes_the_same_words)
{
    struct trial a, b;
    trial_init(&a, 5000, 1, SOFTMAX_SAMPLED, false);
    trial_init(&b, 5000, 1, SOFTMAX_SAMPLED, false);
    a.layout.samples = b.layout.samples = 200;
    run(&a, true);
    run(&b, true);
    run(&b, true);
    ck_assert_uint_eq(a.batch.touched_count, b.batch.touched_count);
    ck_assert_mem_eq(a.batch.touched, b.batch.touched,
                     a.batch.touched_count * sizeof *a.batch.touched);
    b.batch.draw = 2;
    b.batch.dhidden = b.dhidden;
    ck_assert_int_eq(softmax_run(b.softmax, b.values, &b.batch, b.gradient), ERR_OK);
    size_t count = b.batch.touched_count < a.batch.touched_count ? b.batch.touched_count
                                                                 : a.batch.touched_count;
    ck_assert_mem_ne(a.batch.touched, b.batch.touched, count * sizeof *a.batch.touched);
    for (size_t i = 0; i < b.batch.touched_count; i++)
        for (size_t j = 0; j < i; j++)
            ck_assert_uint_ne(b.batch.touched[i], b.batch.touched[j]);
    trial_fini(&a);
    trial_fini(&b);
}
END_TEST

/* ---- the start and the cutoffs ---- */

START_TEST(starts_with_the_frequencies)
{
    struct trial trial;
    double counts[40], total = 20;
    trial_init(&trial, 40, 1, forms[_i].kind, forms[_i].projected);
    memset(trial.values, 0, trial.total * sizeof *trial.values);
    for (size_t i = 0; i < 40; i++)
        total += counts[i] = (double)((40 - i) * (40 - i));
    softmax_start(&trial.layout, counts, trial.values);
    for (uint32_t word = 0; word < 40; word++)
        ck_assert_double_eq_tol(naive_logprob(&trial, 0, word),
                                log((counts[word] + 0.5) / total), 1e-5);
    trial_fini(&trial);
}
END_TEST

static double cost_of(const double *counts, uint32_t vocab, const uint32_t *cuts,
                      size_t count)
{
    double total = 0, cost = count ? cuts[0] : vocab;
    for (uint32_t i = 0; i < vocab; i++)
        total += counts[i];
    for (size_t k = 0; k < count; k++) {
        uint32_t end = k + 1 < count ? cuts[k + 1] : vocab;
        double mass = 0;
        for (uint32_t i = cuts[k]; i < end; i++)
            mass += counts[i];
        cost += mass / total * (end - cuts[k]);
    }
    return cost;
}

START_TEST(cutoffs_make_it_cheap)
{
    enum { VOCAB = 30000 };
    static double counts[VOCAB];
    uint32_t cuts[SOFTMAX_CLUSTERS_MAX];
    for (size_t i = 0; i < VOCAB; i++)
        counts[i] = 1e6 / (double)(i + 3);
    size_t count = softmax_cutoffs(counts, VOCAB, 1, cuts);
    ck_assert_uint_ge(count, 2);
    ck_assert_uint_ge(cuts[0], 3);
    for (size_t k = 1; k < count; k++)
        ck_assert_uint_lt(cuts[k - 1], cuts[k]);
    ck_assert_uint_lt(cuts[count - 1], VOCAB);
    double cost = cost_of(counts, VOCAB, cuts, count);
    ck_assert_double_lt(cost, VOCAB / 5.0);
    /* No single cut does as well. */
    for (uint32_t cut = 100; cut < VOCAB; cut += 500)
        ck_assert_double_lt(cost, cost_of(counts, VOCAB, &cut, 1));
    /* Nothing is gained over a few characters, nor over words of one frequency. */
    ck_assert_uint_eq(softmax_cutoffs(counts, 3, 1, cuts), 0);
    ck_assert_uint_eq(softmax_cutoffs(counts, 60, 1, cuts), 0);
    memset(counts, 0, sizeof counts);
    ck_assert_uint_le(softmax_cutoffs(counts, VOCAB, 4, cuts), SOFTMAX_CLUSTERS_MAX);
}
END_TEST

UNIT_SUITE(softmax)
{
    tcase_add_loop_test(unit, logprobs_equal_the_definition, 0, FORMS * VOCABULARIES);
    tcase_add_loop_test(unit, distributions_equal_the_definition, 0,
                        FORMS * VOCABULARIES);
    tcase_add_loop_test(unit, gradients_match_finite_differences, 0,
                        EXACT_FORMS * (VOCABULARIES - 1));
    tcase_add_test(unit, clusters_without_targets_are_left_alone);
    tcase_add_loop_test(unit, a_thread_count_always_gives_the_same_bits, 0, FORMS);
    tcase_add_loop_test(unit, logits_of_any_size_stay_finite, 0, EXACT_FORMS);
    tcase_add_test(unit, sampled_gradients_match_finite_differences);
    tcase_add_test(unit, a_sample_of_all_is_the_full_softmax);
    tcase_add_test(unit, samples_estimate_the_normaliser);
    tcase_add_test(unit, the_same_draw_takes_the_same_words);
    tcase_add_loop_test(unit, starts_with_the_frequencies, 0, EXACT_FORMS);
    tcase_add_test(unit, cutoffs_make_it_cheap);
}

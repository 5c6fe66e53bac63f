/* SPDX-License-Identifier: MIT */
/* Estimates from a sample: tokens grow with the text, words with its 0.55th power
 * (Heaps), different pairs with about its 0.65th. The costs are of one core of a server
 * of 2023; a machine half as fast takes twice as long, which is what an estimate may
 * miss. */
#include "model/vectors/vectors_estimate.h"

#include <math.h>
#include <string.h>

#include "model/vectors/id_corpus.h"
#include "model/vectors/vectors.h"
#include "model/vectors/vectors_epochs.h"
#include "model/vectors/vectors_kinds.h"

static const size_t sample_most = (size_t)8 << 20;
static const double read_cost = 1.2e-7;   /* a token: counted and encoded */
static const double step_cost = 2.5e-7;   /* a token of skip-gram, all at the defaults */
static const double count_cost = 3e-8;    /* a token and a place in its window */
static const double pair_cost = 1e-7;     /* a pair in an iteration of GloVe */
static const double product_cost = 4e-10; /* a pair and a dimension in one product */

struct size {
    double tokens, words, pairs, threads, dim;
};

/* Words on a side of a skip-gram window, on average. */
static double mean_reach(const struct params *params)
{
    double window = params_number(params, "window"), sum = 0;
    if (strcmp(params_choice(params, "reach"), "uniform") == 0)
        return (window + 1) / 2;
    for (double d = 1; d <= window; d++)
        sum += 1 / d;
    return sum;
}

static void estimate_negative(const struct train_spec *spec, const struct size *size,
                              struct train_estimate *estimate)
{
    const struct params *params = &spec->params;
    double tokens = size->tokens * vectors_epochs(spec, size->tokens);
    bool subwords = params_number(params, "max_subword") > 0;
    double rows = size->words + (subwords ? params_number(params, "subword_buckets") : 0);
    double shape = (params_number(params, "negatives") + 1) / 6 * size->dim / 112;
    if (spec->kind == &kind_skipgram)
        shape *= mean_reach(params) / 3;
    estimate->parameters = (uint64_t)(rows * params_number(params, "dim"));
    estimate->memory_bytes =
        (uint64_t)((rows + size->words) * size->dim * 4 + size->tokens * 4);
    estimate->bytes = (uint64_t)(rows * size->dim * 4 + size->words * 24);
    estimate->steps = (uint64_t)(tokens / (double)ID_CHUNK_TOKENS) + 1;
    estimate->seconds = tokens * step_cost * shape * (subwords ? 3 : 1) / size->threads;
}

static void estimate_pairs(const struct train_spec *spec, const struct size *size,
                           struct train_estimate *estimate)
{
    const struct params *params = &spec->params;
    uint64_t budget = spec->memory_bytes ? spec->memory_bytes : (uint64_t)1 << 30;
    double window = params_number(params, "window"), dim = params_number(params, "dim");
    estimate->seconds = size->tokens * window * count_cost / size->threads;
    estimate->bytes = (uint64_t)(size->words * (size->dim * 4 + 24));
    if (spec->kind == &kind_glove) {
        double iterations = vectors_epochs(spec, size->tokens);
        estimate->parameters = (uint64_t)(2 * size->words * (dim + 1));
        estimate->steps = (uint64_t)(size->pairs * iterations / 4096) + 1;
        estimate->memory_bytes = (uint64_t)(fmin(size->pairs * 16, (double)budget) +
                                            size->words * size->dim * 16);
        estimate->seconds +=
            size->pairs * iterations * pair_cost * size->dim / 112 / size->threads;
    } else {
        double products = 2 * params_number(params, "iterations") + 2;
        estimate->parameters = (uint64_t)(size->words * dim);
        estimate->steps = (uint64_t)products;
        estimate->memory_bytes =
            (uint64_t)(size->pairs * 8 + size->words * (size->dim + 16) * 8);
        estimate->seconds +=
            size->pairs * products * size->dim * product_cost / size->threads;
    }
    if (estimate->memory_bytes < budget)
        estimate->memory_bytes = budget;
}

static void measure(const struct train_spec *spec, const struct id_corpus *sample,
                    double scale, struct size *size)
{
    double tokens = (double)vocab_count(sample->vocab, VOCAB_UNK);
    for (uint32_t i = 0; i < sample->words; i++)
        tokens += (double)sample->counts[i];
    size->tokens = tokens * scale;
    size->words = sample->words * pow(scale, 0.55);
    size->threads = id_corpus_threads(spec);
    size->dim = (double)vectors_stride((uint32_t)params_number(&spec->params, "dim"));
    double window = params_number(&spec->params, "window");
    double millions = fmax(size->tokens / 1e6, 0.01);
    double most = 2 * window * size->tokens;
    size->pairs = fmin(most, 0.34 * window * pow(millions, -0.35) * size->tokens);
}

enum err vectors_estimate(const struct train_spec *spec, const struct train_input *input,
                          struct train_estimate *estimate, struct err_info *info)
{
    struct train_input sample = {.text = input->text};
    struct id_corpus *corpus;
    struct size size;
    *estimate = (struct train_estimate){0};
    if (sample.text.size > sample_most) {
        const char *end = memrchr(sample.text.bytes, '\n', sample_most);
        if (end)
            sample.text.size = (size_t)(end - sample.text.bytes) + 1;
    }
    enum err code = id_corpus_new(spec, &sample, false, NULL, &corpus, info);
    if (code)
        return err_finish(info, code);
    measure(spec, corpus, (double)input->text.size / (double)sample.text.size, &size);
    if (spec->kind == &kind_skipgram || spec->kind == &kind_cbow)
        estimate_negative(spec, &size, estimate);
    else
        estimate_pairs(spec, &size, estimate);
    estimate->seconds += size.tokens * read_cost / size.threads;
    if (spec->budget.seconds > 0)
        estimate->seconds = fmin(estimate->seconds, spec->budget.seconds);
    id_corpus_free(corpus);
    return ERR_OK;
}

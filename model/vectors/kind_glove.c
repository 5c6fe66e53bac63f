/* SPDX-License-Identifier: MIT */
/* The kind "glove": its parameters, and the way from a corpus to a model file. */
#include <stdlib.h>
#include <string.h>

#include "model/model.h"
#include "model/vectors/glove.h"
#include "model/vectors/spectrum.h"
#include "model/vectors/vectors_epochs.h"
#include "model/vectors/vectors_estimate.h"
#include "model/vectors/vectors_file.h"
#include "model/vectors/vectors_kinds.h"

static const struct param glove_params[] = {
    {"dim", PARAM_INTEGER, 1, 4096, "100", NULL, "Numbers in each vector"},
    {"window", PARAM_INTEGER, 1, COOCCURRENCE_WINDOW_MAX, "10", NULL,
     "Words on either side of a word that count as near it"},
    {"symmetric", PARAM_BOOLEAN, 0, 1, "true", NULL,
     "Words on both sides count, not only those before"},
    {"x_max", PARAM_NUMBER, 1e-3, 1e12, "100", NULL,
     "Pairs seen more often than this weigh no more; 10 suits corpora of some million "
     "words"},
    {"alpha", PARAM_NUMBER, 0, 10, "0.75", NULL,
     "How the weight of a pair rises with its count"},
    {"learning_rate", PARAM_NUMBER, 1e-6, 10, "0.05", NULL, "AdaGrad's step size"},
    {"output", PARAM_CHOICE, 0, 0, "sum", "sum|word|context|both",
     "Which of the two sets of vectors is kept: their sum, one of them, or one behind "
     "the "
     "other"},
    {"spectrum", PARAM_NUMBER, 0, 2, "0.75", NULL,
     "The singular values of the result are raised to this power: below 1 its strongest "
     "directions, which tell how frequent a word is, weigh less; 1 leaves the vectors as "
     "trained"},
    {"index", PARAM_BOOLEAN, 0, 1, "false", NULL,
     "An index for approximate search is built and stored with the model"},
    {NULL, PARAM_INTEGER, 0, 0, NULL, NULL, NULL}};

static enum glove_output output_of(const struct train_spec *spec)
{
    static const char *const names[] = {"sum", "word", "context", "both"};
    int output = 0;
    while (strcmp(names[output], params_choice(&spec->params, "output")) != 0)
        output++;
    return (enum glove_output)output;
}

static struct glove_settings settings_of(const struct train_spec *spec)
{
    const struct params *params = &spec->params;
    return (struct glove_settings){
        .dim = (uint32_t)params_number(params, "dim"),
        .x_max = params_number(params, "x_max"),
        .alpha = params_number(params, "alpha"),
        .rate = params_number(params, "learning_rate"),
        .seconds = spec->budget.seconds,
        .seed = spec->seed,
        .threads = id_corpus_threads(spec),
        .memory_bytes = spec->memory_bytes,
    };
}

static enum err count_pairs(const struct train_spec *spec,
                            const struct train_input *input,
                            const struct id_corpus *corpus,
                            const struct progress *progress, struct cooccurrence **out)
{
    struct cooccurrence_settings settings = {
        .window = (uint32_t)params_number(&spec->params, "window"),
        .symmetric = params_boolean(&spec->params, "symmetric"),
        .by_distance = true,
        .threads = id_corpus_threads(spec),
        .memory_bytes = spec->memory_bytes,
        .scratch_directory = input->scratch_directory,
    };
    return cooccurrence_count(corpus, &settings, progress, out);
}

static void fill_result(const struct glove_settings *settings,
                        const struct id_corpus *corpus, const struct glove *glove,
                        size_t pairs, struct train_result *result)
{
    result->parameters = 2 * (uint64_t)corpus->words * (settings->dim + 1);
    result->vocab_size = vocab_size(corpus->vocab);
    train_result_metric(result, "train_loss", glove_loss(glove));
    train_result_metric(result, "iterations", glove_iterations(glove));
    train_result_metric(result, "pairs", (double)pairs);
    train_result_metric(result, "deterministic", settings->threads == 1);
    if (settings->threads > 1)
        train_result_note(result,
                          "Trained by %u threads without locks: another run "
                          "gives slightly different vectors; threads 1 does not",
                          settings->threads);
}

static enum err write_vectors(const struct train_spec *spec,
                              const struct id_corpus *corpus, const struct glove *glove,
                              const struct progress *progress,
                              const struct writer *artefact,
                              const struct train_result *result)
{
    uint32_t dim;
    float *matrix = NULL;
    enum err code = glove_vectors(glove, output_of(spec), &dim, &matrix);
    if (!code)
        code = spectrum_raise(matrix, corpus->words, dim, vectors_stride(dim),
                              params_number(&spec->params, "spectrum"));
    if (!code)
        code = vectors_file_write_model(artefact, spec, corpus, matrix, dim, NULL,
                                        progress, result);
    free(matrix);
    return code;
}

static enum err train(const struct train_spec *spec, const struct train_input *input,
                      const struct progress *progress, const struct writer *artefact,
                      struct train_result *result, struct err_info *info)
{
    struct id_corpus *corpus = NULL;
    struct cooccurrence *counts = NULL;
    struct glove *glove = NULL;
    struct glove_settings settings = settings_of(spec);
    size_t pairs = 0;
    settings.scratch_directory = input->scratch_directory;
    enum err code = id_corpus_new(spec, input, true, progress, &corpus, info);
    if (!code) {
        settings.tokens = corpus->tokens;
        settings.iterations = vectors_epochs(spec, (double)corpus->tokens);
        code = count_pairs(spec, input, corpus, progress, &counts);
    }
    if (!code)
        code = glove_new(&settings, counts, &glove);
    if (!code)
        pairs = cooccurrence_full_count(counts);
    cooccurrence_free(counts);
    if (!code && input->resume.size)
        code = glove_restore(glove, input->resume, info);
    if (!code)
        code = glove_run(glove, progress);
    if (!code) {
        fill_result(&settings, corpus, glove, pairs, result);
        code = write_vectors(spec, corpus, glove, progress, artefact, result);
    }
    glove_free(glove);
    id_corpus_free(corpus);
    return code;
}

const struct kind kind_glove = {
    .name = "glove",
    .help = "Word vectors from global co-occurrence counts (GloVe)",
    .params = glove_params,
    .can = CAN_VECTORS,
    .tokenizer = {.unit = UNIT_WORD, .segment = SEGMENT_LINE, .min_count = 5},
    .train = train,
    .load = vectors_file_load,
    .estimate = vectors_estimate,
};

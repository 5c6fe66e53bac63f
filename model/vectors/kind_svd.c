/* SPDX-License-Identifier: MIT */
/* The kind "svd": word vectors as the leading singular vectors of the weighted
 * co-occurrence matrix, each scaled by a power of its singular value. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/model.h"
#include "model/vectors/svd.h"
#include "model/vectors/vectors_estimate.h"
#include "model/vectors/vectors_file.h"
#include "model/vectors/vectors_kinds.h"

enum { EXTRA = 10, DIM_MAX = 1000 };

static const struct param svd_params[] = {
    {"dim", PARAM_INTEGER, 1, DIM_MAX, "100", NULL, "Numbers in each vector"},
    {"window", PARAM_INTEGER, 1, COOCCURRENCE_WINDOW_MAX, "5", NULL,
     "Words on either side of a word that count as near it"},
    {"weighting", PARAM_CHOICE, 0, 0, "log", "log|ppmi|raw",
     "What stands in the matrix: log(1 + count), the positive pointwise mutual "
     "information, or the count itself"},
    {"shift", PARAM_NUMBER, 0, 100, "0", NULL,
     "Taken off the mutual information before its negative part is dropped; log k "
     "compares to k negatives of skip-gram"},
    {"context_power", PARAM_NUMBER, 0, 1, "0.75", NULL,
     "Contexts count to this power in the mutual information, so that rare ones do not "
     "stand out too much"},
    {"value_power", PARAM_NUMBER, 0, 1, "0.5", NULL,
     "Singular vectors are scaled by their value to this power"},
    {"iterations", PARAM_INTEGER, 0, 50, "3", NULL,
     "Rounds of refinement of the randomised factorisation"},
    {"index", PARAM_BOOLEAN, 0, 1, "false", NULL,
     "An index for approximate search is built and stored with the model"},
    {NULL, PARAM_INTEGER, 0, 0, NULL, NULL, NULL}};

static enum err make_matrix(const struct train_spec *spec,
                            const struct train_input *input,
                            const struct id_corpus *corpus,
                            const struct progress *progress, struct sparse **out,
                            struct err_info *info)
{
    *out = NULL;
    const struct params *params = &spec->params;
    struct cooccurrence_settings settings = {
        .window = (uint32_t)params_number(params, "window"),
        .symmetric = true,
        .by_distance = true,
        .threads = id_corpus_threads(spec),
        .memory_bytes = spec->memory_bytes,
        .scratch_directory = input->scratch_directory,
    };
    const char *choice = params_choice(params, "weighting");
    enum sparse_weighting weighting = strcmp(choice, "log") == 0    ? SPARSE_LOG
                                      : strcmp(choice, "ppmi") == 0 ? SPARSE_PPMI
                                                                    : SPARSE_RAW;
    struct cooccurrence *counts;
    enum err code = cooccurrence_count(corpus, &settings, progress, &counts);
    if (!code)
        code = sparse_from_counts(counts, weighting, params_number(params, "shift"),
                                  params_number(params, "context_power"), out);
    cooccurrence_free(counts);
    if (!code && (*out)->starts[(*out)->rows] == 0)
        return err_set(
            info, ERR_CORPUS_TOO_SMALL,
            "No pair of words is left in the matrix, so that all vectors would "
            "be zero: give more text or a smaller shift");
    return code;
}

/* Singular vectors [rows][stride] into word vectors of `dim` numbers. */
static enum err scale_vectors(const struct id_corpus *corpus, uint32_t dim,
                              const float *singular, size_t stride, const double *values,
                              double power, float **out)
{
    size_t to_stride = vectors_stride(dim);
    float *matrix = *out = memory_new_aligned(corpus->words, to_stride * sizeof *matrix);
    if (!matrix)
        return ERR_NO_MEMORY;
    for (uint32_t row = 0; row < corpus->words; row++)
        for (uint32_t d = 0; d < dim && d < stride; d++)
            matrix[row * to_stride + d] =
                (float)((double)singular[row * stride + d] * pow(values[d], power));
    return ERR_OK;
}

static enum err factor(const struct train_spec *spec, const struct sparse *sparse,
                       const struct progress *progress, struct id_corpus *corpus,
                       float **matrix, struct train_result *result)
{
    *matrix = NULL;
    double values[DIM_MAX];
    float *singular;
    size_t stride;
    struct svd_settings settings = {
        .rank = (uint32_t)params_number(&spec->params, "dim"),
        .extra = EXTRA,
        .iterations = (uint32_t)params_number(&spec->params, "iterations"),
        .seed = spec->seed,
        .threads = id_corpus_threads(spec),
    };
    enum err code = svd_factor(sparse, &settings, progress, &singular, &stride, values);
    if (!code)
        code = scale_vectors(corpus, settings.rank, singular, stride, values,
                             params_number(&spec->params, "value_power"), matrix);
    free(singular);
    if (code)
        return code;
    result->parameters = (uint64_t)corpus->words * settings.rank;
    result->vocab_size = vocab_size(corpus->vocab);
    train_result_metric(result, "entries", (double)sparse->starts[sparse->rows]);
    train_result_metric(result, "largest_singular_value", values[0]);
    train_result_metric(result, "smallest_singular_value", values[settings.rank - 1]);
    train_result_metric(result, "deterministic", settings.threads == 1);
    return ERR_OK;
}

static enum err train(const struct train_spec *spec, const struct train_input *input,
                      const struct progress *progress, const struct writer *artefact,
                      struct train_result *result, struct err_info *info)
{
    struct id_corpus *corpus = NULL;
    struct sparse *sparse = NULL;
    float *matrix = NULL;
    enum err code = id_corpus_new(spec, input, true, progress, &corpus, info);
    if (!code)
        code = make_matrix(spec, input, corpus, progress, &sparse, info);
    if (!code)
        code = factor(spec, sparse, progress, corpus, &matrix, result);
    if (!code)
        code = vectors_file_write_model(artefact, spec, corpus, matrix,
                                        (uint32_t)params_number(&spec->params, "dim"),
                                        NULL, progress, result);
    free(matrix);
    sparse_free(sparse);
    id_corpus_free(corpus);
    return code;
}

const struct kind kind_svd = {
    .name = "svd",
    .help = "Word vectors by a truncated singular value decomposition of the weighted "
            "co-occurrence matrix",
    .params = svd_params,
    .can = CAN_VECTORS,
    .tokenizer = {.unit = UNIT_WORD, .segment = SEGMENT_LINE, .min_count = 5},
    .train = train,
    .load = vectors_file_load,
    .estimate = vectors_estimate,
};

/* SPDX-License-Identifier: MIT */
/* The kinds "skipgram" and "cbow": their parameters, and the way from a corpus to a
 * model file. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/model.h"
#include "model/vectors/negative_sampling.h"
#include "model/vectors/vectors_epochs.h"
#include "model/vectors/vectors_estimate.h"
#include "model/vectors/vectors_file.h"
#include "model/vectors/vectors_kinds.h"

static const struct param negative_params[] = {
    {"dim", PARAM_INTEGER, 1, 4096, "100", NULL, "Numbers in each vector"},
    {"window", PARAM_INTEGER, 1, NEGATIVE_WINDOW_MAX, "5", NULL,
     "Most words on either side of a word that count as its context; the reach is drawn "
     "anew for each word"},
    {"reach", PARAM_CHOICE, 0, 0, "auto", "auto|uniform|harmonic",
     "How far the window reaches at each word: uniform from 1 to the window, or "
     "harmonic, "
     "at least d in one of d places; auto is harmonic for skipgram, uniform for cbow"},
    {"negatives", PARAM_INTEGER, 1, NEGATIVE_COUNT_MAX, "5", NULL,
     "Random words told from the true one at each step"},
    {"subsample", PARAM_NUMBER, 0, 1, "1e-4", NULL,
     "Words with a larger share of the text are thinned; 0 keeps all"},
    {"learning_rate", PARAM_NUMBER, 1e-6, 10, "0.05", NULL,
     "Step size at the start; it falls linearly to zero"},
    {"negative_power", PARAM_NUMBER, 0, 1, "0.75", NULL,
     "Negatives are drawn in proportion to their count to this power"},
    {"context_share", PARAM_NUMBER, 0, 1, "0.25", NULL,
     "Share of a word's vector as a context that is added to its own at the end; not "
     "with subwords"},
    {"min_subword", PARAM_INTEGER, 0, SUBWORDS_LENGTH_MAX, "0", NULL,
     "Shortest character n-gram of a word that has a vector of its own"},
    {"max_subword", PARAM_INTEGER, 0, SUBWORDS_LENGTH_MAX, "0", NULL,
     "Longest character n-gram of a word that has a vector of its own; 0: none"},
    {"subword_buckets", PARAM_INTEGER, 1, SUBWORDS_BUCKETS_MAX, "200000", NULL,
     "Vectors that the character n-grams share by their hash"},
    {"index", PARAM_BOOLEAN, 0, 1, "false", NULL,
     "An index for approximate search is built and stored with the model"},
    {NULL, PARAM_INTEGER, 0, 0, NULL, NULL, NULL}};

static bool is_harmonic(const struct train_spec *spec)
{
    const char *reach = params_choice(&spec->params, "reach");
    return strcmp(reach, "harmonic") == 0 ||
           (strcmp(reach, "auto") == 0 && spec->kind == &kind_skipgram);
}

static struct negative_settings settings_of(const struct train_spec *spec)
{
    const struct params *params = &spec->params;
    return (struct negative_settings){
        .cbow = spec->kind == &kind_cbow,
        .dim = (uint32_t)params_number(params, "dim"),
        .window = (uint32_t)params_number(params, "window"),
        .harmonic = is_harmonic(spec),
        .negatives = (uint32_t)params_number(params, "negatives"),
        .subsample = params_number(params, "subsample"),
        .rate = params_number(params, "learning_rate"),
        .context_share = params_number(params, "context_share"),
        .power = params_number(params, "negative_power"),
        .seconds = spec->budget.seconds,
        .seed = spec->seed,
        .threads = id_corpus_threads(spec),
    };
}

/* The character n-grams the parameters ask for, indexed; NULL when they ask for none. */
static enum err make_subwords(const struct train_spec *spec,
                              const struct id_corpus *corpus, struct subwords **out)
{
    *out = NULL;
    uint32_t minimum = (uint32_t)params_number(&spec->params, "min_subword");
    uint32_t maximum = (uint32_t)params_number(&spec->params, "max_subword");
    uint32_t buckets = (uint32_t)params_number(&spec->params, "subword_buckets");
    if (maximum == 0)
        return ERR_OK;
    enum err code = subwords_new(minimum ? minimum : 1, maximum, buckets, out);
    if (!code)
        code = subwords_index(*out, corpus->vocab, VOCAB_RESERVED);
    return code;
}

static enum err check(const struct params *params, struct err_info *info)
{
    double maximum = params_number(params, "max_subword");
    if (maximum > 0 && params_number(params, "min_subword") > maximum)
        return err_set_field(info, ERR_INVALID, "/params/min_subword",
                             "min_subword must not exceed max_subword");
    return ERR_OK;
}

static void fill_result(const struct negative_settings *settings,
                        const struct id_corpus *corpus, const struct subwords *subwords,
                        const struct negative_trainer *trainer,
                        struct train_result *result)
{
    uint64_t rows = corpus->words + (subwords ? subwords->buckets : 0);
    result->parameters = rows * settings->dim;
    result->vocab_size = vocab_size(corpus->vocab);
    train_result_metric(result, "train_loss", negative_sampling_loss(trainer));
    train_result_metric(result, "tokens", (double)negative_sampling_tokens(trainer));
    train_result_metric(result, "deterministic", settings->threads == 1);
    if (settings->threads > 1)
        train_result_note(result,
                          "Trained by %u threads without locks: another run "
                          "gives slightly different vectors; threads 1 does not",
                          settings->threads);
}

static enum err train(const struct train_spec *spec, const struct train_input *input,
                      const struct progress *progress, const struct writer *artefact,
                      struct train_result *result, struct err_info *info)
{
    struct id_corpus *corpus = NULL;
    struct subwords *subwords = NULL;
    struct negative_trainer *trainer = NULL;
    struct negative_settings settings = settings_of(spec);
    enum err code = id_corpus_new(spec, input, true, progress, &corpus, info);
    if (!code) {
        settings.epochs = vectors_epochs(spec, (double)corpus->tokens);
        code = make_subwords(spec, corpus, &subwords);
    }
    if (!code)
        code = negative_sampling_new(&settings, corpus, subwords, &trainer);
    if (!code && input->resume.size)
        code = negative_sampling_restore(trainer, input->resume, info);
    if (!code)
        code = negative_sampling_run(trainer, progress);
    if (!code) {
        fill_result(&settings, corpus, subwords, trainer, result);
        size_t stride;
        float *rows = negative_sampling_finish(trainer, &stride);
        if (subwords)
            subwords->rows = rows + corpus->words * stride;
        code = vectors_file_write_model(artefact, spec, corpus, rows, settings.dim,
                                        subwords, progress, result);
    }
    negative_sampling_free(trainer);
    subwords_free(subwords);
    id_corpus_free(corpus);
    return code;
}

const struct kind kind_skipgram = {
    .name = "skipgram",
    .help = "Word vectors that predict the words around each word (skip-gram with "
            "negative sampling)",
    .params = negative_params,
    .can = CAN_VECTORS,
    .tokenizer = {.unit = UNIT_WORD, .segment = SEGMENT_LINE, .min_count = 5},
    .check = check,
    .train = train,
    .load = vectors_file_load,
    .estimate = vectors_estimate,
};

const struct kind kind_cbow = {
    .name = "cbow",
    .help =
        "Word vectors whose mean around a gap predicts the word in it (continuous bag "
        "of words with negative sampling)",
    .params = negative_params,
    .can = CAN_VECTORS,
    .tokenizer = {.unit = UNIT_WORD, .segment = SEGMENT_LINE, .min_count = 5},
    .check = check,
    .train = train,
    .load = vectors_file_load,
    .estimate = vectors_estimate,
};

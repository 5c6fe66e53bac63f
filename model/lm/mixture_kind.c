/* SPDX-License-Identifier: MIT */
/* The model kind "mixture": several models over one vocabulary with weights learned by
 * expectation–maximisation on a text that should be none of their training texts.
 *
 * The file is self-contained: it holds the whole file of each part as a section of its
 * own, so that deleting or replacing a part later changes nothing. A part may be a
 * mixture again, up to MODEL_DEPTH_MAX.
 *
 * Sections besides the common ones: "weights" F64 [parts]; "model_0", "model_1", …. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "model/artefact.h"
#include "model/lm/lm.h"
#include "model/lm/lm_stream.h"
#include "model/lm/mixture.h"
#include "model/lm/scan.h"
#include "model/model.h"
#include "model/text/vocab.h"

/* Weights are few and settle on far less text than this. */
#define LEARN_TOKENS_MAX (4u << 20)

_Static_assert(MIXTURE_PARTS_MAX <= PARAM_LIST_MAX, "every part is named by a parameter");

struct parts {
    struct model *models[MIXTURE_PARTS_MAX];
    const struct lm *lms[MIXTURE_PARTS_MAX];
    size_t count;
};

static void parts_fini(struct parts *parts)
{
    for (size_t i = 0; i < parts->count; i++)
        model_release(parts->models[i]);
    parts->count = 0;
}

/* The usual cause is that a different part of one corpus was kept for validation. */
static enum err refuse_vocab(size_t number, const struct vocab *vocab,
                             const struct vocab *first, struct err_info *info)
{
    return err_set_field(
        info, ERR_VOCAB_MISMATCH, "/params/models",
        "Model %zu of the mixture has a vocabulary of %u words, the first one another of "
        "%u: train both on the same corpus with the same tokenizer settings and the same "
        "valid (best the name of a validation corpus, so that all of the corpus counts)",
        number, vocab_size(vocab), vocab_size(first));
}

/* Adds the model in `file`, which must score and share the first one's words. */
static enum err parts_add(struct parts *parts, struct span file, unsigned depth,
                          struct err_info *info)
{
    struct model *model;
    enum err code;
    if ((uintptr_t)file.bytes % MEMORY_ALIGNMENT != 0)
        return err_set(info, ERR_BAD_MODEL_FILE, "A part of the mixture is misaligned");
    code = model_load_component(file, depth, &model, info);
    if (code)
        return code;
    parts->models[parts->count] = model;
    parts->lms[parts->count++] = model->lm;
    if (!model->lm)
        return err_set_field(info, ERR_NOT_ABLE, "/params/models",
                             "Model %zu of the mixture, of kind %s, is no language model",
                             parts->count, model->kind->name);
    const struct model *first = parts->models[0];
    const struct tokenizer_settings *mine = tokenizer_get_settings(model->tokenizer);
    const struct tokenizer_settings *theirs = tokenizer_get_settings(first->tokenizer);
    if (mine->unit != theirs->unit || mine->lowercase != theirs->lowercase)
        return err_set_field(
            info, ERR_VOCAB_MISMATCH, "/params/models",
            "Model %zu of the mixture has not the first one's tokenizer: "
            "train both with the same unit and lowercase",
            parts->count);
    if (!mixture_same_vocab(model->vocab, first->vocab))
        return refuse_vocab(parts->count, model->vocab, first->vocab, info);
    return ERR_OK;
}

/* ---- learning ---- */

/* What one thread has scored: tokens side by side for all parts. */
struct scored {
    float *logprobs[MIXTURE_PARTS_MAX];           /* [parts][capacity] */
    struct lm_stream *streams[MIXTURE_PARTS_MAX]; /* NULL: each segment on its own */
    size_t count, capacity;
};

struct learning {
    const struct parts *parts;
    size_t tokens_max; /* a thread's share */
    struct scored scored[PARALLEL_THREADS_MAX];
};

static enum err scored_grow(struct scored *scored, size_t parts, size_t needed)
{
    enum err code = ERR_OK;
    size_t capacity = scored->capacity;
    for (size_t i = 0; i < parts && !code; i++) {
        capacity = scored->capacity;
        code = memory_grow(&scored->logprobs[i], &capacity, needed,
                           sizeof *scored->logprobs[i]);
    }
    if (!code)
        scored->capacity = capacity;
    return code;
}

static enum err score_batch_with_parts(void *context, const struct scan_batch *batch)
{
    struct learning *learning = context;
    struct scored *scored = &learning->scored[batch->thread];
    if (scored->count >= learning->tokens_max)
        return ERR_OK; /* enough; the scan runs on quickly */
    enum err code =
        scored_grow(scored, learning->parts->count, scored->count + batch->token_count);
    for (size_t i = 0; i < learning->parts->count && !code; i++) {
        const struct lm *lm = learning->parts->lms[i];
        struct lm_stream *stream = scored->streams[i];
        code = stream ? lm_stream_score(stream, batch->segments, batch->segment_count)
                      : lm->ops->score(lm, batch->segments, batch->segment_count);
        memcpy(scored->logprobs[i] + scored->count, batch->logprobs,
               batch->token_count * sizeof *batch->logprobs);
    }
    scored->count += code ? 0 : batch->token_count;
    return code;
}

/* Joins what the threads scored into the first one's arrays. */
static enum err join_scored(struct learning *learning, struct scored **joined)
{
    struct scored *first = &learning->scored[0];
    size_t total = 0, parts = learning->parts->count;
    for (size_t t = 0; t < PARALLEL_THREADS_MAX; t++)
        total += learning->scored[t].count;
    enum err code = scored_grow(first, parts, total);
    for (size_t t = 1; t < PARALLEL_THREADS_MAX && !code; t++) {
        const struct scored *more = &learning->scored[t];
        for (size_t i = 0; i < parts && more->count > 0; i++)
            memcpy(first->logprobs[i] + first->count, more->logprobs[i],
                   more->count * sizeof *more->logprobs[i]);
        first->count += more->count;
    }
    *joined = first;
    return code;
}

static enum err find_weights(struct learning *learning, double *weights,
                             struct train_result *result, struct err_info *info)
{
    struct scored *scored;
    unsigned rounds;
    size_t parts = learning->parts->count;
    enum err code = join_scored(learning, &scored);
    if (code)
        return code;
    if (scored->count == 0)
        return err_set(info, ERR_EMPTY_CORPUS, "The corpus holds no text to learn from");
    for (size_t i = 0; i < parts; i++)
        weights[i] = 1;
    double mean = mixture_learn_weights((const float *const *)scored->logprobs, parts,
                                        scored->count, weights, &rounds);
    if (!isfinite(mean))
        return err_set(info, ERR_CORPUS_TOO_SMALL,
                       "No model of the mixture can explain any token of the corpus");
    train_result_metric(result, "em_rounds", rounds);
    train_result_metric(result, "em_tokens", (double)scored->count);
    train_result_metric(result, "em_perplexity", exp(-mean));
    return ERR_OK;
}

/* A stream for each part and thread, where the weights are to suit scoring in order. */
static enum err open_streams(struct learning *learning, const struct train_spec *spec)
{
    struct lm_stream_options options = {.carry = params_boolean(&spec->params, "carry")};
    if (params_boolean(&spec->params, "cache"))
        options.cache = lm_cache_usual;
    enum err code = ERR_OK;
    for (unsigned t = 0; t < train_threads(spec) && lm_stream_wanted(&options); t++)
        for (size_t i = 0; i < learning->parts->count && !code; i++)
            code = lm_stream_open(learning->parts->lms[i], &options,
                                  &learning->scored[t].streams[i]);
    return code;
}

static void learning_free(struct learning *learning)
{
    for (size_t t = 0; t < PARALLEL_THREADS_MAX; t++)
        for (size_t i = 0; i < MIXTURE_PARTS_MAX; i++) {
            free(learning->scored[t].logprobs[i]);
            lm_stream_free(learning->scored[t].streams[i]);
        }
    free(learning);
}

static bool any_slow(const struct parts *parts)
{
    bool slow = false;
    for (size_t i = 0; i < parts->count; i++)
        slow = slow || !parts->lms[i]->cheap;
    return slow;
}

static enum err learn_weights(const struct parts *parts, const struct train_spec *spec,
                              const struct train_input *input,
                              const struct progress *progress, double *weights,
                              struct train_result *result, struct err_info *info)
{
    struct learning *learning = memory_new_array(1, sizeof *learning);
    if (!learning)
        return ERR_NO_MEMORY;
    learning->parts = parts;
    learning->tokens_max = LEARN_TOKENS_MAX / train_threads(spec);
    struct scan scan = {.tokenizer = parts->models[0]->tokenizer,
                        .vocab = parts->models[0]->vocab,
                        .text = input->text,
                        .threads = train_threads(spec),
                        .progress = progress,
                        .phase = "scoring",
                        .slow = any_slow(parts),
                        .visit = score_batch_with_parts,
                        .context = learning};
    enum err code = open_streams(learning, spec);
    if (!code)
        code = scan_run(&scan);
    if (!code)
        code = find_weights(learning, weights, result, info);
    learning_free(learning);
    return code;
}

/* ---- writing ---- */

static enum err write_parts(struct artefact_writer *writer,
                            const struct train_input *input, const double *weights)
{
    uint64_t count = input->component_count;
    enum err code = artefact_put(writer, "weights", ARTEFACT_F64, 1, &count, weights);
    for (size_t i = 0; i < count && !code; i++) {
        char name[ARTEFACT_NAME_SIZE];
        uint64_t size = input->components[i].size;
        snprintf(name, sizeof name, "model_%zu", i);
        code = artefact_put(writer, name, ARTEFACT_BYTES, 1, &size,
                            input->components[i].bytes);
    }
    return code;
}

static enum err write_mixture(const struct train_spec *spec,
                              const struct train_input *input, const struct parts *parts,
                              const double *weights, const struct writer *artefact,
                              const struct train_result *result)
{
    struct artefact_writer *writer;
    struct train_spec told = *spec;
    const struct model *first = parts->models[0];
    told.tokenizer = *tokenizer_get_settings(first->tokenizer);
    enum err code = artefact_begin(artefact, spec->kind->name, &writer);
    if (!code)
        code = model_write_head(writer, &told, first->tokenizer, first->vocab);
    if (!code)
        code = write_parts(writer, input, weights);
    if (!code)
        code = model_write_result(writer, result);
    if (!code)
        code = artefact_finish(writer);
    artefact_writer_free(writer);
    return code;
}

/* ---- the kind ---- */

static enum err mixture_check(const struct params *params, struct err_info *info)
{
    if (params_value(params, "models")->list_count < 2)
        return err_set_field(info, ERR_INVALID, "/params/models",
                             "models must name 2 to %u language models that share a "
                             "vocabulary (default: none)",
                             MIXTURE_PARTS_MAX);
    return ERR_OK;
}

static enum err check_components(const struct train_spec *spec,
                                 const struct train_input *input, struct err_info *info)
{
    const struct param_value *names = params_value(&spec->params, "models");
    if (input->component_count != names->list_count)
        return err_set(info, ERR_INTERNAL, "The mixture's models were not handed over");
    return ERR_OK;
}

static enum err open_components(const struct train_input *input, struct parts *parts,
                                struct err_info *info)
{
    enum err code = ERR_OK;
    for (size_t i = 0; i < input->component_count && !code; i++)
        code = parts_add(parts, input->components[i], 1, info);
    return code;
}

static void summarise(const struct parts *parts, const double *weights,
                      struct train_result *result)
{
    result->vocab_size = parts->lms[0]->vocab_size;
    result->parameters = parts->count;
    for (size_t i = 0; i < parts->count; i++) {
        char name[32];
        snprintf(name, sizeof name, "weight_%zu", i);
        train_result_metric(result, name, weights[i]);
        result->parameters += parts->models[i]->result.parameters;
    }
}

static enum err mixture_train(const struct train_spec *spec,
                              const struct train_input *input,
                              const struct progress *progress,
                              const struct writer *artefact, struct train_result *result,
                              struct err_info *info)
{
    struct parts parts = {0};
    struct lm *lm = NULL;
    double weights[MIXTURE_PARTS_MAX] = {0};
    enum err code = check_components(spec, input, info);
    if (!code)
        code = open_components(input, &parts, info);
    if (!code)
        code = learn_weights(&parts, spec, input, progress, weights, result, info);
    if (!code)
        code = mixture_lm_new(parts.lms, weights, parts.count, &lm, info);
    if (!code) {
        summarise(&parts, weights, result);
        code = train_evaluate(lm, parts.models[0]->tokenizer, parts.models[0]->vocab,
                              input->valid, train_threads(spec), progress, result);
    }
    if (!code)
        code = write_mixture(spec, input, &parts, weights, artefact, result);
    if (lm)
        lm->ops->free(lm);
    parts_fini(&parts);
    return code;
}

static enum err mixture_load(struct model *model, const struct artefact *artefact,
                             struct err_info *info)
{
    const struct artefact_section *weights, *section;
    struct parts parts = {0};
    enum err code = artefact_need(artefact, "weights", ARTEFACT_F64, 1, &weights, info);
    if (code)
        return code;
    if (weights->shape[0] < 1 || weights->shape[0] > MIXTURE_PARTS_MAX)
        return err_set(info, ERR_BAD_MODEL_FILE,
                       "The model file has an unusable number of mixture weights");
    for (size_t i = 0; i < weights->shape[0] && !code; i++) {
        char name[ARTEFACT_NAME_SIZE];
        snprintf(name, sizeof name, "model_%zu", i);
        code = artefact_need(artefact, name, ARTEFACT_BYTES, 1, &section, info);
        if (!code)
            code = parts_add(&parts, section->content, model->depth + 1, info);
    }
    if (!code && !mixture_same_vocab(model->vocab, parts.models[0]->vocab))
        code = err_set(info, ERR_BAD_MODEL_FILE,
                       "The model file's vocabulary is not that of its parts");
    if (!code)
        code = mixture_lm_new(parts.lms, (const double *)weights->content.bytes,
                              parts.count, &model->lm, info);
    if (code) {
        parts_fini(&parts);
        return code;
    }
    mixture_lm_own(model->lm, parts.models, parts.count);
    return ERR_OK;
}

static const struct param mixture_params[] = {
    {"models", PARAM_NAMES, 0, 0, "", NULL,
     "names of the language models to mix; they must share a vocabulary"},
    {"carry", PARAM_BOOLEAN, 0, 0, "false", NULL,
     "The weights are for scoring one text in order, with carry"},
    {"cache", PARAM_BOOLEAN, 0, 0, "false", NULL,
     "The weights are for scoring one text in order, with a cache (the usual settings)"},
    {0},
};

extern const struct kind kind_mixture;
const struct kind kind_mixture = {
    .name = "mixture",
    .help = "Mixture of language models with weights learned by EM on the corpus",
    .params = mixture_params,
    .can = CAN_SCORE,
    .tokenizer = {.unit = UNIT_WORD, .segment = SEGMENT_LINE, .min_count = 1},
    .check = mixture_check,
    .train = mixture_train,
    .load = mixture_load,
};

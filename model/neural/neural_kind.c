/* SPDX-License-Identifier: MIT */
/* The kinds "nplm", "rnn", "gru", "lstm" and "mlstm": their parameters, and how they get
 * into a model file and out of it. A file holds one section a tensor, by the names and
 * shapes that shape.c gives for the parameters in it; nothing in it is trusted. */
#include "model/neural/neural_kinds.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "model/model.h"
#include "model/neural/fit.h"
#include "model/neural/neural_lm.h"
#include "model/nn/gemm.h"
#include "model/vectors/vectors.h"
#include "model/vectors/vectors_file.h"

#define COMMON_PARAMS(dropout_)                                                          \
    {"optimizer",                                                                        \
     PARAM_CHOICE,                                                                       \
     0,                                                                                  \
     0,                                                                                  \
     "adam",                                                                             \
     OPTIMIZER_NAMES,                                                                    \
     "How parameters follow the gradient"},                                              \
        {"learning_rate",                                                                \
         PARAM_NUMBER,                                                                   \
         0,                                                                              \
         1e12,                                                                           \
         "0",                                                                            \
         NULL,                                                                           \
         "Size of a step; 0: what suits the optimizer (adam 0.002, rmsprop 0.001, "      \
         "adagrad 0.05, momentum and nesterov 0.1, sgd 1; of rnn half as much)"},        \
        {"schedule",                                                                     \
         PARAM_CHOICE,                                                                   \
         0,                                                                              \
         0,                                                                              \
         "cosine",                                                                       \
         SCHEDULE_NAMES,                                                                 \
         "How the learning rate falls over the budget; plateau quarters it whenever "    \
         "the "                                                                          \
         "validation loss does not fall"},                                               \
        {"warmup",                                                                       \
         PARAM_NUMBER,                                                                   \
         0,                                                                              \
         0.5,                                                                            \
         "0",                                                                            \
         NULL,                                                                           \
         "Part of the budget in which the learning rate rises from zero"},               \
        {"clip_norm",                                                                    \
         PARAM_NUMBER,                                                                   \
         0,                                                                              \
         1e9,                                                                            \
         "1",                                                                            \
         NULL,                                                                           \
         "Longest gradient; longer ones are scaled down to it; 0: no limit"},            \
        {"dropout",                                                                      \
         PARAM_NUMBER,                                                                   \
         0,                                                                              \
         0.95,                                                                           \
         dropout_,                                                                       \
         NULL,                                                                           \
         "Share of units left out in training, the same over all steps of a batch"},     \
        {"word_dropout",                                                                 \
         PARAM_NUMBER,                                                                   \
         0,                                                                              \
         0.95,                                                                           \
         "0",                                                                            \
         NULL,                                                                           \
         "Share of the vocabulary's words left out of each batch's input"},              \
        {"layer_norm",                                                                   \
         PARAM_BOOLEAN,                                                                  \
         0,                                                                              \
         0,                                                                              \
         "false",                                                                        \
         NULL,                                                                           \
         "Normalises each recurrent layer's output, or the hidden layer's input"},       \
        {"weight_decay",                                                                 \
         PARAM_NUMBER,                                                                   \
         0,                                                                              \
         10,                                                                             \
         "0",                                                                            \
         NULL,                                                                           \
         "Shrinking of all parameters, times the learning rate, at each step"},          \
        {"averaging",                                                                    \
         PARAM_CHOICE,                                                                   \
         0,                                                                              \
         0,                                                                              \
         "none",                                                                         \
         FIT_AVERAGING_NAMES,                                                            \
         "Keeps a mean of the parameters: of the second half of the steps (polyak), "    \
         "exponentially fading (ema), or from when the validation loss stops falling "   \
         "(triggered, as in AWD-LSTM; with a constant schedule)"},                       \
        {"trigger",                                                                      \
         PARAM_INTEGER,                                                                  \
         1,                                                                              \
         1000,                                                                           \
         "5",                                                                            \
         NULL,                                                                           \
         "Validations without a better one after which triggered averaging begins"},     \
        {"validate_every",                                                               \
         PARAM_NUMBER,                                                                   \
         0.001,                                                                          \
         1000,                                                                           \
         "1",                                                                            \
         NULL,                                                                           \
         "Epochs between two validations; 0.25: four in an epoch"},                      \
        {"softmax",                                                                      \
         PARAM_CHOICE,                                                                   \
         0,                                                                              \
         0,                                                                              \
         "full",                                                                         \
         SOFTMAX_NAMES,                                                                  \
         "The output layer: over the whole vocabulary; adaptive, with rare words in "    \
         "clusters that are computed only where they occur; or learned on a sample of "  \
         "the vocabulary in each batch, and used in full"},                              \
        {"cutoffs",                                                                      \
         PARAM_INTEGERS,                                                                 \
         VOCAB_RESERVED,                                                                 \
         VOCAB_SIZE_MAX,                                                                 \
         "",                                                                             \
         NULL,                                                                           \
         "Of the adaptive softmax: the ranks, by falling frequency, at which clusters "  \
         "begin; at most 8; none: chosen to be fast for the corpus"},                    \
        {"tail_reduction",                                                               \
         PARAM_NUMBER,                                                                   \
         1,                                                                              \
         64,                                                                             \
         "4",                                                                            \
         NULL,                                                                           \
         "Of the adaptive softmax when not tied: how many times narrower than the one "  \
         "before each cluster's vectors are"},                                           \
        {"samples",                                                                      \
         PARAM_INTEGER,                                                                  \
         1,                                                                              \
         VOCAB_SIZE_MAX,                                                                 \
         "4096",                                                                         \
         NULL,                                                                           \
         "Of the sampled softmax: words a batch is set off against, on average"},        \
    {                                                                                    \
        NULL, PARAM_INTEGER, 0, 0, NULL, NULL, NULL                                      \
    }

static const struct param recurrent_params[] = {
    {"embedding_size", PARAM_INTEGER, 1, VECTORS_DIM_MAX, "256", NULL,
     "Numbers in a word's vector"},
    {"hidden_size", PARAM_INTEGER, 1, VECTORS_DIM_MAX, "256", NULL,
     "Units of a layer; of the last one as many as embedding_size when tied"},
    {"layers", PARAM_INTEGER, 1, SHAPE_LAYERS_MAX, "1", NULL, "Recurrent layers"},
    {"tied", PARAM_BOOLEAN, 0, 0, "true", NULL,
     "The output layer uses the words' vectors"},
    {"bptt", PARAM_INTEGER, 1, 1024, "35", NULL,
     "Steps the gradient is carried back through"},
    {"batch_size", PARAM_INTEGER, 1, 4096, "20", NULL, "Sequences learned side by side"},
    {"input_dropout", PARAM_NUMBER, -1, 0.95, "-1", NULL,
     "Dropout on the words' vectors; -1: as dropout"},
    {"output_dropout", PARAM_NUMBER, -1, 0.95, "-1", NULL,
     "Dropout on the last layer's output; -1: as dropout"},
    {"recurrent_dropout", PARAM_NUMBER, 0, 0.95, "0", NULL,
     "Share of the recurrent weights left out of each batch"},
    {"activation_penalty", PARAM_NUMBER, 0, 1e3, "0", NULL,
     "Weight of the mean square of the last layer's output"},
    {"slowness_penalty", PARAM_NUMBER, 0, 1e3, "0", NULL,
     "Weight of the mean square of its change from word to word"},
    COMMON_PARAMS("0.2")};

static const struct param feedforward_params[] = {
    {"context", PARAM_INTEGER, 1, SHAPE_CONTEXT_MAX, "4", NULL,
     "Words before the predicted one that the model sees"},
    {"embedding_size", PARAM_INTEGER, 1, VECTORS_DIM_MAX, "100", NULL,
     "Numbers in a word's vector"},
    {"hidden_size", PARAM_INTEGER, 1, VECTORS_DIM_MAX, "200", NULL,
     "Units of the hidden layer; as many as embedding_size when tied"},
    {"activation", PARAM_CHOICE, 0, 0, "tanh", SHAPE_ACTIVATIONS,
     "What the hidden units make of their input"},
    {"direct", PARAM_BOOLEAN, 0, 0, "false", NULL,
     "Connects the words' vectors to the output directly, too"},
    {"tied", PARAM_BOOLEAN, 0, 0, "false", NULL,
     "The output layer uses the words' vectors"},
    {"batch_size", PARAM_INTEGER, 1, 65536, "128", NULL, "Examples a step"},
    {"input_dropout", PARAM_NUMBER, -1, 0.95, "0.2", NULL,
     "Dropout on the words' vectors; -1: as dropout"},
    COMMON_PARAMS("0.4")};

static void settle(struct params *params)
{
    params_settle(params, "learning_rate", fit_learning_rate(params));
    params_settle(params, "input_dropout", fit_dropout(params, "input_dropout"));
    if (cell_find(params->kind->name))
        params_settle(params, "output_dropout", fit_dropout(params, "output_dropout"));
}

/* ---- training ---- */

static enum err put_tensors(struct artefact_writer *writer, const struct shape *shape,
                            const float *values)
{
    enum err code = ERR_OK;
    for (size_t i = 0; i < shape->tensor_count && !code; i++) {
        const struct shape_tensor *tensor = &shape->tensors[i];
        const uint64_t sizes[2] = {tensor->rows, tensor->columns};
        code = artefact_put(writer, tensor->name, ARTEFACT_F32, 2, sizes,
                            values + tensor->at);
    }
    return code;
}

static enum err write_model(const struct fit *fit, const struct writer *to,
                            const struct train_result *result)
{
    struct artefact_writer *writer = NULL;
    struct train_spec *spec = memory_new_array(1, sizeof *spec);
    if (!spec)
        return ERR_NO_MEMORY;
    *spec = *fit->spec;
    enum err code = shape_write_cutoffs(&fit->shape, &spec->params, NULL);
    if (!code)
        code = artefact_begin(to, spec->kind->name, &writer);
    if (!code)
        code = model_write_head(writer, spec, fit->tokenizer, fit->vocab);
    if (!code)
        code = put_tensors(writer, &fit->shape, fit_values(fit));
    if (!code)
        code = model_write_result(writer, result);
    if (!code)
        code = artefact_finish(writer);
    artefact_writer_free(writer);
    free(spec);
    return code;
}

static uint64_t parameters_of(const struct shape *shape)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < shape->tensor_count; i++)
        sum += (uint64_t)shape->tensors[i].rows * shape->tensors[i].columns;
    return sum;
}

static enum err conclude(const struct fit *fit, const struct progress *progress,
                         struct train_result *result)
{
    /* The curve has this model's perplexity, at its step. */
    struct progress no_curve = progress ? *progress : (struct progress){0};
    struct lm *lm;
    no_curve.metric = NULL;
    result->parameters = parameters_of(&fit->shape);
    result->vocab_size = fit->shape.vocab;
    if (fit->averaging != AVERAGING_NONE)
        train_result_metric(result, "averaged_steps", (double)fit->state.averaged);
    train_result_metric(result, "steps", (double)fit->state.step);
    train_result_metric(result, "epochs",
                        (double)fit->state.step / (double)fit->steps_per_epoch);
    if (fit->state.has_best)
        train_result_metric(result, "best_step", (double)fit->state.best_step);
    enum err code = neural_lm_new(&fit->shape, fit_values(fit), &lm);
    if (code)
        return code;
    code = train_evaluate(lm, fit->tokenizer, fit->vocab, fit->input->valid,
                          train_threads(fit->spec), &no_curve, result);
    lm->ops->free(lm);
    /* The evaluation knows nothing of steps: the last word is the training's. */
    struct progress_report report = {.fraction = 1,
                                     .epoch = (double)fit->state.step /
                                              (double)fit->steps_per_epoch,
                                     .step = fit->state.step,
                                     .steps_total = fit->state.step,
                                     .tokens = fit->state.tokens,
                                     .phase = "training"};
    if (!code && progress_report(progress, &report) == PROGRESS_STOP)
        code = ERR_CANCELLED;
    return code;
}

static enum err train(const struct train_spec *spec, const struct train_input *input,
                      const struct progress *progress, const struct writer *artefact,
                      struct train_result *result, struct err_info *info)
{
    struct fit fit;
    enum err code = fit_init(&fit, spec, input, progress, info);
    if (!code)
        code = fit_run(&fit, info);
    if (!code)
        code = conclude(&fit, progress, result);
    if (!code)
        code = write_model(&fit, artefact, result);
    fit_fini(&fit);
    return code;
}

/* ---- what training would need ---- */

enum { SAMPLE_BYTES = 32 << 20 };

/* Of a large product's speed, what is left in whole steps of training. */
static const double EFFICIENCY = 0.65;

/* Bytes a second of an optimiser at work, and what it moves for a parameter. */
static const double TRAFFIC = 1e10, PARAMETER_TRAFFIC = 32;

/* Operations a second of one thread in matrix products: the best of a few of some
 * hundred microseconds each. */
static double measured_speed(void)
{
    const size_t rows = 64, columns = 1024, depth = 256;
    double best = 0;
    float *block = memory_new_aligned(rows * depth + columns * depth + rows * columns,
                                      sizeof *block);
    if (!block)
        return 1e10;
    float *right = block + rows * depth, *product = right + columns * depth;
    gemm_single_thread();
    for (int i = 0; i < 10; i++) {
        double start = clock_monotonic();
        gemm_nt(GEMM_SET, rows, columns, depth, block, depth, right, depth, product,
                columns);
        double seconds = clock_monotonic() - start;
        double speed = 2.0 * (double)(rows * columns * depth) / (seconds + 1e-9);
        best = speed > best ? speed : best;
    }
    free(block);
    return best;
}

/* As training counts them: each segment's end is a token. */
static enum err count_tokens(const struct tokenizer *tokenizer, const struct vocab *vocab,
                             struct span text, double *count)
{
    enum { BLOCK = 4096 };
    uint32_t ids[BLOCK];
    struct encoder *encoder;
    size_t got = 1;
    *count = 0;
    enum err code = encoder_new(tokenizer, vocab, text, &encoder);
    while (!code && got > 0) {
        code = encoder_next(encoder, ids, BLOCK, &got);
        *count += code ? 0 : (double)got;
    }
    encoder_free(encoder);
    return code;
}

/* Bytes: copies of the parameters (with their gradient, and one a checkpoint), the
 * corpus, what the layers and the output layer keep of a batch. */
static double memory_of(const struct train_spec *spec, const struct shape *shape,
                        double tokens, double positions)
{
    const struct params *params = &spec->params;
    unsigned method = (unsigned)params_number(params, "optimizer");
    double copies = method == OPTIMIZER_SGD ? 3 : method == OPTIMIZER_ADAM ? 5 : 4;
    copies += params_number(params, "averaging") != AVERAGING_NONE;
    copies += *spec->valid_corpus != 0 || spec->valid_fraction > 0;
    double words = shape->cell ? 1 : shape->context;
    double kept = 10.0 * (double)shape->layers * (double)shape->hidden +
                  3 * words * (double)shape->embedding + 2 * (double)shape->output;
    return sizeof(float) * (copies * (double)shape->total + positions * kept +
                            tokens * (shape->cell ? 1 : 2)) +
           softmax_memory(&shape->softmax, positions);
}

/* The step at which the first of the budget's limits is reached. */
static double steps_within(const struct train_spec *spec, const struct shape *shape,
                           const struct fit_batches *batches, double tokens,
                           double step_seconds)
{
    double batch = (double)batches->rows * (double)batches->steps, steps = INFINITY;
    double epochs = spec->budget.epochs, most = spec->budget.tokens;
    if (!(epochs > 0) && !(most > 0) && !(spec->budget.seconds > 0))
        epochs = fit_default_epochs(shape, tokens, batch);
    if (epochs > 0)
        steps = ceil(epochs * (double)batches->per_epoch);
    if (most > 0)
        steps = fmin(steps, ceil(most / batch));
    if (spec->budget.seconds > 0)
        steps = fmin(steps, ceil(spec->budget.seconds / step_seconds));
    return fmin(steps, 1e15);
}

static void fill_estimate(const struct train_spec *spec, const struct shape *shape,
                          double tokens, struct train_estimate *estimate)
{
    struct fit_batches batches = fit_batches_of(&spec->params, (size_t)tokens);
    double batch = (double)batches.rows * (double)batches.steps;
    double work = softmax_work(&shape->softmax) + (double)shape->inner_count;
    double step_seconds =
        batch * 6 * work / (EFFICIENCY * measured_speed()) / train_threads(spec) +
        (double)shape->total * PARAMETER_TRAFFIC / TRAFFIC;
    double steps = steps_within(spec, shape, &batches, tokens, step_seconds);
    estimate->parameters = parameters_of(shape);
    estimate->bytes = estimate->parameters * sizeof(float);
    estimate->steps = (uint64_t)steps;
    estimate->memory_bytes = (uint64_t)memory_of(spec, shape, tokens, batch);
    estimate->seconds = steps * step_seconds;
    if (spec->budget.seconds > 0 && spec->budget.seconds < estimate->seconds)
        estimate->seconds = spec->budget.seconds;
}

static enum err estimate_training(const struct train_spec *spec,
                                  const struct train_input *input,
                                  struct train_estimate *estimate, struct err_info *info)
{
    struct tokenizer *tokenizer = NULL;
    struct vocab *vocab = NULL;
    struct shape shape;
    struct span text = input->text;
    while (text.size > SAMPLE_BYTES) {
        struct span pieces[2];
        text_split(&spec->tokenizer, text, 2, pieces);
        if (pieces[0].size == 0 || pieces[0].size == text.size)
            break;
        text = pieces[0];
    }
    double tokens = 0;
    *estimate = (struct train_estimate){0};
    enum err code =
        fit_check(spec, spec->valid_corpus[0] != 0 || spec->valid_fraction > 0, info);
    if (!code)
        code = tokenizer_train(&spec->tokenizer, text, NULL, &tokenizer, info);
    if (!code)
        code = vocab_build(tokenizer, text, train_threads(spec), NULL, &vocab, info);
    if (!code)
        code = shape_init_counted(&shape, &spec->params, vocab, 0, info);
    if (!code)
        code = count_tokens(tokenizer, vocab, text, &tokens);
    if (!code)
        fill_estimate(spec, &shape, tokens * (double)input->text.size / (double)text.size,
                      estimate);
    vocab_free(vocab);
    tokenizer_free(tokenizer);
    return err_finish(info, code);
}

/* ---- loading ---- */

static enum err bad_file(struct err_info *info, const char *name)
{
    return err_set(info, ERR_BAD_MODEL_FILE,
                   "The model file's tensor \"%s\" does not fit its parameters or holds "
                   "what is no number",
                   name);
}

static bool finite_numbers(const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(values[i]))
            return false;
    return true;
}

/* Checks every tensor before memory for all of them is asked for. */
static enum err find_tensors(const struct shape *shape, const struct artefact *artefact,
                             const struct artefact_section **sections,
                             struct err_info *info)
{
    for (size_t i = 0; i < shape->tensor_count; i++) {
        const struct shape_tensor *tensor = &shape->tensors[i];
        enum err code =
            artefact_need(artefact, tensor->name, ARTEFACT_F32, 2, &sections[i], info);
        if (code)
            return code;
        if (sections[i]->shape[0] != tensor->rows ||
            sections[i]->shape[1] != tensor->columns ||
            !finite_numbers((const void *)sections[i]->content.bytes,
                            tensor->rows * tensor->columns))
            return bad_file(info, tensor->name);
    }
    return ERR_OK;
}

/* The embedding's rows as word vectors. */
static enum err load_vectors(struct model *model, const struct shape *shape,
                             const float *values, struct err_info *info)
{
    if (shape->vocab <= VOCAB_RESERVED)
        return ERR_OK;
    enum err code = vectors_new(model->vocab, VOCAB_RESERVED,
                                values + VOCAB_RESERVED * shape->embedding,
                                shape->vocab - VOCAB_RESERVED, (uint32_t)shape->embedding,
                                shape->embedding, &model->vectors, info);
    model->free_vectors = vectors_free;
    return code == ERR_INVALID ? bad_file(info, "embedding") : code;
}

static enum err load(struct model *model, const struct artefact *artefact,
                     struct err_info *info)
{
    const struct artefact_section *sections[SHAPE_TENSORS_MAX];
    struct shape shape;
    enum err code =
        shape_init(&shape, &model->spec.params, vocab_size(model->vocab), 0, info);
    if (code == ERR_INVALID)
        return err_set(info, ERR_BAD_MODEL_FILE,
                       "The model file's parameters do not fit each other or its "
                       "vocabulary");
    if (!code)
        code = find_tensors(&shape, artefact, sections, info);
    if (code)
        return code;
    float *values = memory_new_aligned(shape.total, sizeof *values);
    if (!values)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < shape.tensor_count; i++)
        memcpy(values + shape.tensors[i].at, sections[i]->content.bytes,
               shape.tensors[i].rows * shape.tensors[i].columns * sizeof *values);
    gemm_single_thread();
    code = neural_lm_new_take(&shape, values, &model->lm);
    if (!code)
        model->lm->threads = parallel_cores();
    return code ? code : load_vectors(model, &shape, values, info);
}

#define NEURAL_KIND(name_, help_, params_)                                               \
    const struct kind kind_##name_ = {.name = #name_,                                    \
                                      .help = help_,                                     \
                                      .params = params_,                                 \
                                      .can = CAN_SCORE | CAN_VECTORS,                    \
                                      .tokenizer = {.unit = UNIT_WORD,                   \
                                                    .segment = SEGMENT_LINE,             \
                                                    .min_count = 2,                      \
                                                    .max_vocab = 50000},                 \
                                      .settle = settle,                                  \
                                      .check_valid = fit_check,                          \
                                      .train = train,                                    \
                                      .load = load,                                      \
                                      .estimate = estimate_training}

NEURAL_KIND(nplm, "Feed-forward neural language model over the last words",
            feedforward_params);
NEURAL_KIND(rnn, "Recurrent neural language model with simple (Elman) layers",
            recurrent_params);
NEURAL_KIND(gru, "Recurrent neural language model with gated recurrent units",
            recurrent_params);
NEURAL_KIND(lstm, "Recurrent neural language model with long short-term memory",
            recurrent_params);
NEURAL_KIND(mlstm, "Recurrent neural language model with multiplicative LSTM layers",
            recurrent_params);

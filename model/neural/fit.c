/* SPDX-License-Identifier: MIT */
/* The training loop. A step is: take a batch, loss and gradient, clip by the global norm,
 * update, average. After it the world is told, and a checkpoint is handed over when it is
 * time or when asked for. Now and then the model is validated as it will be used: whole
 * segments through the language model's own interface, from the start of a text.
 *
 * All that decides what happens next stands in fit_state and in the arrays a checkpoint
 * holds; a validation that was interrupted is simply due again. */
#include "model/neural/fit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "model/lm/evaluate.h"
#include "model/lm/lm.h"
#include "model/neural/neural_lm.h"
#include "model/nn/gemm.h"

/* Learning rates that suit each method, used when none is given. */
static const double default_rates[OPTIMIZER_COUNT] = {
    [OPTIMIZER_SGD] = 1.0,      [OPTIMIZER_MOMENTUM] = 0.1,  [OPTIMIZER_NESTEROV] = 0.1,
    [OPTIMIZER_ADAGRAD] = 0.05, [OPTIMIZER_RMSPROP] = 0.001, [OPTIMIZER_ADAM] = 0.002};

/* Without gates a smaller step suits. */
static const double PLAIN_RATE = 0.5;

double fit_learning_rate(const struct params *params)
{
    double rate = params_number(params, "learning_rate");
    double suits = default_rates[(int)params_number(params, "optimizer")];
    if (cell_find(params->kind->name) == &cell_rnn)
        suits *= PLAIN_RATE;
    return rate > 0 ? rate : suits;
}

double fit_dropout(const struct params *params, const char *name)
{
    double share = params_number(params, name);
    return share < 0 ? params_number(params, "dropout") : share;
}

enum { TRAIN_LOSS_BYTES = 32768, CURVE_POINTS = 500 };
static const double EMA_WEIGHT = 0.001;

/* A feed-forward model, which sees each word of its context apart and makes many small
 * steps an epoch, has learned a small corpus by heart after a few. */
double fit_default_epochs(const struct shape *shape, double tokens, double tokens_a_step)
{
    double epochs = 2e7 / tokens, least = 400 * tokens_a_step / tokens;
    double most = shape->cell ? 20 : 5, few = shape->cell ? 6 : 4;
    epochs = epochs < few ? few : epochs > most ? most : epochs;
    return ceil(epochs > least ? epochs : least);
}

/* ---- setting up ---- */

static bool recurrent(const struct fit *fit)
{
    return fit->shape.cell != NULL;
}

struct fit_batches fit_batches_of(const struct params *params, size_t count)
{
    bool recurrent = cell_find(params->kind->name) != NULL;
    struct fit_batches batches = {
        .rows = (size_t)params_number(params, "batch_size"),
        .steps = recurrent ? (size_t)params_number(params, "bptt") : 1};
    if (batches.steps > count)
        batches.steps = count;
    if (batches.rows > count / batches.steps)
        batches.rows = count / batches.steps;
    size_t tokens = batches.rows * batches.steps;
    batches.per_epoch = (count + tokens - 1) / tokens;
    return batches;
}

static void size_batches(struct fit *fit)
{
    const struct params *params = &fit->spec->params;
    size_t count = fit->stream.count;
    struct fit_batches batches = fit_batches_of(params, count);
    size_t tokens = batches.rows * batches.steps;
    fit->rows = batches.rows;
    fit->steps = batches.steps;
    fit->steps_per_epoch = batches.per_epoch;
    fit->validate_every =
        (uint64_t)llround((double)fit->steps_per_epoch *
                          fmin(params_number(params, "validate_every"), 1e9));
    if (fit->validate_every == 0)
        fit->validate_every = 1;
    fit->epochs = fit->spec->budget.epochs;
    if (!(fit->epochs > 0) && !(fit->spec->budget.tokens > 0) &&
        !(fit->spec->budget.seconds > 0))
        fit->epochs = fit_default_epochs(&fit->shape, (double)count, (double)tokens);
}

/* Bytes of memory of this machine. */
static double machine_memory(void)
{
    return (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
}

/* Parameters, gradient, two moments and the best so far; the scores of one batch. */
enum { COPIES = 5 };

static enum err check_batch(const struct fit *fit, struct err_info *info)
{
    double positions = (double)fit->rows * (double)fit->steps;
    double wide = 8.0 * (double)fit->shape.layers * (double)fit->shape.hidden;
    if (softmax_memory(&fit->shape.softmax, positions) +
            positions * wide * sizeof(float) <
        machine_memory())
        return ERR_OK;
    return err_set_field(
        info, ERR_LIMIT, "/params/batch_size",
        "Batches of %zu × %zu tokens over %u words need more memory than "
        "this machine has: choose a smaller batch_size, or a smaller "
        "max_vocab of the tokenizer",
        fit->rows, fit->steps, fit->shape.vocab);
}

static struct network_settings settings_of(const struct fit *fit)
{
    const struct params *params = &fit->spec->params;
    double dropout = params_number(params, "dropout");
    struct network_settings settings = {
        .rows = fit->rows,
        .steps = fit->steps,
        .threads = train_threads(fit->spec),
        .seed = fit->spec->seed,
        .method = (enum optimizer_method)params_number(params, "optimizer"),
        .weight_decay = params_number(params, "weight_decay"),
        .averaging = fit->averaging != AVERAGING_NONE,
        .dropout = {.layers = dropout,
                    .output = dropout,
                    .input = fit_dropout(params, "input_dropout"),
                    .words = params_number(params, "word_dropout")}};
    if (recurrent(fit)) {
        settings.dropout.output = fit_dropout(params, "output_dropout");
        settings.dropout.recurrent = params_number(params, "recurrent_dropout");
        settings.activation_penalty = params_number(params, "activation_penalty");
        settings.slowness_penalty = params_number(params, "slowness_penalty");
    }
    return settings;
}

/* The output layer begins with the words' frequencies as its bias, so that no step is
 * spent on learning them and a text's first words are not guessed out of nothing. */
static enum err start_from_frequencies(struct fit *fit)
{
    const struct id_stream *stream = &fit->stream;
    double *counts = memory_new_array(fit->shape.vocab, sizeof *counts);
    if (!counts)
        return ERR_NO_MEMORY;
    for (size_t i = 1; i <= stream->count; i++)
        counts[stream->ids[i]]++;
    softmax_start(&fit->shape.softmax, counts, fit->network->values);
    free(counts);
    return ERR_OK;
}

static void init_state(struct fit *fit)
{
    const struct params *params = &fit->spec->params;
    memset(&fit->state, 0, sizeof fit->state);
    random_seed(&fit->state.random, fit->spec->seed, 2);
    schedule_init(&fit->state.schedule,
                  (enum schedule_shape)params_number(params, "schedule"),
                  fit_learning_rate(params), params_number(params, "warmup"));
    fit->clip_norm = params_number(params, "clip_norm");
}

static enum err make_arrays(struct fit *fit)
{
    size_t words = fit->rows * (recurrent(fit) ? fit->steps : fit->shape.context);
    fit->inputs = memory_new_array(words, sizeof *fit->inputs);
    fit->targets = memory_new_array(fit->rows * fit->steps, sizeof *fit->targets);
    fit->fresh = memory_new_array(fit->rows, sizeof *fit->fresh);
    fit->zero_state =
        memory_new_array(network_state_size(&fit->shape) + 1, sizeof *fit->zero_state);
    if (fit->input->valid.size > 0)
        fit->best = memory_new_aligned(fit->shape.total, sizeof *fit->best);
    bool done = fit->inputs && fit->targets && fit->fresh && fit->zero_state &&
                (fit->best || fit->input->valid.size == 0);
    return done ? id_stream_spread(&fit->stream, fit->rows) : ERR_NO_MEMORY;
}

enum err fit_check(const struct train_spec *spec, bool validated, struct err_info *info)
{
    const struct {
        bool wanted;
        const char *pointer, *what;
    } uses[] = {
        {params_number(&spec->params, "averaging") == AVERAGING_TRIGGERED,
         "/params/averaging",
         "triggered averaging begins when the validation loss stops "
         "falling"},
        {params_number(&spec->params, "schedule") == SCHEDULE_PLATEAU, "/params/schedule",
         "the schedule plateau goes by the validation loss"},
        {spec->patience > 0, "/early_stopping/patience",
         "early stopping goes by the validation loss"},
    };
    for (size_t i = 0; i < sizeof uses / sizeof *uses && !validated; i++)
        if (uses[i].wanted)
            return err_set_field(info, ERR_INVALID, uses[i].pointer,
                                 "%s: it needs a validation part, a corpus or a fraction "
                                 "above 0 of one with more than one segment (valid)",
                                 uses[i].what);
    return ERR_OK;
}

enum err fit_init(struct fit *fit, const struct train_spec *spec,
                  const struct train_input *input, const struct progress *progress,
                  struct err_info *info)
{
    *fit = (struct fit){.spec = spec, .input = input, .progress = progress};
    fit->averaging = (enum fit_averaging)params_number(&spec->params, "averaging");
    gemm_single_thread();
    enum err code = fit_check(spec, input->valid.size > 0, info);
    if (!code)
        code = tokenizer_train(&spec->tokenizer, input->text, progress, &fit->tokenizer,
                               info);
    if (!code)
        code = vocab_build(fit->tokenizer, input->text, train_threads(spec), progress,
                           &fit->vocab, info);
    if (!code)
        code = shape_init_counted(&fit->shape, &spec->params, fit->vocab,
                                  (uint64_t)(machine_memory() / COPIES), info);
    if (!code)
        code = id_stream_init(&fit->stream, fit->tokenizer, fit->vocab, input->text,
                              progress);
    if (code)
        return code;
    size_batches(fit);
    struct network_settings settings = settings_of(fit);
    code = check_batch(fit, info);
    if (!code)
        code = network_new(&fit->shape, &settings, &fit->network);
    if (!code)
        code = make_arrays(fit);
    if (!code)
        code = start_from_frequencies(fit);
    init_state(fit);
    if (!code && input->resume.size > 0)
        code = checkpoint_read(fit, input->resume, info);
    fit->started = clock_monotonic();
    return code;
}

void fit_fini(struct fit *fit)
{
    network_free(fit->network);
    id_stream_fini(&fit->stream);
    vocab_free(fit->vocab);
    tokenizer_free(fit->tokenizer);
    free(fit->best);
    free(fit->inputs);
    free(fit->targets);
    free(fit->fresh);
    free(fit->zero_state);
}

static const float *current_values(const struct fit *fit)
{
    bool averaged = fit->averaging == AVERAGING_TRIGGERED
                        ? fit->state.triggered && fit->state.averaged > 0
                        : fit->averaging != AVERAGING_NONE;
    return averaged ? fit->network->average : fit->network->values;
}

const float *fit_values(const struct fit *fit)
{
    return fit->state.has_best ? fit->best : current_values(fit);
}

/* ---- where training stands ---- */

static double seconds_spent(const struct fit *fit)
{
    return fit->state.seconds + clock_monotonic() - fit->started;
}

/* Of the budget; the nearest of its limits counts. */
static double fraction_done(const struct fit *fit)
{
    const struct fit_state *state = &fit->state;
    double most = 0;
    if (fit->epochs > 0)
        most = (double)state->step / ceil(fit->epochs * (double)fit->steps_per_epoch);
    if (fit->spec->budget.tokens > 0)
        most = fmax(most, (double)state->tokens / fit->spec->budget.tokens);
    if (fit->spec->budget.seconds > 0)
        most = fmax(most, seconds_spent(fit) / fit->spec->budget.seconds);
    return most < 1 ? most : 1;
}

static bool out_of_patience(const struct fit *fit)
{
    if (fit->averaging == AVERAGING_TRIGGERED && !fit->state.triggered)
        return false;
    return fit->spec->patience > 0 && fit->state.since_best >= fit->spec->patience;
}

static struct progress_report report_of(const struct fit *fit, const char *phase)
{
    const struct fit_state *state = &fit->state;
    double fraction = fraction_done(fit);
    return (struct progress_report){
        .fraction = 0.01 + 0.89 * fraction,
        .epoch = (double)state->step / (double)fit->steps_per_epoch,
        .step = state->step,
        .steps_total =
            fraction > 0 ? (uint64_t)llround((double)state->step / fraction) : 0,
        .tokens = state->tokens,
        .phase = phase};
}

/* ---- divergence ---- */

/* A model that knows nothing has a loss of log V. */
static bool useless(const struct fit *fit, double loss, double norm)
{
    return !isfinite(loss) || !isfinite(norm) ||
           loss > 3 * log((double)fit->shape.vocab) + 30;
}

/* ---- validation ---- */

/* An evaluation within training reports how far training is, not how far itself is. */
struct watcher {
    const struct fit *fit;
    bool checkpoint; /* was asked for meanwhile */
};

static enum progress_answer watch(void *context, const struct progress_report *ignored)
{
    (void)ignored;
    struct watcher *watcher = context;
    struct progress_report report = report_of(watcher->fit, "evaluating");
    enum progress_answer answer = progress_report(watcher->fit->progress, &report);
    watcher->checkpoint = watcher->checkpoint || answer == PROGRESS_CHECKPOINT;
    return answer == PROGRESS_CHECKPOINT ? PROGRESS_GO_ON : answer;
}

static enum err loss_on(struct watcher *watcher, const struct lm *lm, struct span text,
                        double *loss)
{
    const struct fit *fit = watcher->fit;
    struct progress progress = {.context = watcher, .report = watch};
    struct evaluation evaluation;
    *loss = 0;
    enum err code = evaluate_perplexity(lm, fit->tokenizer, fit->vocab, text,
                                        train_threads(fit->spec), &progress, &evaluation);
    if (!code && evaluation.tokens > 0)
        *loss = -evaluation.logprob / (double)evaluation.tokens;
    return code;
}

static void keep_if_best(struct fit *fit, double loss)
{
    struct fit_state *state = &fit->state;
    progress_metric(fit->progress, "valid_perplexity", state->step, exp(loss));
    if (!schedule_validated(&state->schedule, loss)) {
        state->since_best++;
        if (fit->averaging == AVERAGING_TRIGGERED && !state->triggered &&
            state->since_best >= params_number(&fit->spec->params, "trigger")) {
            state->triggered = 1;
            state->since_best = 0;
            progress_note(fit->progress,
                          "The validation loss has stopped falling: averaging begins");
        }
        return;
    }
    state->best = loss;
    state->best_step = state->step;
    state->since_best = 0;
    state->has_best = 1;
    memcpy(fit->best, current_values(fit), fit->shape.total * sizeof *fit->best);
}

/* The start of the corpus, cut at a segment: the same for the whole training. */
static struct span fixed_subset(const struct fit *fit)
{
    struct span text = fit->input->text, pieces[PARALLEL_THREADS_MAX];
    while (text.size > TRAIN_LOSS_BYTES) {
        text_split(&fit->spec->tokenizer, text, 4, pieces);
        if (pieces[0].size == 0 || pieces[0].size == text.size)
            break;
        text = pieces[0];
    }
    return text;
}

static enum err validate(struct fit *fit, struct err_info *info)
{
    struct watcher watcher = {.fit = fit};
    struct lm *lm;
    double train = 0, valid = 0;
    enum err code = neural_lm_new(&fit->shape, current_values(fit), &lm);
    if (code)
        return code;
    code = loss_on(&watcher, lm, fixed_subset(fit), &train);
    if (!code && fit->input->valid.size > 0)
        code = loss_on(&watcher, lm, fit->input->valid, &valid);
    lm->ops->free(lm);
    if (code)
        return code;
    fit->state.validated = fit->state.step;
    progress_metric(fit->progress, "train_loss", fit->state.step, train);
    if (useless(fit, train, 0)) /* no step may follow that would see it */
        return err_set(info, ERR_DIVERGED,
                       "Training diverged by step %llu: a loss of %g nats a token on the "
                       "corpus. Choose a learning_rate below %g",
                       (unsigned long long)fit->state.step, train,
                       fit_learning_rate(&fit->spec->params));
    if (fit->input->valid.size > 0)
        keep_if_best(fit, valid);
    return watcher.checkpoint ? checkpoint_hand_over(fit) : ERR_OK;
}

/* ---- steps ---- */

static enum err next_batch(struct fit *fit)
{
    struct fit_state *state = &fit->state;
    if (!recurrent(fit))
        return id_stream_examples(&fit->stream, fit->spec->seed,
                                  state->step / fit->steps_per_epoch,
                                  state->step % fit->steps_per_epoch * fit->rows,
                                  fit->shape.context, fit->inputs, fit->targets);
    id_stream_next(&fit->stream, fit->steps, &state->random, fit->inputs, fit->targets,
                   fit->fresh);
    for (size_t row = 0; row < fit->rows; row++)
        if (fit->fresh[row])
            network_set_state(fit->network, row, fit->zero_state);
    return ERR_OK;
}

static enum err average(struct fit *fit)
{
    struct fit_state *state = &fit->state;
    if (fit->averaging == AVERAGING_NONE ||
        (fit->averaging == AVERAGING_TRIGGERED && !state->triggered))
        return ERR_OK;
    double weight = 1 / (double)(state->averaged + 1);
    if (fit->averaging == AVERAGING_EMA && weight < EMA_WEIGHT)
        weight = EMA_WEIGHT;
    if (fit->averaging != AVERAGING_POLYAK || fraction_done(fit) >= 0.5)
        state->averaged++;
    return network_average(fit->network, weight);
}

static void draw_curve(struct fit *fit, double loss)
{
    struct fit_state *state = &fit->state;
    double fraction = fraction_done(fit);
    uint64_t every =
        fraction > 0 ? (uint64_t)((double)state->step / fraction / CURVE_POINTS) + 1 : 1;
    /* Powers of two, so that a total that is only estimated does not shake the grid. */
    uint64_t grid = 1;
    while (grid < every)
        grid *= 2;
    state->sum_loss += loss;
    state->summed++; /* not the grid's width, which changes with the estimated total */
    if (state->step % grid != 0)
        return;
    progress_metric(fit->progress, "batch_loss", state->step,
                    state->sum_loss / state->summed);
    progress_metric(fit->progress, "learning_rate", state->step,
                    schedule_rate(&state->schedule, fraction));
    state->sum_loss = 0;
    state->summed = 0;
}

static enum err train_step(struct fit *fit, struct err_info *info)
{
    struct fit_state *state = &fit->state;
    double loss = 0, norm = 0, rate = schedule_rate(&state->schedule, fraction_done(fit));
    enum err code = next_batch(fit);
    if (!code)
        code = network_gradient(fit->network, fit->steps, fit->inputs, fit->targets, true,
                                &loss);
    if (!code)
        code = network_norm(fit->network, &norm);
    if (!code && useless(fit, loss, norm))
        return err_set(info, ERR_DIVERGED,
                       "Training diverged at step %llu: a loss of %g nats a token and a "
                       "gradient of norm %g. Choose a learning_rate below %g",
                       (unsigned long long)state->step + 1, loss, norm, rate);
    double clip = fit->clip_norm;
    if (!code)
        code =
            network_update(fit->network, clip > 0 && norm > clip ? clip / norm : 1, rate);
    if (!code)
        code = average(fit);
    if (code)
        return code;
    state->step++;
    state->tokens += fit->rows * fit->steps;
    draw_curve(fit, loss);
    return ERR_OK;
}

/* Tells the world after a step, and does what it answers. */
static enum err talk(struct fit *fit)
{
    struct progress_report report = report_of(fit, "training");
    enum progress_answer answer = progress_report(fit->progress, &report);
    if (answer == PROGRESS_STOP)
        return ERR_CANCELLED;
    return answer == PROGRESS_CHECKPOINT ? checkpoint_hand_over(fit) : ERR_OK;
}

enum err fit_run(struct fit *fit, struct err_info *info)
{
    enum err code = ERR_OK;
    for (;;) {
        const struct fit_state *state = &fit->state;
        bool done = fraction_done(fit) >= 1 || out_of_patience(fit);
        bool due = done || state->step % fit->validate_every == 0;
        if (due && state->step > 0 && state->validated != state->step)
            code = validate(fit, info);
        if (code || done || out_of_patience(fit))
            break;
        code = train_step(fit, info);
        if (!code)
            code = talk(fit);
        if (code)
            break;
    }
    if (code == ERR_CANCELLED) {
        enum err handed = checkpoint_hand_over(fit);
        code = handed ? handed : code;
    }
    return code;
}

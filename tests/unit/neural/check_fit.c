/* SPDX-License-Identifier: MIT */
/* Training: it learns, it stops and goes on to the same bytes, it says when it diverges,
 * it makes do with little text. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/lm/lm.h"
#include "model/neural/fit.h"
#include "model/text/vocab.h"
#include "tests/support/unit.h"
#include "tests/unit/neural/trial.h"

static const struct kind *const all[] = {&kind_nplm, &kind_rnn, &kind_gru, &kind_lstm,
                                         &kind_mlstm};

/* ---- stopping and going on ---- */

struct stopper {
    uint64_t at; /* the step to stop at */
    bool asked;  /* for a checkpoint on the way, once */
    struct buffer checkpoint;
    uint64_t handed;
};

static enum progress_answer stop_at(void *context, const struct progress_report *report)
{
    struct stopper *stopper = context;
    if (!stopper->asked && report->step == stopper->at / 2 && report->step > 0) {
        stopper->asked = true;
        return PROGRESS_CHECKPOINT;
    }
    return report->step >= stopper->at ? PROGRESS_STOP : PROGRESS_GO_ON;
}

static enum err take(void *context, uint64_t step, struct span bytes)
{
    struct stopper *stopper = context;
    (void)step;
    stopper->handed++;
    buffer_clear(&stopper->checkpoint);
    return buffer_append(&stopper->checkpoint, bytes.bytes, bytes.size);
}

/* Trains in one go and with a stop at `step`; the model files must be the same. */
static void check_resume(const struct train_spec *spec, const char *text, uint64_t step)
{
    struct stopper stopper = {.at = step};
    struct progress progress = {
        .context = &stopper, .report = stop_at, .checkpoint = take};
    struct train_result result;
    struct buffer whole, part, rest;
    buffer_init(&stopper.checkpoint, (size_t)1 << 28);
    ck_assert_int_eq(
        trial_train(spec, text, (struct span){0}, NULL, &whole, &result, NULL), ERR_OK);
    ck_assert_int_eq(
        trial_train(spec, text, (struct span){0}, &progress, &part, &result, NULL),
        ERR_CANCELLED);
    ck_assert_uint_eq(stopper.handed, step > 1 ? 2 : 1);
    ck_assert_int_eq(
        trial_train(spec, text,
                    span_of(stopper.checkpoint.bytes, stopper.checkpoint.size), NULL,
                    &rest, &result, NULL),
        ERR_OK);
    ck_assert_uint_eq(whole.size, rest.size);
    ck_assert_msg(memcmp(whole.bytes, rest.bytes, whole.size) == 0, "%s stopped at %llu",
                  spec->kind->name, (unsigned long long)step);
    buffer_fini(&whole);
    buffer_fini(&part);
    buffer_fini(&rest);
    buffer_fini(&stopper.checkpoint);
}

START_TEST(resumes_to_the_bit)
{
    static const char *const rich[] = {"dropout", "0.3",      "layers",  "2", "averaging",
                                       "ema",     "schedule", "plateau", NULL};
    static const char *const plain[] = {"dropout", "0.3", "optimizer", "momentum", NULL};
    char *text = trial_text(120);
    struct train_spec spec = trial_spec(&kind_lstm, rich);
    spec.budget.epochs = 4;
    spec.valid_fraction = 0.2;
    spec.patience = 3;
    spec.threads = 2;
    check_resume(&spec, text, 1);
    check_resume(&spec, text, 5);
    check_resume(&spec, text, 12);
    spec = trial_spec(&kind_nplm, plain);
    spec.budget.epochs = 2;
    check_resume(&spec, text, 40);
    check_resume(&spec, text, 240);
    free(text);
}
END_TEST

/* Stops before, at and after the step at which averaging begins. */
START_TEST(resumes_triggered_averaging_to_the_bit)
{
    static const char *const recipe[] = {"averaging",
                                         "triggered",
                                         "trigger",
                                         "1",
                                         "validate_every",
                                         "0.5",
                                         "schedule",
                                         "constant",
                                         "learning_rate",
                                         "0.03",
                                         "dropout",
                                         "0.2",
                                         "input_dropout",
                                         "0.1",
                                         "output_dropout",
                                         "0.3",
                                         "recurrent_dropout",
                                         "0.2",
                                         "word_dropout",
                                         "0.1",
                                         "activation_penalty",
                                         "2",
                                         "slowness_penalty",
                                         "1",
                                         NULL};
    char *text = trial_text(120);
    struct train_spec spec = trial_spec(&kind_lstm, recipe);
    struct train_result result;
    struct buffer file;
    spec.budget.epochs = 20;
    spec.valid_fraction = 0.2;
    spec.patience = 4;
    spec.threads = 1;
    ck_assert_int_eq(
        trial_train(&spec, text, (struct span){0}, NULL, &file, &result, NULL), ERR_OK);
    buffer_fini(&file);
    double steps = trial_metric(&result, "steps");
    double averaged = trial_metric(&result, "averaged_steps");
    ck_assert_double_gt(averaged, 2);
    ck_assert_double_gt(steps - averaged, 2);
    uint64_t begun = (uint64_t)(steps - averaged);
    check_resume(&spec, text, begun);
    check_resume(&spec, text, begun + 2);
    free(text);
}
END_TEST

/* Without a validation part nothing can trigger it: told at once. */
START_TEST(triggered_averaging_needs_validation)
{
    static const char *const triggered[] = {"averaging", "triggered", NULL};
    struct train_spec spec = trial_spec(&kind_nplm, triggered);
    const struct train_input input = {.text = span_of_text("a b c\n")};
    struct train_result result;
    struct train_estimate estimate;
    struct err_info info = {0}, estimated = {0};
    struct buffer file;
    ck_assert_int_eq(
        trial_train(&spec, "a b c\n", (struct span){0}, NULL, &file, &result, &info),
        ERR_INVALID);
    ck_assert_str_eq(info.pointer, "/params/averaging");
    ck_assert_int_eq(kind_nplm.estimate(&spec, &input, &estimate, &estimated),
                     ERR_INVALID);
    ck_assert_str_eq(estimated.pointer, "/params/averaging");
    buffer_fini(&file);
}
END_TEST

/* The mean of noisy steps is better than the steps: the same training, once without and
 * once with it. */
START_TEST(averaging_helps_a_restless_training)
{
    static const char *const plain[] = {"schedule",      "constant", "optimizer", "sgd",
                                        "learning_rate", "8",        NULL};
    static const char *const averaged[] = {
        "schedule",  "constant", "optimizer", "sgd", "learning_rate", "8", "averaging",
        "triggered", "trigger",  "2",         NULL};
    char *text = trial_text(300);
    double perplexity[2];
    for (int i = 0; i < 2; i++) {
        struct train_spec spec = trial_spec(&kind_gru, i ? averaged : plain);
        struct train_result result;
        struct buffer file;
        spec.valid_fraction = 0.2;
        spec.budget.epochs = 30;
        ck_assert_int_eq(
            trial_train(&spec, text, (struct span){0}, NULL, &file, &result, NULL),
            ERR_OK);
        perplexity[i] = trial_metric(&result, "valid_perplexity");
        buffer_fini(&file);
    }
    ck_assert_msg(perplexity[1] < 0.99 * perplexity[0], "%g, averaged %g", perplexity[0],
                  perplexity[1]);
    free(text);
}
END_TEST

/* How often is told by the curve. */
static void count_validations(void *context, const char *name, uint64_t step,
                              double value)
{
    (void)step;
    (void)value;
    *(size_t *)context += strcmp(name, "valid_perplexity") == 0;
}

/* Points of the curve, and the stop that its grid is broken by. */
struct watched_curve {
    struct stopper stopper; /* first: progress hands it on */
    double least, most;
};

static void watch_batch_loss(void *context, const char *name, uint64_t step, double value)
{
    struct watched_curve *curve = context;
    (void)step;
    if (strcmp(name, "batch_loss") != 0)
        return;
    curve->least = fmin(curve->least, value);
    curve->most = fmax(curve->most, value);
}

/* Points are means over the batches since the last one, also where another budget has
 * made them lie closer in the meantime. */
START_TEST(a_resumed_curve_goes_on_as_it_was)
{
    static const char *const slow[] = {"learning_rate", "1e-9", NULL};
    char *text = trial_text(100);
    struct train_spec spec = trial_spec(&kind_gru, slow);
    struct watched_curve curve = {.stopper = {.at = 200}, .least = INFINITY};
    struct progress progress = {.context = &curve,
                                .report = stop_at,
                                .metric = watch_batch_loss,
                                .checkpoint = take};
    struct train_result result;
    struct buffer file;
    buffer_init(&curve.stopper.checkpoint, (size_t)1 << 28);
    spec.budget.epochs = 1e6;
    ck_assert_int_eq(
        trial_train(&spec, text, (struct span){0}, &progress, &file, &result, NULL),
        ERR_CANCELLED);
    buffer_fini(&file);
    curve.stopper.at = 400;
    struct span checkpoint =
        span_of(curve.stopper.checkpoint.bytes, curve.stopper.checkpoint.size);
    spec.budget.epochs = 100;
    ck_assert_int_eq(
        trial_train(&spec, text, checkpoint, &progress, &file, &result, NULL),
        ERR_CANCELLED);
    ck_assert_msg(curve.most < 2 * curve.least, "%g to %g", curve.least, curve.most);
    buffer_fini(&file);
    buffer_fini(&curve.stopper.checkpoint);
    free(text);
}
END_TEST

START_TEST(validates_as_often_as_told)
{
    static const char *const often[] = {"validate_every", "0.25", NULL};
    char *text = trial_text(200);
    struct train_spec spec = trial_spec(&kind_lstm, often);
    size_t validations = 0;
    struct progress progress = {.context = &validations, .metric = count_validations};
    struct train_result result;
    struct buffer file;
    spec.valid_fraction = 0.1;
    spec.budget.epochs = 3;
    ck_assert_int_eq(
        trial_train(&spec, text, (struct span){0}, &progress, &file, &result, NULL),
        ERR_OK);
    ck_assert_uint_ge(validations, 11);
    ck_assert_uint_le(validations, 14);
    buffer_fini(&file);
    free(text);
}
END_TEST

START_TEST(resumes_to_the_bit_with_every_softmax)
{
    static const char *const forms[][9] = {
        {"dropout", "0.3", "softmax", "adaptive", "cutoffs", "6,20", NULL},
        {"tied", "false", "softmax", "adaptive", "cutoffs", "5,12,29", NULL},
        {"dropout", "0.3", "softmax", "sampled", "samples", "8", NULL},
        {"tied", "false", "softmax", "sampled", "samples", "8", NULL}};
    char *text = trial_text(80);
    for (size_t i = 0; i < 4; i++) {
        struct train_spec spec = trial_spec(i % 2 ? &kind_nplm : &kind_lstm, forms[i]);
        spec.budget.epochs = 2;
        spec.valid_fraction = 0.2;
        spec.threads = 2;
        check_resume(&spec, text, 3);
    }
    free(text);
}
END_TEST

START_TEST(refuses_other_checkpoints)
{
    char *text = trial_text(60);
    struct train_spec spec = trial_spec(&kind_gru, NULL);
    struct stopper stopper = {.at = 3};
    struct progress progress = {
        .context = &stopper, .report = stop_at, .checkpoint = take};
    struct train_result result;
    struct err_info info = {0};
    struct buffer file;
    buffer_init(&stopper.checkpoint, (size_t)1 << 28);
    spec.budget.epochs = 5;
    ck_assert_int_eq(
        trial_train(&spec, text, (struct span){0}, &progress, &file, &result, NULL),
        ERR_CANCELLED);
    buffer_fini(&file);
    struct span bytes = span_of(stopper.checkpoint.bytes, stopper.checkpoint.size);
    spec.seed++;
    ck_assert_int_eq(trial_train(&spec, text, bytes, NULL, &file, &result, &info),
                     ERR_INVALID);
    ck_assert_str_eq(info.pointer, "/resume_from");
    buffer_fini(&file);
    spec.seed--;
    stopper.checkpoint.bytes[bytes.size / 2] ^= 1;
    ck_assert_int_eq(trial_train(&spec, text, bytes, NULL, &file, &result, NULL),
                     ERR_INVALID);
    buffer_fini(&file);
    for (size_t size = 0; size < bytes.size; size += 997) {
        ck_assert_int_eq(trial_train(&spec, text, span_of(bytes.bytes, size + 1), NULL,
                                     &file, &result, NULL),
                         ERR_INVALID);
        buffer_fini(&file);
    }
    buffer_fini(&stopper.checkpoint);
    free(text);
}
END_TEST

/* ---- learning ---- */

static double perplexity_of(const struct model *model, const char *text)
{
    struct token_list list = {0};
    float logprobs[64];
    double sum = 0;
    ck_assert_int_eq(
        token_list_encode(&list, model->tokenizer, model->vocab, span_of_text(text)),
        ERR_OK);
    ck_assert_uint_lt(list.count, 64);
    struct lm_segment segment = {list.ids, list.count, true, logprobs, NULL};
    ck_assert_int_eq(model->lm->ops->score(model->lm, &segment, 1), ERR_OK);
    for (size_t i = 0; i < list.count; i++)
        sum -= (double)logprobs[i];
    double mean = sum / (double)list.count;
    token_list_fini(&list);
    return exp(mean);
}

START_TEST(learns_by_heart)
{
    static const char line[] = "a rose is a rose is not a daisy but a rose";
    static const char *const params[] = {
        "embedding_size", "24",   "hidden_size", "24", "context", "4",
        "learning_rate",  "0.01", NULL};
    static const char *const recurrent[] = {"embedding_size", "24",   "hidden_size", "24",
                                            "learning_rate",  "0.01", NULL};
    char text[40 * sizeof line] = "";
    for (size_t i = 0; i < 30; i++)
        strcat(strcat(text, line), "\n");
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        struct train_spec spec =
            trial_spec(all[k], all[k] == &kind_nplm ? params : recurrent);
        struct train_result result;
        struct buffer file;
        spec.budget.epochs = 100;
        ck_assert_int_eq(
            trial_train(&spec, text, (struct span){0}, NULL, &file, &result, NULL),
            ERR_OK);
        struct model *model = trial_load(&file);
        double perplexity = perplexity_of(model, line);
        ck_assert_msg(perplexity < 1.2, "%s: %g", all[k]->name, perplexity);
        model_release(model);
        buffer_fini(&file);
    }
}
END_TEST

/* Every output layer learns the pattern, from a model file that says its clusters. */
START_TEST(learns_with_every_softmax)
{
    static const char *const forms[][11] = {
        {"learning_rate", "0.01", "softmax", "full", NULL},
        {"learning_rate", "0.01", "softmax", "adaptive", "cutoffs", "6,15", NULL},
        {"learning_rate", "0.01", "softmax", "adaptive", "cutoffs", "6,15", "tied",
         "false", NULL},
        {"learning_rate", "0.01", "softmax", "sampled", "samples", "12", NULL},
        {"learning_rate", "0.01", "softmax", "sampled", "samples", "12", "tied", "false",
         NULL}};
    char *text = trial_text(300);
    for (size_t i = 0; i < 5; i++) {
        struct train_spec spec = trial_spec(&kind_lstm, forms[i]);
        struct train_result result;
        struct buffer file;
        spec.valid_fraction = 0.2;
        spec.budget.epochs = 40;
        ck_assert_int_eq(
            trial_train(&spec, text, (struct span){0}, NULL, &file, &result, NULL),
            ERR_OK);
        ck_assert_msg(trial_metric(&result, "valid_perplexity") < 9, "form %zu: %g", i,
                      trial_metric(&result, "valid_perplexity"));
        buffer_fini(&file);
    }
    free(text);
}
END_TEST

START_TEST(validates_and_keeps_the_best)
{
    static const char *const params[] = {"learning_rate", "0.02", NULL};
    char *text = trial_text(300);
    struct train_spec spec = trial_spec(&kind_lstm, params);
    struct train_result result;
    struct buffer file;
    spec.valid_fraction = 0.2;
    spec.patience = 2;
    spec.budget.epochs = 200;
    ck_assert_int_eq(
        trial_train(&spec, text, (struct span){0}, NULL, &file, &result, NULL), ERR_OK);
    ck_assert_double_lt(trial_metric(&result, "epochs"), 200);
    ck_assert_double_lt(trial_metric(&result, "best_step"),
                        trial_metric(&result, "steps"));
    ck_assert_double_lt(trial_metric(&result, "valid_perplexity"), 12);
    buffer_fini(&file);
    free(text);
}
END_TEST

/* A model that has hardly learned anything knows how frequent the words are. */
START_TEST(begins_with_frequencies)
{
    static const char *const params[] = {"learning_rate", "1e-9", NULL};
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        struct train_spec spec = trial_spec(all[k], params);
        struct train_result result;
        struct buffer file;
        spec.budget.epochs = 1;
        ck_assert_int_eq(trial_train(&spec, "a a a a a a a b\na a a a a a a b\n",
                                     (struct span){0}, NULL, &file, &result, NULL),
                         ERR_OK);
        struct model *model = trial_load(&file);
        double often = perplexity_of(model, "a"), seldom = perplexity_of(model, "b");
        ck_assert_msg(seldom > 3 * often, "%s: %g, %g", all[k]->name, seldom, often);
        model_release(model);
        buffer_fini(&file);
    }
}
END_TEST

/* One step of SGD with rate 1 is as long as the gradient, and no longer than clip_norm.
 */
static double step_length(const char *clip)
{
    const char *const params[] = {"optimizer", "sgd",      "learning_rate",
                                  "1",         "schedule", "constant",
                                  "clip_norm", clip,       NULL};
    char *text = trial_text(60);
    struct train_spec spec = trial_spec(&kind_lstm, params);
    const struct train_input input = {.text = span_of_text(text)};
    struct fit fit;
    double squares = 0;
    spec.budget.tokens = 1;
    ck_assert_int_eq(fit_init(&fit, &spec, &input, NULL, NULL), ERR_OK);
    size_t total = fit.shape.total;
    float *before = malloc(total * sizeof *before);
    memcpy(before, fit.network->values, total * sizeof *before);
    ck_assert_int_eq(fit_run(&fit, NULL), ERR_OK);
    ck_assert_uint_eq(fit.state.step, 1);
    for (size_t i = 0; i < total; i++) {
        double moved = (double)fit.network->values[i] - (double)before[i];
        squares += moved * moved;
    }
    free(before);
    fit_fini(&fit);
    free(text);
    return sqrt(squares);
}

START_TEST(clips_the_global_norm)
{
    double whole = step_length("0"), wide = step_length("1e3");
    ck_assert_double_gt(whole, 0.06);
    ck_assert_double_eq_tol(wide, whole, 1e-6);
    ck_assert_double_eq_tol(step_length("0.05"), 0.05, 1e-4);
}
END_TEST

/* ---- trouble ---- */

static void check_diverges(const struct train_spec *spec, const char *text)
{
    struct train_result result;
    struct err_info info = {0};
    struct buffer file;
    ck_assert_int_eq(
        trial_train(spec, text, (struct span){0}, NULL, &file, &result, &info),
        ERR_DIVERGED);
    ck_assert_ptr_nonnull(strstr(info.message, "learning_rate"));
    buffer_fini(&file);
}

START_TEST(says_when_it_diverges)
{
    static const char *const wild[] = {"learning_rate", "1e9", "optimizer", "sgd", NULL};
    static const char *const wild_adam[] = {"learning_rate", "1e9", NULL};
    char *text = trial_text(100);
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        struct train_spec spec = trial_spec(all[k], k % 2 ? wild : wild_adam);
        check_diverges(&spec, text);
    }
    free(text);
}
END_TEST

/* No step follows that would find the loss of the last one's model. */
START_TEST(says_when_its_last_step_diverges)
{
    static const char *const wild[] = {"learning_rate", "1e9", NULL};
    char *text = trial_text(100);
    for (size_t k = 0; k < 2 * sizeof all / sizeof *all; k++) {
        struct train_spec spec = trial_spec(all[k / 2], wild);
        spec.budget.tokens = 1;
        spec.valid_fraction = k % 2 ? 0.1 : 0;
        check_diverges(&spec, text);
    }
    free(text);
}
END_TEST

START_TEST(makes_do_with_little)
{
    static const char *const texts[] = {"word\n", "a\n", "a b\nb a\n",
                                        "one two three four five six seven"};
    for (size_t k = 0; k < sizeof all / sizeof *all; k++)
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
            struct train_spec spec = trial_spec(all[k], NULL);
            struct train_result result;
            struct buffer file;
            spec.threads = 3;
            spec.budget.epochs = 3;
            ck_assert_int_eq(trial_train(&spec, texts[i], (struct span){0}, NULL, &file,
                                         &result, NULL),
                             ERR_OK);
            struct model *model = trial_load(&file);
            ck_assert(isfinite(perplexity_of(model, texts[i])));
            model_release(model);
            buffer_fini(&file);
        }
}
END_TEST

/* All words are rarer than min_count: the vocabulary is the reserved three. */
START_TEST(vocabulary_of_nothing)
{
    struct train_spec spec = trial_spec(&kind_lstm, NULL);
    struct train_result result;
    struct buffer file;
    spec.tokenizer.min_count = 5;
    spec.budget.epochs = 2;
    ck_assert_int_eq(
        trial_train(&spec, "a b c\n", (struct span){0}, NULL, &file, &result, NULL),
        ERR_OK);
    struct model *model = trial_load(&file);
    ck_assert_ptr_null(model->vectors);
    ck_assert(isfinite(perplexity_of(model, "x y")));
    model_release(model);
    buffer_fini(&file);
}
END_TEST

/* Told before anything of that size is asked for. */
START_TEST(more_than_the_machine_has)
{
    static const char *const huge[] = {"embedding_size", "16384",  "hidden_size",
                                       "16384",          "layers", "4",
                                       "tied",           "false",  NULL};
    struct train_spec spec = trial_spec(&kind_mlstm, huge);
    struct train_result result;
    struct err_info info = {0};
    struct buffer file;
    char *text = malloc(2000000), *end = text;
    for (int i = 0; i < 150000; i++)
        end += sprintf(end, "w%d%c", i, i % 10 == 9 ? '\n' : ' ');
    ck_assert_int_eq(
        trial_train(&spec, text, (struct span){0}, NULL, &file, &result, &info),
        ERR_LIMIT);
    ck_assert_str_eq(info.pointer, "/params/hidden_size");
    buffer_fini(&file);
    free(text);
}
END_TEST

UNIT_SUITE(fit)
{
    tcase_add_test(unit, more_than_the_machine_has);
    tcase_add_test(unit, resumes_to_the_bit);
    tcase_add_test(unit, resumes_to_the_bit_with_every_softmax);
    tcase_add_test(unit, resumes_triggered_averaging_to_the_bit);
    tcase_add_test(unit, triggered_averaging_needs_validation);
    tcase_add_test(unit, averaging_helps_a_restless_training);
    tcase_add_test(unit, a_resumed_curve_goes_on_as_it_was);
    tcase_add_test(unit, validates_as_often_as_told);
    tcase_add_test(unit, refuses_other_checkpoints);
    tcase_add_test(unit, learns_by_heart);
    tcase_add_test(unit, learns_with_every_softmax);
    tcase_add_test(unit, validates_and_keeps_the_best);
    tcase_add_test(unit, begins_with_frequencies);
    tcase_add_test(unit, clips_the_global_norm);
    tcase_add_test(unit, says_when_it_diverges);
    tcase_add_test(unit, says_when_its_last_step_diverges);
    tcase_add_test(unit, makes_do_with_little);
    tcase_add_test(unit, vocabulary_of_nothing);
}

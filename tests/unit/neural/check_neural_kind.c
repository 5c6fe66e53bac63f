/* SPDX-License-Identifier: MIT */
/* Model files: what was learned comes back as it was, with the embedding as word vectors;
 * files that do not fit themselves and sizes beyond measure are refused. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/neural/shape.h"
#include "model/text/vocab.h"
#include "model/vectors/vectors.h"
#include "tests/support/unit.h"
#include "tests/unit/neural/trial.h"

START_TEST(files_come_back)
{
    char *text = trial_text(50);
    struct train_spec spec = trial_spec(&kind_mlstm, NULL);
    struct train_result result;
    struct buffer file;
    spec.budget.epochs = 2;
    ck_assert_int_eq(
        trial_train(&spec, text, (struct span){0}, NULL, &file, &result, NULL), ERR_OK);
    struct model *model = trial_load(&file);
    const struct artefact_section *section = artefact_find(model->artefact, "embedding");
    ck_assert_ptr_nonnull(section);
    ck_assert_uint_eq(section->shape[0], vocab_size(model->vocab));
    ck_assert_uint_eq(model->vectors->count, vocab_size(model->vocab) - VOCAB_RESERVED);
    const float *rows = (const void *)section->content.bytes;
    ck_assert_int_eq(memcmp(vectors_row(model->vectors, 1),
                            rows + (VOCAB_RESERVED + 1) * 12, 12 * sizeof *rows),
                     0);
    ck_assert_uint_gt(result.parameters, 0);
    model_release(model);
    buffer_fini(&file);
    free(text);
}
END_TEST

/* Any byte changed: refused, or (where it only changes text) loaded; never a crash. */
START_TEST(damaged_files)
{
    struct train_spec spec = trial_spec(&kind_rnn, NULL);
    struct train_result result;
    struct buffer file;
    spec.budget.epochs = 1;
    ck_assert_int_eq(
        trial_train(&spec, "a b c\n", (struct span){0}, NULL, &file, &result, NULL),
        ERR_OK);
    for (size_t at = 0; at < file.size; at += 61) {
        struct model *model;
        char *copy = memory_new_aligned(file.size, 1);
        memcpy(copy, file.bytes, file.size);
        copy[at] ^= 0x40;
        ck_assert_int_eq(model_load_take(copy, file.size, &model, NULL),
                         ERR_BAD_MODEL_FILE);
    }
    buffer_fini(&file);
}
END_TEST

START_TEST(sizes_beyond_measure)
{
    static const char *const huge[] = {"embedding_size", "16384", "hidden_size", "16384",
                                       NULL};
    struct train_spec spec = trial_spec(&kind_lstm, huge);
    struct shape shape;
    struct err_info info = {0};
    ck_assert_int_eq(
        shape_init(&shape, &spec.params, VOCAB_SIZE_MAX, (uint64_t)1 << 32, &info),
        ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(info.message, "16384"));
    ck_assert_int_eq(
        params_parse(&spec.params, "hidden_size", "9223372036854775807", NULL),
        ERR_INVALID);
    ck_assert_int_eq(params_parse(&spec.params, "embedding_size", "0", NULL),
                     ERR_INVALID);
}
END_TEST

START_TEST(estimates)
{
    char *text = trial_text(100);
    struct train_spec spec = trial_spec(&kind_lstm, NULL);
    const struct train_input input = {.text = span_of_text(text)};
    struct train_estimate estimate;
    struct train_result result;
    struct buffer file;
    spec.budget.epochs = 2;
    ck_assert_int_eq(kind_lstm.estimate(&spec, &input, &estimate, NULL), ERR_OK);
    ck_assert_int_eq(
        trial_train(&spec, text, (struct span){0}, NULL, &file, &result, NULL), ERR_OK);
    ck_assert_uint_eq(estimate.parameters, result.parameters);
    ck_assert_double_eq_tol((double)estimate.steps, trial_metric(&result, "steps"), 2);
    buffer_fini(&file);
    free(text);
}
END_TEST

/* The first limit of the budget counts, batches are no larger than the corpus, and ends
 * of segments are tokens. */
START_TEST(estimates_within_the_budget)
{
    static const char *const wide[] = {"batch_size", "512", NULL};
    static const struct {
        double epochs, tokens;
        bool wide;
    } budgets[] = {{10, 500, false}, {1, 50000, false}, {0, 500, false}, {3, 0, true}};
    char *text = trial_text(100);
    const struct train_input input = {.text = span_of_text(text)};
    for (size_t i = 0; i < sizeof budgets / sizeof *budgets; i++) {
        struct train_spec spec = trial_spec(&kind_gru, budgets[i].wide ? wide : NULL);
        struct train_estimate estimate;
        struct train_result result;
        struct buffer file;
        spec.budget.epochs = budgets[i].epochs;
        spec.budget.tokens = budgets[i].tokens;
        ck_assert_int_eq(kind_gru.estimate(&spec, &input, &estimate, NULL), ERR_OK);
        ck_assert_int_eq(
            trial_train(&spec, text, (struct span){0}, NULL, &file, &result, NULL),
            ERR_OK);
        ck_assert_uint_eq(estimate.steps, (uint64_t)trial_metric(&result, "steps"));
        buffer_fini(&file);
    }
    free(text);
}
END_TEST

START_TEST(estimates_all_the_seconds_it_may_take)
{
    char *text = trial_text(100);
    struct train_spec spec = trial_spec(&kind_gru, NULL);
    const struct train_input input = {.text = span_of_text(text)};
    struct train_estimate estimate;
    spec.budget.seconds = 1000;
    ck_assert_int_eq(kind_gru.estimate(&spec, &input, &estimate, NULL), ERR_OK);
    ck_assert_double_eq_tol(estimate.seconds, 1000, 1);
    ck_assert_uint_gt(estimate.steps, 10000);
    free(text);
}
END_TEST

START_TEST(direct_needs_an_output_layer)
{
    static const char *const both[] = {"tied", "true", "direct", "true", NULL};
    struct train_spec spec = trial_spec(&kind_nplm, both);
    struct shape shape;
    struct err_info info = {0};
    ck_assert_int_eq(shape_init(&shape, &spec.params, 10, 0, &info), ERR_INVALID);
    ck_assert_str_eq(info.pointer, "/params/direct");
}
END_TEST

/* ---- the adaptive softmax's clusters ---- */

/* An adaptive model's file, learned from trial_text, and its shape. */
static struct model *adaptive_model(const char *const *params, struct shape *shape)
{
    char *text = trial_text(60);
    struct train_spec spec = trial_spec(&kind_gru, params);
    struct train_result result;
    struct buffer file;
    spec.budget.epochs = 1;
    ck_assert_int_eq(
        trial_train(&spec, text, (struct span){0}, NULL, &file, &result, NULL), ERR_OK);
    struct model *model = trial_load(&file);
    ck_assert_int_eq(
        shape_init(shape, &model->spec.params, vocab_size(model->vocab), 0, NULL),
        ERR_OK);
    buffer_fini(&file);
    free(text);
    return model;
}

/* The model's file again, checksums and all, but with other cutoffs. */
static enum err reload_with(const struct model *model, const struct shape *shape,
                            const char *cutoffs)
{
    struct train_spec spec = model->spec;
    struct artefact_writer *writer;
    struct buffer file;
    struct model *other = NULL;
    buffer_init(&file, (size_t)1 << 26);
    struct writer to = writer_to_buffer(&file);
    ck_assert_int_eq(params_parse(&spec.params, "cutoffs", cutoffs, NULL), ERR_OK);
    ck_assert_int_eq(artefact_begin(&to, "gru", &writer), ERR_OK);
    ck_assert_int_eq(model_write_head(writer, &spec, model->tokenizer, model->vocab),
                     ERR_OK);
    for (size_t i = 0; i < shape->tensor_count; i++) {
        const struct artefact_section *section =
            artefact_find(model->artefact, shape->tensors[i].name);
        ck_assert_ptr_nonnull(section);
        ck_assert_int_eq(artefact_put(writer, section->name, section->type, section->rank,
                                      section->shape, section->content.bytes),
                         ERR_OK);
    }
    ck_assert_int_eq(model_write_result(writer, &model->result), ERR_OK);
    ck_assert_int_eq(artefact_finish(writer), ERR_OK);
    artefact_writer_free(writer);
    void *copy = memory_new_aligned(file.size, 1);
    memcpy(copy, file.bytes, file.size);
    enum err code = model_load_take(copy, file.size, &other, NULL);
    model_release(other);
    buffer_fini(&file);
    return code;
}

START_TEST(clusters_that_do_not_fit_the_file)
{
    static const char *const untied[] = {"softmax", "adaptive", "cutoffs", "6,20",
                                         "tied",    "false",    NULL};
    static const char *const wrong[] = {"6",    "7,20",    "6,21", "6,20,25",
                                        "20,6", "6,6",     "600",  "33",
                                        "",     "6,20,33", "3",    "6,20,600"};
    struct shape shape;
    struct model *model = adaptive_model(untied, &shape);
    ck_assert_uint_eq(vocab_size(model->vocab), 33);
    ck_assert_uint_eq(shape.softmax.cluster_count, 2);
    ck_assert_int_eq(reload_with(model, &shape, "6,20"), ERR_OK);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        enum err expected =
            strcmp(wrong[i], "6,20,33") == 0 ? ERR_OK : ERR_BAD_MODEL_FILE;
        ck_assert_msg(reload_with(model, &shape, wrong[i]) == expected, "%s", wrong[i]);
    }
    model_release(model);
}
END_TEST

/* Chosen cutoffs stand in the file: loading does not choose again. */
START_TEST(the_file_says_its_clusters)
{
    static const char *const params[] = {"softmax", "adaptive", NULL};
    struct shape shape;
    struct model *model = adaptive_model(params, &shape);
    const struct param_value *value = params_value(&model->spec.params, "cutoffs");
    ck_assert_uint_ge(value->list_count, 1);
    /* Nothing is gained over thirty words. */
    ck_assert_double_eq(value->list[0], 33);
    ck_assert_uint_eq(shape.softmax.cluster_count, 0);
    model_release(model);
}
END_TEST

START_TEST(cutoffs_beyond_the_vocabulary)
{
    static const char *const bad[] = {"10,10", "20,15", "5,41", "3,4,5,6,7,8,9,10,11"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *const params[] = {"softmax", "adaptive", "cutoffs", bad[i], NULL};
        struct train_spec spec = trial_spec(&kind_lstm, params);
        struct shape shape;
        struct err_info info = {0};
        ck_assert_int_eq(shape_init(&shape, &spec.params, 40, 0, &info), ERR_INVALID);
        ck_assert_str_eq(info.pointer, "/params/cutoffs");
    }
    struct train_spec spec = trial_spec(&kind_lstm, NULL);
    ck_assert_int_eq(params_parse(&spec.params, "cutoffs", "2,10", NULL), ERR_INVALID);
}
END_TEST

START_TEST(estimates_with_every_softmax)
{
    static const char *const forms[][7] = {
        {"softmax", "adaptive", "cutoffs", "6,20", NULL},
        {"softmax", "adaptive", "cutoffs", "6,20", "tied", "false", NULL},
        {"softmax", "sampled", "tied", "false", NULL}};
    char *text = trial_text(60);
    for (size_t i = 0; i < 3; i++) {
        struct train_spec spec = trial_spec(&kind_lstm, forms[i]);
        const struct train_input input = {.text = span_of_text(text)};
        struct train_estimate estimate;
        struct train_result result;
        struct buffer file;
        spec.budget.epochs = 1;
        ck_assert_int_eq(kind_lstm.estimate(&spec, &input, &estimate, NULL), ERR_OK);
        ck_assert_int_eq(
            trial_train(&spec, text, (struct span){0}, NULL, &file, &result, NULL),
            ERR_OK);
        ck_assert_uint_eq(estimate.parameters, result.parameters);
        buffer_fini(&file);
    }
    free(text);
}
END_TEST

UNIT_SUITE(neural_kind)
{
    tcase_add_test(unit, clusters_that_do_not_fit_the_file);
    tcase_add_test(unit, the_file_says_its_clusters);
    tcase_add_test(unit, cutoffs_beyond_the_vocabulary);
    tcase_add_test(unit, estimates_with_every_softmax);
    tcase_add_test(unit, files_come_back);
    tcase_add_test(unit, damaged_files);
    tcase_add_test(unit, sizes_beyond_measure);
    tcase_add_test(unit, estimates);
    tcase_add_test(unit, estimates_within_the_budget);
    tcase_add_test(unit, estimates_all_the_seconds_it_may_take);
    tcase_add_test(unit, direct_needs_an_output_layer);
}

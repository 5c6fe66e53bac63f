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

UNIT_SUITE(neural_kind)
{
    tcase_add_test(unit, files_come_back);
    tcase_add_test(unit, damaged_files);
    tcase_add_test(unit, sizes_beyond_measure);
    tcase_add_test(unit, estimates);
    tcase_add_test(unit, direct_needs_an_output_layer);
}

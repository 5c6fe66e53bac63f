/* SPDX-License-Identifier: MIT */
/* Mixtures from training to a loaded file, made of real n-gram models. */
#include "tests/support/unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/random.h"
#include "model/lm/evaluate.h"
#include "model/lm/infer_generate.h"
#include "model/lm/infer_next.h"
#include "model/lm/infer_score.h"
#include "model/lm/lm.h"
#include "model/model.h"
#include "tests/support/repair.h"
#include "tests/unit/lm/toy.h"

struct file {
    char *bytes; /* 64-byte aligned */
    size_t size;
};

/* A text with some order in it: each word depends on the two before. */
static char *some_text(uint64_t seed, size_t lines)
{
    struct buffer text;
    struct random random;
    size_t size;
    random_seed(&random, seed, 0);
    buffer_init(&text, 1 << 22);
    for (size_t line = 0; line < lines; line++) {
        unsigned a = (unsigned)random_below(&random, 30), b = a + 1;
        for (uint64_t left = 3 + random_below(&random, 9); left > 0; left--) {
            unsigned c = (a + 2 * b + (unsigned)random_below(&random, 3)) % 30;
            buffer_printf(&text, "w%u ", c);
            a = b;
            b = c;
        }
        buffer_append_char(&text, '\n');
    }
    return buffer_release(&text, &size);
}

static enum err train(struct train_spec *spec, const char *text, const char *valid,
                      const struct file *parts, size_t count, struct file *file,
                      struct train_result *result, struct err_info *info)
{
    struct buffer bytes;
    struct train_input input = {.text = span_of_text(text),
                                .valid = span_of_text(valid),
                                .component_count = count};
    buffer_init(&bytes, 1 << 26);
    struct writer writer = writer_to_buffer(&bytes);
    for (size_t i = 0; i < count; i++)
        input.components[i] = span_of(parts[i].bytes, parts[i].size);
    spec->tokenizer.unit = UNIT_WHITESPACE;
    spec->threads = 2;
    enum err code = train_run(spec, &input, NULL, &writer, result, info);
    file->size = bytes.size;
    file->bytes = memory_new_aligned(bytes.size, 1);
    if (bytes.size > 0)
        memcpy(file->bytes, bytes.bytes, bytes.size);
    buffer_fini(&bytes);
    return code;
}

static struct file ngram(const char *text, const char *order)
{
    struct train_spec spec;
    struct train_result result;
    struct file file;
    train_spec_init(&spec, kind_find("ngram"));
    ck_assert_int_eq(params_parse(&spec.params, "order", order, NULL), ERR_OK);
    ck_assert_int_eq(train(&spec, text, "w1 w2\n", NULL, 0, &file, &result, NULL),
                     ERR_OK);
    return file;
}

static enum err mix(const struct file *parts, size_t count, const char *text,
                    struct file *file, struct train_result *result, struct err_info *info)
{
    static const char *const names[] = {"a", "b", "c"};
    struct train_spec spec;
    train_spec_init(&spec, kind_find("mixture"));
    ck_assert_int_eq(params_set_names(&spec.params, "models", names, count, NULL),
                     ERR_OK);
    return train(&spec, text, text, parts, count, file, result, info);
}

static struct model *load(const struct file *file)
{
    struct model *model;
    struct err_info info = {0};
    char *bytes = memory_new_aligned(file->size, 1);
    memcpy(bytes, file->bytes, file->size);
    ck_assert_msg(model_load_take(bytes, file->size, &model, &info) == ERR_OK, "%s",
                  info.message);
    return model;
}

static double metric(const struct train_result *result, const char *name)
{
    for (size_t i = 0; i < result->metric_count; i++)
        if (strcmp(result->metrics[i].name, name) == 0)
            return result->metrics[i].value;
    ck_abort_msg("no metric %s", name);
    return 0;
}

static double perplexity(const struct model *model, const char *text)
{
    struct evaluation evaluation;
    ck_assert_int_eq(evaluate_perplexity(model->lm, model->tokenizer, model->vocab,
                                         span_of_text(text), 2, NULL, &evaluation),
                     ERR_OK);
    return evaluation.perplexity;
}

/* Three texts, two n-gram models over one vocabulary. */
struct setting {
    char *text, *held_out;
    struct file parts[2];
};

static struct setting setting_new(void)
{
    struct setting setting = {some_text(1, 400), some_text(2, 150), {{0}}};
    setting.parts[0] = ngram(setting.text, "1");
    setting.parts[1] = ngram(setting.text, "3");
    return setting;
}

static void setting_free(struct setting *setting)
{
    free(setting->text);
    free(setting->held_out);
    free(setting->parts[0].bytes);
    free(setting->parts[1].bytes);
}

START_TEST(a_mixture_is_better_than_its_parts)
{
    struct setting setting = setting_new();
    struct file file;
    struct train_result result;
    ck_assert_int_eq(mix(setting.parts, 2, setting.held_out, &file, &result, NULL),
                     ERR_OK);
    struct model *models[] = {load(&setting.parts[0]), load(&setting.parts[1])};
    struct model *mixture = load(&file);
    double mixed = perplexity(mixture, setting.held_out);
    ck_assert_double_le(mixed, perplexity(models[0], setting.held_out) + 1e-6);
    ck_assert_double_le(mixed, perplexity(models[1], setting.held_out) + 1e-6);
    near_to(metric(&result, "valid_perplexity"), mixed, 1e-6);
    near_to(metric(&result, "em_perplexity"), mixed, 1e-3);
    near_to(metric(&result, "weight_0") + metric(&result, "weight_1"), 1, 1e-9);
    ck_assert_str_eq(mixture->kind->name, "mixture");
    ck_assert_int_eq((int)mixture->spec.tokenizer.unit, UNIT_WHITESPACE);
    for (size_t i = 0; i < 2; i++)
        model_release(models[i]);
    model_release(mixture);
    free(file.bytes);
    setting_free(&setting);
}
END_TEST

/* The file and an ensemble of the same weights say the same. */
START_TEST(an_ensemble_equals_the_file)
{
    struct setting setting = setting_new();
    struct file file;
    struct train_result result;
    struct target ensemble, whole;
    struct span text = span_of_text("w1 w4 w9 zebra w3");
    struct score_options options = {.bos = true, .eos = true, .tokens = true};
    struct score_answer left, right;
    ck_assert_int_eq(mix(setting.parts, 2, setting.held_out, &file, &result, NULL),
                     ERR_OK);
    struct model *models[] = {load(&setting.parts[0]), load(&setting.parts[1])};
    struct model *mixture = load(&file);
    double weights[] = {metric(&result, "weight_0"), metric(&result, "weight_1")};
    ck_assert_int_eq(target_of_ensemble(models, weights, 2, &ensemble, NULL), ERR_OK);
    ck_assert_int_eq(target_of_model(mixture, &whole, NULL), ERR_OK);
    ck_assert_int_eq(infer_score(&ensemble, &options, &text, 1, &left, NULL), ERR_OK);
    ck_assert_int_eq(infer_score(&whole, &options, &text, 1, &right, NULL), ERR_OK);
    near_to(left.total.logprob, right.total.logprob, 1e-5);
    ck_assert_uint_eq(left.total.oov_count, 1);
    score_answer_fini(&left);
    score_answer_fini(&right);
    target_fini(&ensemble);
    for (size_t i = 0; i < 2; i++)
        model_release(models[i]);
    model_release(mixture);
    free(file.bytes);
    setting_free(&setting);
}
END_TEST

START_TEST(ensembles_need_one_vocabulary)
{
    struct setting setting = setting_new();
    struct file other_file = ngram("w1 w2\nq\n", "2");
    struct model *models[] = {load(&setting.parts[0]), load(&other_file)};
    struct target target;
    struct err_info info = {0};
    struct train_result result;
    struct file mixed, parts[] = {setting.parts[0], other_file};
    ck_assert_int_eq(target_of_ensemble(models, NULL, 2, &target, &info),
                     ERR_VOCAB_MISMATCH);
    ck_assert_str_eq(info.pointer, "/ensemble");
    info = (struct err_info){0};
    ck_assert_int_eq(mix(parts, 2, setting.held_out, &mixed, &result, &info),
                     ERR_VOCAB_MISMATCH);
    ck_assert_str_eq(info.pointer, "/params/models");
    ck_assert_uint_eq(mixed.size, 0);
    free(mixed.bytes);
    model_release(models[0]);
    model_release(models[1]);
    free(other_file.bytes);
    setting_free(&setting);
}
END_TEST

/* Mixtures of mixtures: as deep as allowed, and one deeper. */
START_TEST(mixtures_nest_so_deep)
{
    struct setting setting = setting_new();
    struct file file = setting.parts[1], next;
    struct train_result result;
    int depth = 0;
    enum err code = ERR_OK;
    while (depth < 10) {
        struct file parts[] = {setting.parts[0], file};
        code = mix(parts, 2, setting.held_out, &next, &result, NULL);
        if (depth > 0)
            free(file.bytes);
        file = next;
        if (code)
            break;
        depth++;
        model_release(load(&file));
    }
    ck_assert_int_eq(code, ERR_BAD_MODEL_FILE);
    ck_assert_int_eq(depth, MODEL_DEPTH_MAX);
    free(file.bytes);
    setting_free(&setting);
}
END_TEST

/* What a request may do with a model that somebody made up. */
static void use(const struct model *model)
{
    struct target target;
    struct span text = span_of_text("w1 w4 w9 zebra w3");
    struct score_options options = {.bos = true, .eos = true, .tokens = true};
    struct score_answer score;
    struct next_request next = {.context = text, .k = 5, .temperature = 1};
    struct next_answer predicted;
    struct generate_request request = {
        .prompt = text, .max_tokens = 5, .temperature = 1, .top_p = 0.9, .n = 2};
    struct generate_answer generated;
    if (target_of_model(model, &target, NULL))
        return;
    if (infer_score(&target, &options, &text, 1, &score, NULL) == ERR_OK)
        score_answer_fini(&score);
    if (infer_next(&target, &next, &predicted, NULL) == ERR_OK)
        next_answer_fini(&predicted);
    if (infer_generate(&target, &request, &generated, NULL) == ERR_OK)
        generate_answer_fini(&generated);
}

/* Damage that the checksums do not show is refused or does no harm. */
START_TEST(damaged_files_with_right_checksums)
{
    struct setting setting = setting_new();
    struct file file;
    struct train_result result;
    struct random random;
    int loaded = 0, refused = 0;
    ck_assert_int_eq(mix(setting.parts, 2, setting.held_out, &file, &result, NULL),
                     ERR_OK);
    random_seed(&random, 6, 0);
    for (int round = 0; round < 1000; round++) {
        struct model *model;
        struct err_info info = {0};
        char *copy = memory_new_aligned(file.size, 1);
        memcpy(copy, file.bytes, file.size);
        for (uint64_t flips = 1 + random_below(&random, 4); flips > 0; flips--)
            copy[random_below(&random, file.size)] = (char)random_below(&random, 256);
        repair_checksums(copy, file.size);
        enum err code = model_load_take(copy, file.size, &model, &info);
        if (code == ERR_OK) {
            loaded++;
            use(model);
            model_release(model);
        } else {
            refused++;
            ck_assert_int_eq(code, ERR_BAD_MODEL_FILE);
            ck_assert_str_ne(info.message, "");
        }
    }
    ck_assert_int_gt(loaded, 0); /* the damage does get past the checksums */
    ck_assert_int_gt(refused, 0);
    free(file.bytes);
    setting_free(&setting);
}
END_TEST

UNIT_SUITE(mixture_kind)
{
    tcase_add_test(unit, a_mixture_is_better_than_its_parts);
    tcase_add_test(unit, an_ensemble_equals_the_file);
    tcase_add_test(unit, ensembles_need_one_vocabulary);
    tcase_add_test(unit, mixtures_nest_so_deep);
    tcase_add_test(unit, damaged_files_with_right_checksums);
}

/* SPDX-License-Identifier: MIT */
#include "tests/unit/neural/trial.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "tests/support/unit.h"

struct train_spec trial_spec(const struct kind *kind, const char *const *params)
{
    static const char *const sizes[] = {
        "embedding_size", "12", "hidden_size", "10", "batch_size", "4",
        "dropout",        "0",  NULL};
    struct train_spec spec;
    train_spec_init(&spec, kind);
    spec.tokenizer.unit = UNIT_WHITESPACE;
    spec.tokenizer.min_count = 1;
    spec.valid_fraction = 0;
    spec.threads = 1;
    spec.checkpoint_every_s = 0;
    for (const char *const *param = sizes; param[0]; param += 2)
        ck_assert_int_eq(params_parse(&spec.params, param[0], param[1], NULL), ERR_OK);
    for (; params && params[0]; params += 2)
        ck_assert_int_eq(params_parse(&spec.params, params[0], params[1], NULL), ERR_OK);
    return spec;
}

enum err trial_train(const struct train_spec *spec, const char *text, struct span resume,
                     const struct progress *progress, struct buffer *file,
                     struct train_result *result, struct err_info *info)
{
    const struct train_input input = {.text = span_of_text(text), .resume = resume};
    buffer_init(file, (size_t)1 << 26);
    struct writer writer = writer_to_buffer(file);
    return train_run(spec, &input, progress, &writer, result, info);
}

struct model *trial_load(const struct buffer *file)
{
    struct model *model;
    void *copy = memory_new_aligned(file->size, 1);
    memcpy(copy, file->bytes, file->size);
    ck_assert_int_eq(model_load_take(copy, file->size, &model, NULL), ERR_OK);
    return model;
}

char *trial_text(size_t lines)
{
    struct random random;
    char *text = malloc(lines * 64 + 1), *end = text;
    random_seed(&random, 5, 5);
    *text = 0;
    for (size_t i = 0; i < lines; i++) {
        size_t words = 5 + random_below(&random, 5), word = random_below(&random, 20);
        for (size_t j = 0; j < words; j++) {
            end += sprintf(end, "w%zu%c", word, j + 1 == words ? '\n' : ' ');
            word = (3 * word + random_below(&random, 3)) % 30;
        }
    }
    return text;
}

double trial_metric(const struct train_result *result, const char *name)
{
    for (size_t i = 0; i < result->metric_count; i++)
        if (strcmp(result->metrics[i].name, name) == 0)
            return result->metrics[i].value;
    return NAN;
}

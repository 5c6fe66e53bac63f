/* SPDX-License-Identifier: MIT */
/* GloVe's step against finite differences, and what training does. */
#include "model/vectors/glove.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "model/vectors/kernels.h"
#include "tests/support/unit.h"
#include "tests/unit/vectors/fixture.h"

enum { WIDTH = 32 };

/* ½ f (a·b − target)², a and b the numbers of two rows. */
static double loss_of(const float *a, const float *b, double target, double weight)
{
    double dot = 0;
    for (int d = 0; d < WIDTH; d++)
        dot += (double)a[d] * b[d];
    return 0.5 * weight * (dot - target) * (dot - target);
}

START_TEST(step_follows_the_gradient)
{
    const struct kernels *kernels = kernels_of_level((enum simd_level)_i);
    if (!kernels)
        return;
    const float target = 1.7f, weight = 0.4f, rate = 1e-3f;
    struct random random;
    float *before = memory_new_aligned(4 * WIDTH, sizeof *before);
    float *after = memory_new_aligned(4 * WIDTH, sizeof *after);
    random_seed(&random, 1, 0);
    for (int d = 0; d < 4 * WIDTH; d++) /* numbers, then sums of about 4 */
        before[d] = (float)random_normal(&random) * 0.3f + (d / WIDTH % 2 ? 4 : 0);
    memcpy(after, before, 4 * WIDTH * sizeof *after);
    float error = kernels->glove(after, after + 2 * WIDTH, WIDTH, target, weight * rate);
    double loss = loss_of(before, before + 2 * WIDTH, target, weight);
    ck_assert_double_eq_tol(0.5 * weight * error * error, loss, 1e-5);
    for (int at = 0; at < 4 * WIDTH; at++) {
        if (at / WIDTH % 2)
            continue;
        float kept = before[at], sum = before[at + WIDTH];
        before[at] = kept + 1e-2f;
        double up = loss_of(before, before + 2 * WIDTH, target, weight);
        before[at] = kept - 1e-2f;
        double down = loss_of(before, before + 2 * WIDTH, target, weight);
        before[at] = kept;
        double slope = (up - down) / ((double)(kept + 1e-2f) - (kept - 1e-2f));
        double step = (double)(after[at] - kept) / -rate * sqrt((double)sum);
        ck_assert_double_eq_tol(step, slope, 2e-3);
        ck_assert_double_eq_tol((double)after[at + WIDTH],
                                (double)sum + slope * slope * rate * rate, 1e-5);
    }
    free(before);
    free(after);
}
END_TEST

static double train_loss(const struct train_result *result)
{
    for (size_t i = 0; i < result->metric_count; i++)
        if (strcmp(result->metrics[i].name, "train_loss") == 0)
            return result->metrics[i].value;
    return NAN;
}

START_TEST(loss_falls_and_groups_form)
{
    char *text = fixture_text(4000, 1);
    const char *params[] = {"dim", "20", "window", "4", NULL};
    struct buffer first, last;
    struct train_result early, late;
    ck_assert_int_eq(fixture_train("glove", text, 2, params, 1, &first, &early), ERR_OK);
    ck_assert_int_eq(fixture_train("glove", text, 2, params, 40, &last, &late), ERR_OK);
    ck_assert_double_lt(train_loss(&late), train_loss(&early) / 4);
    struct model *model = fixture_load(&last);
    ck_assert_uint_ge(fixture_right_neighbours(model->vectors), 110);
    model_release(model);
    buffer_fini(&first);
    buffer_fini(&last);
    free(text);
}
END_TEST

START_TEST(one_thread_repeats_to_the_byte)
{
    char *text = fixture_text(1000, 2);
    const char *params[] = {"dim", "10", NULL};
    struct buffer first, second;
    struct train_result result;
    ck_assert_int_eq(fixture_train("glove", text, 1, params, 3, &first, &result), ERR_OK);
    ck_assert_int_eq(fixture_train("glove", text, 1, params, 3, &second, &result),
                     ERR_OK);
    ck_assert_uint_eq(first.size, second.size);
    ck_assert(memcmp(first.bytes, second.bytes, first.size) == 0);
    buffer_fini(&first);
    buffer_fini(&second);
    free(text);
}
END_TEST

START_TEST(outputs_add_up)
{
    char *text = fixture_text(500, 3);
    static const char *const outputs[] = {"sum", "word", "context", "both"};
    struct model *models[4];
    for (int i = 0; i < 4; i++) {
        const char *params[] = {"dim", "10", "output", outputs[i], "spectrum", "1", NULL};
        struct buffer bytes;
        struct train_result result;
        ck_assert_int_eq(fixture_train("glove", text, 1, params, 2, &bytes, &result),
                         ERR_OK);
        models[i] = fixture_load(&bytes);
        ck_assert_uint_eq(models[i]->vectors->dim, i == 3 ? 20 : 10);
        buffer_fini(&bytes);
    }
    for (uint32_t row = 0; row < models[0]->vectors->count; row++)
        for (int d = 0; d < 10; d++) {
            float word = vectors_row(models[1]->vectors, row)[d];
            float context = vectors_row(models[2]->vectors, row)[d];
            ck_assert_float_eq(vectors_row(models[0]->vectors, row)[d], word + context);
            ck_assert_float_eq(vectors_row(models[3]->vectors, row)[d], word);
            ck_assert_float_eq(vectors_row(models[3]->vectors, row)[10 + d], context);
        }
    for (int i = 0; i < 4; i++)
        model_release(models[i]);
    free(text);
}
END_TEST

UNIT_SUITE(vectors_glove)
{
    tcase_add_loop_test(unit, step_follows_the_gradient, 0, 3);
    tcase_add_test(unit, loss_falls_and_groups_form);
    tcase_add_test(unit, one_thread_repeats_to_the_byte);
    tcase_add_test(unit, outputs_add_up);
}

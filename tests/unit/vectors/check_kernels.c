/* SPDX-License-Identifier: MIT */
/* Every compiled set of kernels against plain loops in double precision. */
#include "model/vectors/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "tests/support/unit.h"

static float *random_rows(size_t rows, size_t width, uint64_t seed)
{
    struct random random;
    random_seed(&random, seed, 0);
    float *values = memory_new_aligned(rows * width, sizeof *values);
    for (size_t i = 0; i < rows * width; i++)
        values[i] = (float)random_normal(&random) * 0.3f;
    return values;
}

static double naive_dot(const float *a, const float *b, size_t width)
{
    double sum = 0;
    for (size_t d = 0; d < width; d++)
        sum += (double)a[d] * b[d];
    return sum;
}

static const struct kernels *level(int number)
{
    return kernels_of_level((enum simd_level)number);
}

/* The last rows as queries against all. */
static void check_many(const struct kernels *kernels, const float *rows, size_t width,
                       size_t count, size_t queries)
{
    float scores[8 * 48] __attribute__((aligned(64)));
    const float *asked = rows + (41 - queries) * width;
    kernels->scan_many(rows, width, count, asked, queries, scores, 48);
    for (size_t q = 0; q < queries; q++)
        for (size_t i = 0; i < count; i++)
            ck_assert_double_eq_tol((double)scores[q * 48 + i],
                                    naive_dot(rows + i * width, asked + q * width, width),
                                    1e-5);
}

START_TEST(products_and_distances)
{
    const struct kernels *kernels = level(_i);
    if (!kernels)
        return;
    for (size_t width = 16; width <= 112; width += 16) {
        float *rows = random_rows(41, width, width), scores[40];
        const float *query = rows + 40 * width;
        kernels->scan(rows, width, 40, query, width, scores);
        for (size_t i = 0; i < 40; i++) {
            const float *row = rows + i * width;
            double squared = naive_dot(row, row, width) + naive_dot(query, query, width) -
                             2 * naive_dot(row, query, width);
            ck_assert_double_eq_tol(scores[i], naive_dot(row, query, width), 1e-5);
            ck_assert_double_eq_tol(kernels->dot(row, query, width), scores[i], 1e-5);
            ck_assert_double_eq_tol(kernels->distance(row, query, width), squared, 1e-4);
        }
        check_many(kernels, rows, width, 37, 1);
        check_many(kernels, rows, width, 37, 3);
        check_many(kernels, rows, width, 40, 8);
        free(rows);
    }
}
END_TEST

START_TEST(shifted_cosines)
{
    const struct kernels *kernels = level(_i);
    enum { COUNT = 91, ROOM = 96 };
    if (!kernels)
        return;
    float *scores = random_rows(1, ROOM, 11), *scale = random_rows(1, ROOM, 12);
    float *products = random_rows(1, ROOM, 13), *before = random_rows(1, ROOM, 13);
    scores[5] = -9, scale[5] = 1, scores[6] = 9, scale[6] = 1, scale[7] = 0;
    for (int divide = 0; divide < 2; divide++) {
        memcpy(products, before, ROOM * sizeof *products);
        kernels->shift(products, scores, scale, COUNT, divide);
        for (size_t i = 0; i < COUNT; i++) {
            double cosine = fmin(1, fmax(-1, (double)scores[i] * scale[i]));
            double s = (1 + cosine) / 2;
            double wanted = divide ? before[i] / (s + 0.001) : before[i] * s;
            ck_assert_double_eq_tol(products[i], wanted, 1e-5 * fmax(1, fabs(wanted)));
        }
    }
    free(scores);
    free(scale);
    free(products);
    free(before);
}
END_TEST

START_TEST(positions_above)
{
    const struct kernels *kernels = level(_i);
    if (!kernels)
        return;
    float *scores = random_rows(1, 96, 1), *scale = random_rows(1, 96, 2);
    float *offset = random_rows(1, 96, 3);
    uint32_t positions[96];
    float expected[96];
    for (size_t i = 0; i < 96; i++)
        expected[i] = scores[i] * scale[i] + offset[i];
    size_t count = kernels->above(scores, scale, offset, 91, 0.1f, positions), at = 0;
    for (uint32_t i = 0; i < 91; i++) {
        ck_assert_float_eq_tol(scores[i], expected[i], 1e-6f);
        if (scores[i] >= 0.1f)
            ck_assert_uint_eq(positions[at++], i);
    }
    ck_assert_uint_eq(count, at);
    ck_assert_uint_gt(count, 5);
    free(scores);
    free(scale);
    free(offset);
}
END_TEST

/* -log σ(x₀) - Σ log σ(-x_n) over all inputs. */
static double negative_loss(const float *inputs, size_t input_count, const float *outputs,
                            size_t output_count, size_t width)
{
    double loss = 0;
    for (size_t i = 0; i < input_count; i++)
        for (size_t o = 0; o < output_count; o++) {
            double score = naive_dot(inputs + i * width, outputs + o * width, width);
            loss += log1p(exp(o == 0 ? -score : score));
        }
    return loss;
}

/* One step with a small rate moves every number by -rate times the derivative of the
 * loss, which finite differences give. Outputs that fit one tile are exact. */
static void check_gradient(const struct kernels *kernels, size_t input_count,
                           size_t output_count)
{
    const size_t width = 32;
    const float rate = 1e-3f;
    size_t rows = input_count + output_count;
    float *before = random_rows(rows, width, 9), *after = random_rows(rows, width, 9);
    float *inputs[16], *outputs[16];
    for (size_t i = 0; i < input_count; i++)
        inputs[i] = after + i * width;
    for (size_t o = 0; o < output_count; o++)
        outputs[o] = after + (input_count + o) * width;
    kernels->negative(inputs, input_count, outputs, output_count, width, rate);
    for (size_t at = 0; at < rows * width; at += 7) {
        float kept = before[at];
        const float *out = before + input_count * width;
        before[at] = kept + 1e-2f;
        double up = negative_loss(before, input_count, out, output_count, width);
        before[at] = kept - 1e-2f;
        double down = negative_loss(before, input_count, out, output_count, width);
        before[at] = kept;
        double slope = (up - down) / ((double)(kept + 1e-2f) - (kept - 1e-2f));
        ck_assert_double_eq_tol((double)(after[at] - kept) / -rate, slope, 5e-3);
    }
    free(before);
    free(after);
}

START_TEST(negative_gradient)
{
    const struct kernels *kernels = level(_i);
    if (!kernels)
        return;
    check_gradient(kernels, 1, 2);
    check_gradient(kernels, 5, 2);
    check_gradient(kernels, 4, 6);
    check_gradient(kernels, 3, 8);
    check_gradient(kernels, 7, 13);
}
END_TEST

START_TEST(repeated_outputs_add_up)
{
    const struct kernels *kernels = level(_i);
    if (!kernels)
        return;
    float *rows = random_rows(3, 16, 4), *copy = random_rows(3, 16, 4);
    float *inputs[] = {rows}, *outputs[] = {rows + 16, rows + 32, rows + 32};
    kernels->negative(inputs, 1, outputs, 2, 16, 0.5f);
    float once = rows[32] - copy[32];
    memcpy(rows, copy, 48 * sizeof *rows);
    kernels->negative(inputs, 1, outputs, 3, 16, 0.5f);
    ck_assert_float_eq_tol(rows[32] - copy[32], 2 * once, 5e-2f * fabsf(once));
    free(rows);
    free(copy);
}
END_TEST

UNIT_SUITE(vectors_kernels)
{
    tcase_add_loop_test(unit, products_and_distances, 0, 3);
    tcase_add_loop_test(unit, positions_above, 0, 3);
    tcase_add_loop_test(unit, shifted_cosines, 0, 3);
    tcase_add_loop_test(unit, negative_gradient, 0, 3);
    tcase_add_loop_test(unit, repeated_outputs_add_up, 0, 3);
}

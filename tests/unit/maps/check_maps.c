/* SPDX-License-Identifier: MIT */
/* Maps: known ellipses, gradients against finite differences, trees against sums. */
#include "model/maps/maps.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "model/maps/affinity.h"
#include "model/maps/cells.h"
#include "model/maps/map_kernels.h"
#include "model/maps/pca.h"
#include "model/maps/tsne.h"
#include "model/vectors/vectors.h"
#include "tests/support/unit.h"

/* Normal rows with standard deviation deviations[d] along axis d, moved by 3. */
static float *ellipse(size_t count, uint32_t dim, const double *deviations, uint64_t seed)
{
    struct random random;
    random_seed(&random, seed, 0);
    size_t stride = vectors_stride(dim);
    float *rows = memory_new_aligned(count * stride, sizeof *rows);
    for (size_t i = 0; i < count; i++)
        for (uint32_t d = 0; d < dim; d++)
            rows[i * stride + d] =
                (float)(3 + random_normal(&random) * (deviations ? deviations[d] : 1));
    return rows;
}

START_TEST(pca_of_an_ellipse)
{
    enum { COUNT = 4000 };
    static const double deviations[] = {1, 5, 0.1, 2};
    size_t stride = vectors_stride(4);
    float *rows = ellipse(COUNT, 4, deviations, 1), *points;
    double explained[2];
    points = memory_new_array(2 * COUNT, sizeof *points);
    ck_assert_int_eq(pca_project(rows, COUNT, 4, stride, 2, points, explained), ERR_OK);
    ck_assert_double_eq_tol(explained[0], 25 / 30.01, 0.02);
    ck_assert_double_eq_tol(explained[1], 4 / 30.01, 0.02);
    double mean[2] = {0}, product = 0, along = 0;
    for (size_t i = 0; i < COUNT; i++) {
        mean[0] += (double)points[2 * i] / COUNT;
        mean[1] += (double)points[2 * i + 1] / COUNT;
        product += (double)points[2 * i] * (double)points[2 * i + 1] / COUNT;
        along += (double)points[2 * i] * ((double)rows[i * stride + 1] - 3) / COUNT;
    }
    ck_assert_double_eq_tol(mean[0], 0, 1e-4);
    ck_assert_double_eq_tol(mean[1], 0, 1e-4);
    ck_assert_double_eq_tol(product, 0, 1e-3);
    ck_assert_double_eq_tol(along, 25, 1.5); /* axis 0 is dimension 1, with its sign */
    free(points);
    free(rows);
}
END_TEST

/* Vectors so long that the covariance matrix is not formed. */
START_TEST(pca_of_long_vectors)
{
    enum { COUNT = 120, DIM = 1100 };
    size_t stride = vectors_stride(DIM);
    double *deviations = memory_new_array(DIM, sizeof *deviations);
    for (int d = 0; d < DIM; d++)
        deviations[d] = d == 700 ? 40 : d == 9 ? 20 : 0.2;
    float *rows = ellipse(COUNT, DIM, deviations, 2), points[COUNT * 2];
    double explained[2], along[2] = {0}, squares[2] = {0};
    ck_assert_int_eq(pca_project(rows, COUNT, DIM, stride, 2, points, explained), ERR_OK);
    ck_assert_double_gt(explained[0], 0.6);
    ck_assert_double_gt(explained[0] + explained[1], 0.95);
    for (int i = 0; i < COUNT; i++)
        for (int k = 0; k < 2; k++) {
            along[k] += (double)points[2 * i + k] *
                        ((double)rows[(size_t)i * stride + (k ? 9 : 700)] - 3);
            squares[k] += (double)points[2 * i + k] * (double)points[2 * i + k];
        }
    for (int k = 0; k < 2; k++)
        ck_assert_double_gt(fabs(along[k]) / squares[k], 0.9);
    free(rows);
    free(deviations);
}
END_TEST

START_TEST(pca_of_equal_rows)
{
    float *rows = memory_new_aligned(10 * 16, sizeof *rows), points[20];
    double explained[2];
    ck_assert_int_eq(pca_project(rows, 10, 3, 16, 2, points, explained), ERR_OK);
    for (int i = 0; i < 20; i++)
        ck_assert_float_eq(points[i], 0);
    ck_assert_double_eq(explained[0], 0);
    ck_assert_int_eq(pca_project(rows, 10, 3, 16, 4, points, explained), ERR_INVALID);
    free(rows);
}
END_TEST

START_TEST(row_has_the_perplexity)
{
    double squared[50], p[50];
    for (int i = 0; i < 50; i++)
        squared[i] = 1000 + i * i * 0.37;
    for (double perplexity = 2; perplexity < 40; perplexity *= 2) {
        double entropy = 0, sum = 0;
        affinity_row(squared, 50, perplexity, p);
        for (int i = 0; i < 50; i++) {
            sum += p[i];
            entropy -= p[i] > 0 ? p[i] * log(p[i]) : 0;
        }
        ck_assert_double_eq_tol(sum, 1, 1e-12);
        ck_assert_double_eq_tol(exp(entropy), perplexity, 1e-3);
    }
}
END_TEST

START_TEST(affinities_are_symmetric)
{
    float *rows = ellipse(200, 5, NULL, 3);
    struct affinity *affinity;
    ck_assert_int_eq(affinity_new(rows, 200, 5, 16, 10, 2, NULL, &affinity), ERR_OK);
    double sum = 0, *dense = memory_new_array(200 * 200, sizeof *dense);
    for (uint32_t i = 0; i < 200; i++)
        for (size_t e = affinity->starts[i]; e < affinity->starts[i + 1]; e++) {
            if (e > affinity->starts[i])
                ck_assert_uint_lt(affinity->columns[e - 1], affinity->columns[e]);
            dense[i * 200 + affinity->columns[e]] = (double)affinity->values[e];
            sum += (double)affinity->values[e];
        }
    ck_assert_double_eq_tol(sum, 1, 1e-5);
    for (uint32_t i = 0; i < 200; i++) {
        ck_assert_double_eq(dense[i * 200 + i], 0);
        for (uint32_t j = 0; j < i; j++)
            ck_assert_double_eq(dense[i * 200 + j], dense[j * 200 + i]);
    }
    free(dense);
    affinity_free(affinity);
    free(rows);
}
END_TEST

/* KL by its definition, in double precision. */
static double naive_divergence(const struct affinity *affinity, const double *points,
                               unsigned dims)
{
    double total = 0, divergence = 0;
    uint32_t count = affinity->count;
    double *weights = memory_new_array((size_t)count * count, sizeof *weights);
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = 0; j < count; j++) {
            double square = 0;
            for (unsigned k = 0; k < dims; k++)
                square += pow(points[i * dims + k] - points[j * dims + k], 2);
            weights[i * count + j] = i == j ? 0 : 1 / (1 + square);
            total += weights[i * count + j];
        }
    for (uint32_t i = 0; i < count; i++)
        for (size_t e = affinity->starts[i]; e < affinity->starts[i + 1]; e++) {
            double p = (double)affinity->values[e];
            double q = weights[i * count + affinity->columns[e]] / total;
            divergence += p > 0 ? p * log(p / q) : 0;
        }
    free(weights);
    return divergence;
}

START_TEST(gradient_is_the_slope)
{
    enum { COUNT = 40 };
    unsigned dims = (unsigned)_i;
    float *rows = ellipse(COUNT, 5, NULL, 4), points[COUNT * 3], gradient[COUNT * 3];
    double exact[COUNT * 3], kl;
    struct random random;
    struct affinity *affinity;
    random_seed(&random, 5, 0);
    for (unsigned i = 0; i < COUNT * dims; i++)
        exact[i] = (double)(points[i] = (float)random_normal(&random));
    ck_assert_int_eq(affinity_new(rows, COUNT, 5, 16, 6, 1, NULL, &affinity), ERR_OK);
    ck_assert_int_eq(tsne_gradient(affinity, points, dims, 0, 2, gradient, &kl), ERR_OK);
    ck_assert_double_eq_tol(kl, naive_divergence(affinity, exact, dims), 1e-4);
    for (unsigned i = 0; i < COUNT * dims; i++) {
        double kept = exact[i];
        exact[i] = kept + 1e-5;
        double up = naive_divergence(affinity, exact, dims);
        exact[i] = kept - 1e-5;
        double down = naive_divergence(affinity, exact, dims);
        exact[i] = kept;
        ck_assert_double_eq_tol((double)gradient[i], (up - down) / 2e-5, 1e-5);
    }
    affinity_free(affinity);
    free(rows);
}
END_TEST

START_TEST(kernels_agree_with_sums)
{
    const struct map_kernels *kernels = map_kernels_of_level((enum simd_level)_i);
    if (!kernels)
        return;
    enum { COUNT = 64 };
    struct random random;
    random_seed(&random, 6, 0);
    float *axes[3], *p = memory_new_aligned(COUNT, sizeof *p);
    for (int k = 0; k < 3; k++)
        axes[k] = memory_new_aligned(COUNT, sizeof(float));
    for (int i = 0; i < COUNT; i++) {
        p[i] = (float)random_uniform(&random);
        for (int k = 0; k < 3; k++)
            axes[k][i] = (float)(random_normal(&random) * pow(10, i % 4));
    }
    const float at[3] = {0.3f, -2, 7};
    for (unsigned dims = 1; dims <= 3; dims++) {
        struct map_force force = {0};
        double weight = 0, push[3] = {0}, pull[3] = {0}, cost = 0;
        float found[3] = {0};
        for (int i = 0; i < COUNT; i++) {
            double square = 0, own = 0;
            for (unsigned k = 0; k < dims; k++) {
                square += pow((double)at[k] - (double)axes[k][i], 2);
                own += (double)axes[k][i] * (double)axes[k][i];
            }
            weight += 1 / (1 + square);
            cost += (double)p[i] * log1p(own);
            for (unsigned k = 0; k < dims; k++) {
                push[k] += ((double)at[k] - (double)axes[k][i]) / pow(1 + square, 2);
                pull[k] += (double)p[i] * (double)axes[k][i] / (1 + own);
            }
        }
        kernels->repel((const float *const *)axes, dims, COUNT, at, &force);
        double got = (double)kernels->attract(axes, dims, COUNT, p, found);
        ck_assert_double_eq_tol((double)force.weight, weight, 1e-5 * weight);
        ck_assert_double_eq_tol(got, cost, 1e-5 * cost);
        for (unsigned k = 0; k < dims; k++) {
            ck_assert_double_eq_tol((double)force.push[k], push[k], 1e-5);
            ck_assert_double_eq_tol((double)found[k], pull[k], 1e-4);
        }
    }
    for (int k = 0; k < 3; k++)
        free(axes[k]);
    free(p);
}
END_TEST

/* The tree's forces are those of the sum, exactly with theta 0, nearly with 0.5. */
START_TEST(tree_agrees_with_sum)
{
    enum { COUNT = 2000 };
    unsigned dims = (unsigned)_i;
    struct random random;
    random_seed(&random, 7, 0);
    float *axes[3] = {NULL};
    for (unsigned k = 0; k < dims; k++) {
        axes[k] = memory_new_aligned(COUNT, sizeof(float));
        for (int i = 0; i < COUNT; i++) /* a fifth of them in one place */
            axes[k][i] = i % 5 ? (float)random_normal(&random) * 10 : 4;
    }
    struct cells *cells;
    ck_assert_int_eq(cells_new(COUNT, dims, &cells), ERR_OK);
    ck_assert_int_eq(cells_build(cells, (const float *const *)axes), ERR_OK);
    for (int i = 0; i < COUNT; i += 37) {
        struct map_force sum = {0}, exact = {0}, coarse = {0};
        float at[3] = {0};
        for (unsigned k = 0; k < dims; k++)
            at[k] = axes[k][i];
        map_kernels_best()->repel((const float *const *)axes, dims, COUNT, at, &sum);
        cells_repel(cells, at, 0, &exact);
        cells_repel(cells, at, 0.5f, &coarse);
        ck_assert_float_eq_tol(exact.weight, sum.weight, 1e-4f * sum.weight);
        ck_assert_float_eq_tol(coarse.weight, sum.weight, 3e-2f * sum.weight);
        for (unsigned k = 0; k < dims; k++)
            ck_assert_float_eq_tol(exact.push[k], sum.push[k], 1e-4f * sum.weight);
    }
    cells_free(cells);
    for (unsigned k = 0; k < dims; k++)
        free(axes[k]);
}
END_TEST

/* Three far apart clouds stay three; the divergence falls; runs repeat. */
START_TEST(clouds_come_apart)
{
    enum { COUNT = 150 };
    size_t stride = vectors_stride(8);
    float *rows = ellipse(COUNT, 8, NULL, 8), points[2][COUNT * 2];
    for (size_t i = 0; i < COUNT; i++)
        rows[i * stride + i % 3] += 30;
    struct tsne_settings settings = tsne_defaults();
    settings.perplexity = 10;
    settings.iterations = 400;
    settings.threads = 2;
    double kl[400];
    for (int run = 0; run < 2; run++)
        ck_assert_int_eq(
            tsne_run(rows, COUNT, 8, stride, &settings, NULL, points[run], kl, NULL),
            ERR_OK);
    ck_assert(memcmp(points[0], points[1], sizeof points[0]) == 0);
    ck_assert_double_lt(kl[399], 1);
    ck_assert_double_lt(kl[399], kl[150]);
    ck_assert_double_lt(kl[150], kl[0] + 1e-9);
    double centres[3][2] = {{0}};
    for (int i = 0; i < COUNT; i++)
        for (int k = 0; k < 2; k++)
            centres[i % 3][k] += (double)points[0][2 * i + k] / (COUNT / 3);
    for (int i = 0; i < COUNT; i++) {
        double distances[3];
        for (int c = 0; c < 3; c++)
            distances[c] = hypot((double)points[0][2 * i] - centres[c][0],
                                 (double)points[0][2 * i + 1] - centres[c][1]);
        for (int c = 0; c < 3; c++)
            ck_assert(c == i % 3 || distances[i % 3] < distances[c]);
    }
    free(rows);
}
END_TEST

static enum progress_answer stop(void *context, const struct progress_report *report)
{
    (void)context;
    return strcmp(report->phase, "descending") == 0 && report->step > 20 ? PROGRESS_STOP
                                                                         : PROGRESS_GO_ON;
}

START_TEST(map_of_words)
{
    float *points = ellipse(8, 6, NULL, 9);
    struct maps_rows rows = {points, 8, 16, 6}, one = {points, 1, 16, 6};
    for (int method = 0; method < MAPS_METHOD_COUNT; method++) {
        struct maps_settings settings = maps_defaults((enum maps_method)method);
        struct map *map;
        struct err_info info = {0};
        settings.perplexity = 2;
        settings.iterations = 60;
        ck_assert_int_eq(maps_make(&rows, &settings, NULL, &map, &info), ERR_OK);
        ck_assert_uint_eq(map->count, 8);
        for (size_t i = 0; i < 16; i++)
            ck_assert(isfinite(map->points[i]));
        maps_free(map);
        settings.dims = 4;
        ck_assert_int_eq(maps_make(&rows, &settings, NULL, &map, &info), ERR_INVALID);
        ck_assert_str_eq(info.pointer, "/dims");
        settings.dims = 2;
        ck_assert_int_eq(maps_make(&one, &settings, NULL, &map, NULL), ERR_INVALID);
    }
    struct maps_settings settings = maps_defaults(MAPS_TSNE);
    struct progress progress = {.report = stop};
    struct map *map;
    ck_assert_int_eq(maps_make(&rows, &settings, NULL, &map, NULL),
                     ERR_INVALID); /* perplexity 30 of 8 words */
    settings.perplexity = 3;
    ck_assert_int_eq(maps_make(&rows, &settings, &progress, &map, NULL), ERR_CANCELLED);
    free(points);
}
END_TEST

/* What a user may well ask for: the same word again, and words that all are one. */
START_TEST(map_of_equal_rows)
{
    float *points = ellipse(8, 6, NULL, 3);
    struct maps_rows rows = {points, 8, 16, 6};
    for (int equal = 2; equal <= 8; equal += 6)
        for (int method = 0; method < MAPS_METHOD_COUNT; method++) {
            struct maps_settings settings = maps_defaults((enum maps_method)method);
            struct map *map;
            for (int i = 1; i < equal; i++)
                memcpy(points + 16 * i, points, 16 * sizeof *points);
            settings.perplexity = 2;
            settings.iterations = 60;
            ck_assert_int_eq(maps_make(&rows, &settings, NULL, &map, NULL), ERR_OK);
            for (size_t i = 0; i < 16; i++)
                ck_assert(isfinite(map->points[i]));
            maps_free(map);
        }
    free(points);
}
END_TEST

UNIT_SUITE(maps)
{
    tcase_add_test(unit, pca_of_an_ellipse);
    tcase_add_test(unit, pca_of_long_vectors);
    tcase_add_test(unit, pca_of_equal_rows);
    tcase_add_test(unit, row_has_the_perplexity);
    tcase_add_test(unit, affinities_are_symmetric);
    tcase_add_loop_test(unit, gradient_is_the_slope, 1, 4);
    tcase_add_loop_test(unit, kernels_agree_with_sums, 0, 3);
    tcase_add_loop_test(unit, tree_agrees_with_sum, 2, 4);
    tcase_add_test(unit, clouds_come_apart);
    tcase_add_test(unit, map_of_words);
    tcase_add_test(unit, map_of_equal_rows);
}

/* SPDX-License-Identifier: MIT */
/* Nearest neighbours by exact search (a matrix product at heart), the width of each
 * point's Gaussian by bisection, and p_ij = (p_j|i + p_i|j) / 2n as a sparse matrix (van
 * der Maaten and Hinton 2008; only near neighbours: van der Maaten 2014). */
#include "model/maps/affinity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/vectors/search.h"
#include "model/vectors/vectors.h"

enum { BISECTIONS = 100, BATCH = 256 };

/* Entropy of p ∝ exp(−β d²), relative to the nearest so that nothing underflows. */
static double entropy_at(const double *squared, size_t count, double beta, double *p)
{
    double nearest = squared[0], sum = 0, weighted = 0;
    for (size_t i = 1; i < count; i++)
        nearest = squared[i] < nearest ? squared[i] : nearest;
    for (size_t i = 0; i < count; i++) {
        p[i] = exp(-beta * (squared[i] - nearest));
        sum += p[i];
        weighted += p[i] * (squared[i] - nearest);
    }
    for (size_t i = 0; i < count; i++)
        p[i] /= sum;
    return log(sum) + beta * weighted / sum;
}

void affinity_row(const double *squared, size_t count, double perplexity, double *p)
{
    double low = 0, high = INFINITY, beta = 1, wanted = log(perplexity);
    for (int i = 0; i < BISECTIONS; i++) {
        double entropy = entropy_at(squared, count, beta, p);
        if (fabs(entropy - wanted) < 1e-6)
            break;
        if (entropy > wanted)
            low = beta;
        else
            high = beta;
        beta = isinf(high) ? beta * 2 : (low + high) / 2;
        if (beta > 1e30 || beta < 1e-30)
            break;
    }
}

/* near[count][k] conditional probabilities and who they are of. */
struct near_points {
    uint32_t count, k;
    uint32_t *who;
    float *p;
};

static enum err search_batch(const struct vectors *vectors, struct near_points *near,
                             uint32_t first, uint32_t some, unsigned threads,
                             double perplexity)
{
    struct search_question questions[BATCH];
    uint32_t selves[BATCH];
    size_t found[BATCH];
    struct neighbour *results = memory_new_array((size_t)some * near->k, sizeof *results);
    double *squared = memory_new_array(2 * (size_t)near->k, sizeof *squared);
    for (uint32_t i = 0; i < some; i++) {
        selves[i] = first + i;
        questions[i] = (struct search_question){i, 1, 0, selves + i, 1};
    }
    struct search search = {.vectors = vectors->matrix + first * vectors->stride,
                            .vector_count = some,
                            .questions = questions,
                            .question_count = some,
                            .metric = METRIC_EUCLIDEAN,
                            .k = near->k,
                            .threads = threads};
    enum err code = results && squared ? search_exact(vectors, &search, results, found)
                                       : ERR_NO_MEMORY;
    for (uint32_t i = 0; i < some && !code; i++) {
        size_t at = (size_t)(first + i) * near->k;
        for (uint32_t j = 0; j < near->k; j++) {
            double distance = (double)results[(size_t)i * near->k + j].score;
            near->who[at + j] = results[(size_t)i * near->k + j].row;
            squared[j] = distance * distance;
        }
        affinity_row(squared, near->k, perplexity, squared + near->k);
        for (uint32_t j = 0; j < near->k; j++)
            near->p[at + j] = (float)squared[near->k + j];
    }
    free(results);
    free(squared);
    return code;
}

static enum err find_near(const struct vectors *vectors, double perplexity,
                          unsigned threads, const struct progress *progress,
                          struct near_points *near)
{
    near->count = vectors->count;
    double wanted = fmax(3 * perplexity, 1);
    near->k = wanted < near->count - 1 ? (uint32_t)wanted : near->count - 1;
    near->who = memory_new_array((size_t)near->count * near->k, sizeof *near->who);
    near->p = memory_new_array((size_t)near->count * near->k, sizeof *near->p);
    enum err code = near->who && near->p ? ERR_OK : ERR_NO_MEMORY;
    for (uint32_t first = 0; first < near->count && !code; first += BATCH) {
        struct progress_report report = {.step = first, .phase = "neighbours"};
        uint32_t some = near->count - first < BATCH ? near->count - first : BATCH;
        if (progress_report(progress, &report) == PROGRESS_STOP)
            code = ERR_CANCELLED;
        else
            code = search_batch(vectors, near, first, some, threads, perplexity);
    }
    return code;
}

struct pair {
    uint32_t column;
    float value;
};

static int by_column(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    return (x->column > y->column) - (x->column < y->column);
}

/* Every pair in both directions, unsorted: starts as if none met its mirror image. */
static struct pair *scatter(const struct near_points *near, size_t *starts)
{
    size_t links = (size_t)near->count * near->k;
    struct pair *pairs = memory_new_array(2 * links, sizeof *pairs);
    if (!pairs)
        return NULL;
    for (size_t i = 0; i < links; i++) {
        starts[i / near->k + 1]++;
        starts[near->who[i] + 1]++;
    }
    for (uint32_t i = 0; i < near->count; i++)
        starts[i + 1] += starts[i];
    for (size_t i = links; i-- > 0;) {
        uint32_t from = (uint32_t)(i / near->k), to = near->who[i];
        pairs[--starts[from + 1]] = (struct pair){to, near->p[i]};
        pairs[--starts[to + 1]] = (struct pair){from, near->p[i]};
    }
    return pairs;
}

/* After scatter starts[i + 1] is where row i begins; its end is the next one's begin. */
static enum err symmetrise(const struct near_points *near, struct affinity *affinity)
{
    size_t links = 2 * (size_t)near->count * near->k, used = 0;
    size_t *begins = memory_new_array((size_t)near->count + 2, sizeof *begins);
    struct pair *pairs = begins ? scatter(near, begins) : NULL;
    affinity->starts = memory_new_array((size_t)near->count + 1, sizeof(size_t));
    affinity->columns = memory_new_array(links, sizeof *affinity->columns);
    affinity->values = memory_new_array(links, sizeof *affinity->values);
    enum err code = pairs && affinity->starts && affinity->columns && affinity->values
                        ? ERR_OK
                        : ERR_NO_MEMORY;
    for (uint32_t row = 0; row < near->count && !code; row++) {
        size_t first = begins[row + 1];
        size_t end = row + 1 < near->count ? begins[row + 2] : links;
        qsort(pairs + first, end - first, sizeof *pairs, by_column);
        for (size_t i = first; i < end; i++) {
            float value = pairs[i].value / (2 * (float)near->count);
            if (i > first && pairs[i].column == pairs[i - 1].column) {
                affinity->values[used - 1] += value;
                continue;
            }
            affinity->columns[used] = pairs[i].column;
            affinity->values[used++] = value;
        }
        affinity->starts[row + 1] = used;
    }
    for (size_t i = 0; i < used; i++)
        if (affinity->values[i] > 0)
            affinity->entropy +=
                (double)affinity->values[i] * log((double)affinity->values[i]);
    free(pairs);
    free(begins);
    return code;
}

enum err affinity_new(const float *rows, uint32_t count, uint32_t dim, size_t stride,
                      double perplexity, unsigned threads,
                      const struct progress *progress, struct affinity **out)
{
    *out = NULL;
    struct vectors *vectors = NULL;
    struct near_points near = {0};
    struct affinity *affinity = memory_new_array(1, sizeof *affinity);
    enum err code = affinity
                        ? vectors_new(NULL, 0, rows, count, dim, stride, &vectors, NULL)
                        : ERR_NO_MEMORY;
    if (!code)
        code = find_near(vectors, perplexity, threads, progress, &near);
    if (!code) {
        affinity->count = count;
        code = symmetrise(&near, affinity);
    }
    vectors_free(vectors);
    free(near.who);
    free(near.p);
    if (code)
        affinity_free(affinity);
    else
        *out = affinity;
    return code;
}

void affinity_free(struct affinity *affinity)
{
    if (!affinity)
        return;
    free(affinity->starts);
    free(affinity->columns);
    free(affinity->values);
    free(affinity);
}

/* SPDX-License-Identifier: MIT */
/* Brute force at the speed of memory. The rows are taken in blocks that fit the cache
 * together with their scores. A block is scored against one vector by a scan, against
 * many by a kernel that uses each loaded number several times: a matrix product, which
 * for so narrow a matrix needs no packing and leaves the scores in the cache. Every
 * metric then is score · scale[row] + offset[row], larger is better: cosine     scale
 * 1/‖row‖, vectors normalised beforehand dot        scale 1 euclidean  scale 2, offset
 * −‖row‖², since ‖q−x‖² = ‖q‖² − (2 q·x − ‖x‖²) and a kernel picks the few positions
 * above a question's threshold, which go through its heap. Threads take alternate blocks
 * with heaps of their own, merged at the end. Euclidean distances of the answers are
 * computed again directly, free of cancellation.
 */
#include "model/vectors/search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "model/vectors/kernels.h"

const char *const metric_names[] = {"cosine", "dot", "euclidean", NULL};

enum {
    BLOCK = 512,          /* rows scored together */
    QUESTIONS_TILE = 256, /* questions answered in one pass */
    VECTORS_TILE = 1024   /* vectors of those, unless one question has more */
};
static const size_t thread_floats = (size_t)1 << 20; /* work that pays for a thread */

struct pass {
    const struct vectors *vectors;
    const struct search *search;
    const struct kernels *kernels;
    const struct search_question *questions; /* [question_count] of this pass */
    size_t question_count;
    const float *queries; /* [query_count][stride] of this pass, normalised if cosine */
    size_t query_count, first_query;
    uint32_t rows;
    size_t k;
    unsigned threads;
    struct neighbour *heaps; /* [threads][question_count][k] */
    size_t *counts;          /* [threads][question_count] */
};

/* A thread's room for one block. */
struct block {
    float *scores; /* [query_count][BLOCK] */
    float scale[BLOCK] __attribute__((aligned(64)));
    float offset[BLOCK] __attribute__((aligned(64)));
    float products[BLOCK] __attribute__((aligned(64))); /* of 3CosMul */
    uint32_t positions[BLOCK];
    uint32_t first, count;
};

static void prepare_block(const struct pass *pass, struct block *block)
{
    const float *inverse = pass->vectors->inverse_norm + block->first;
    enum metric metric = pass->search->metric;
    for (uint32_t i = 0; i < block->count; i++) {
        float squared = inverse[i] > 0 ? 1 / (inverse[i] * inverse[i]) : 0;
        block->scale[i] = metric == METRIC_COSINE ? inverse[i]
                          : metric == METRIC_DOT  ? 1
                                                  : 2;
        block->offset[i] = metric == METRIC_EUCLIDEAN ? -squared : 0;
    }
}

static void score_block(const struct pass *pass, struct block *block)
{
    size_t stride = pass->vectors->stride;
    const float *rows = pass->vectors->matrix + block->first * stride;
    if (pass->query_count == 1)
        pass->kernels->scan(rows, stride, block->count, pass->queries, stride,
                            block->scores);
    else
        pass->kernels->scan_many(rows, stride, block->count, pass->queries,
                                 pass->query_count, block->scores, BLOCK);
}

/* The product over all vectors of a question, which have a row of scores each. */
static float *multiply_scores(const struct pass *pass,
                              const struct search_question *question, const float *scores,
                              struct block *block)
{
    uint32_t vectors = question->positives + question->negatives;
    for (uint32_t i = 0; i < BLOCK; i++)
        block->products[i] = 1;
    for (uint32_t v = 0; v < vectors; v++)
        pass->kernels->shift(block->products, scores + v * BLOCK, block->scale,
                             block->count, v >= question->positives);
    return block->products;
}

static bool is_excluded(const struct search_question *question, uint32_t row)
{
    for (size_t i = 0; i < question->exclude_count; i++)
        if (question->exclude[i] == row)
            return true;
    return false;
}

static void offer_block(const struct pass *pass, struct block *block, unsigned thread,
                        size_t number)
{
    const struct search_question *question = pass->questions + number;
    size_t slot = thread * pass->question_count + number;
    struct best best = {pass->heaps + slot * pass->k, pass->counts[slot], pass->k};
    float *scores = block->scores + (question->first - pass->first_query) * BLOCK;
    bool product = question->positives + question->negatives > 1;
    if (product)
        scores = multiply_scores(pass, question, scores, block);
    size_t count =
        pass->kernels->above(scores, product ? NULL : block->scale, block->offset,
                             block->count, best_threshold(&best), block->positions);
    for (size_t i = 0; i < count; i++) {
        uint32_t row = block->first + block->positions[i];
        if (!is_excluded(question, row))
            best_offer(&best, row, scores[block->positions[i]]);
    }
    pass->counts[slot] = best.count;
}

static enum err search_part(void *context, unsigned index, unsigned count)
{
    const struct pass *pass = context;
    struct block *block = memory_new_aligned(1, sizeof *block);
    float *scores = memory_new_aligned(pass->query_count, BLOCK * sizeof *scores);
    enum err code = block && scores ? ERR_OK : ERR_NO_MEMORY;
    uint32_t blocks = pass->rows / BLOCK + (pass->rows % BLOCK != 0);
    for (uint32_t b = index; !code && b < blocks; b += count) {
        block->scores = scores;
        block->first = b * BLOCK;
        block->count =
            pass->rows - block->first < BLOCK ? pass->rows - block->first : BLOCK;
        prepare_block(pass, block);
        score_block(pass, block);
        for (size_t q = 0; q < pass->question_count; q++)
            offer_block(pass, block, index, q);
    }
    free(scores);
    free(block);
    return code;
}

/* Direct distances for the answers of one question, in order. */
static void measure_distances(const struct pass *pass, const float *query,
                              struct neighbour *items, size_t count)
{
    size_t stride = pass->vectors->stride;
    for (size_t i = 0; i < count; i++)
        items[i].score = -pass->kernels->distance(
            query, pass->vectors->matrix + items[i].row * stride, stride);
    struct best again = {items, 0, count};
    for (size_t i = 0; i < count; i++)
        best_offer(&again, items[i].row, items[i].score);
    best_sort(&again);
    for (size_t i = 0; i < count; i++)
        items[i].score = sqrtf(-items[i].score);
}

static void finish_question(const struct pass *pass, size_t number,
                            struct neighbour *results, size_t *found)
{
    struct best best = {pass->heaps + number * pass->k, pass->counts[number], pass->k};
    for (unsigned thread = 1; thread < pass->threads; thread++) {
        size_t slot = thread * pass->question_count + number;
        for (size_t i = 0; i < pass->counts[slot]; i++) {
            struct neighbour item = pass->heaps[slot * pass->k + i];
            best_offer(&best, item.row, item.score);
        }
    }
    best_sort(&best);
    const struct search_question *question = pass->questions + number;
    if (pass->search->metric == METRIC_EUCLIDEAN && best.count)
        measure_distances(pass,
                          pass->queries + (question->first - pass->first_query) *
                                              pass->vectors->stride,
                          best.items, best.count);
    bool clip = pass->search->metric == METRIC_COSINE &&
                question->positives + question->negatives == 1;
    for (size_t i = 0; i < best.count && clip; i++)
        best.items[i].score = fminf(1, fmaxf(-1, best.items[i].score));
    memcpy(results, best.items, best.count * sizeof *results);
    *found = best.count;
}

static enum err copy_queries(const struct pass *pass, float **out)
{
    size_t stride = pass->vectors->stride, floats;
    if (!memory_multiply(pass->query_count, stride, &floats))
        return ERR_NO_MEMORY;
    float *to = *out = memory_new_aligned(floats, sizeof *to);
    if (!to)
        return ERR_NO_MEMORY;
    memcpy(to, pass->search->vectors + pass->first_query * stride, floats * sizeof *to);
    for (size_t q = 0; q < pass->query_count; q++) {
        double sum = 0;
        for (size_t d = 0; d < stride; d++)
            sum += (double)to[q * stride + d] * to[q * stride + d];
        float scale =
            pass->search->metric == METRIC_COSINE && sum > 0 ? (float)(1 / sqrt(sum)) : 1;
        for (size_t d = 0; d < stride; d++)
            to[q * stride + d] *= scale;
    }
    return ERR_OK;
}

static enum err run_pass(struct pass *pass, struct neighbour *results, size_t *found)
{
    float *queries = NULL;
    size_t slots, items;
    if (!memory_multiply(pass->threads, pass->question_count, &slots) ||
        !memory_multiply(slots, pass->k, &items))
        return ERR_NO_MEMORY;
    pass->heaps = memory_new_array(items, sizeof *pass->heaps);
    pass->counts = memory_new_array(slots, sizeof *pass->counts);
    enum err code =
        pass->heaps && pass->counts ? copy_queries(pass, &queries) : ERR_NO_MEMORY;
    pass->queries = queries;
    if (!code)
        code = parallel_run(pass->threads, search_part, pass);
    for (size_t q = 0; q < pass->question_count && !code; q++)
        finish_question(pass, q, results + q * pass->search->k, found + q);
    free(queries);
    free(pass->heaps);
    free(pass->counts);
    return code;
}

/* How many questions from `first` on go into one pass. */
static size_t tile_of(const struct search *search, size_t first)
{
    size_t count = 0, vectors = 0;
    for (; first + count < search->question_count && count < QUESTIONS_TILE; count++) {
        const struct search_question *question = search->questions + first + count;
        vectors += (size_t)question->positives + question->negatives;
        if (vectors > VECTORS_TILE && count > 0)
            break;
    }
    return count;
}

static unsigned threads_for(const struct search *search, size_t rows, size_t stride)
{
    size_t most = rows * stride * search->vector_count / thread_floats + 1;
    unsigned threads = search->threads ? search->threads : parallel_cores();
    if (threads > PARALLEL_THREADS_MAX)
        threads = PARALLEL_THREADS_MAX;
    return most < threads ? (unsigned)most : threads;
}

enum err search_exact(const struct vectors *vectors, const struct search *search,
                      struct neighbour *results, size_t *found)
{
    uint32_t rows =
        search->rows && search->rows < vectors->count ? search->rows : vectors->count;
    memset(found, 0, search->question_count * sizeof *found);
    if (rows == 0 || search->k == 0)
        return ERR_OK;
    enum err code = ERR_OK;
    for (size_t first = 0; first < search->question_count && !code;) {
        size_t count = tile_of(search, first);
        const struct search_question *last = search->questions + first + count - 1;
        struct pass pass = {
            .vectors = vectors,
            .search = search,
            .kernels = kernels_best(),
            .questions = search->questions + first,
            .question_count = count,
            .first_query = search->questions[first].first,
            .rows = rows,
            .k = search->k < rows ? search->k : rows,
            .threads = threads_for(search, rows, vectors->stride),
        };
        pass.query_count =
            last->first + last->positives + last->negatives - pass.first_query;
        code = run_pass(&pass, results + first * search->k, found + first);
        first += count;
    }
    return code;
}

/* SPDX-License-Identifier: MIT */
/* The cache keeps the last `size` hidden vectors h_i, each with the token x_{i+1} that
 * came next. Where the model now has the vector h, what followed a vector like it is
 * likely again:
 *
 *     p_cache(w) = Σ_i [w = x_{i+1}] exp(θ h·h_i) / Σ_i exp(θ h·h_i)
 *
 * which is a softmax over the positions, taken around its largest term. θ = 0 is a cache
 * of single words.
 *
 * The vectors lie in a ring with room for `rows_max` more than `size`: a call first
 * writes its own vectors over those that none of its positions may see any more; then the
 * products of all its rows with the whole ring are one matrix product, of which each row
 * reads its own window. */
#include "model/neural/hidden_cache.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/nn/gemm.h"
#include "model/nn/pointwise.h"

struct hidden_cache {
    struct lm_cache options;
    size_t size, rows_max, capacity;
    uint64_t count;  /* positions ever taken */
    float *vectors;  /* [capacity][size], position i in slot i % capacity */
    uint32_t *words; /* [capacity] */
    float *products; /* [rows_max][capacity] */
};

enum err hidden_cache_new(const struct lm_cache *options, size_t size, size_t rows_max,
                          struct hidden_cache **out)
{
    size_t capacity = options->size + rows_max, cells, bytes;
    *out = NULL;
    if (!memory_multiply(capacity, size + rows_max, &cells) ||
        !memory_multiply(cells, sizeof(float), &bytes) || bytes > HIDDEN_CACHE_BYTES)
        return ERR_LIMIT;
    struct hidden_cache *cache = memory_new_array(1, sizeof *cache);
    if (!cache)
        return ERR_NO_MEMORY;
    *cache = (struct hidden_cache){
        .options = *options, .size = size, .rows_max = rows_max, .capacity = capacity};
    cache->vectors = memory_new_aligned(capacity * size, sizeof *cache->vectors);
    cache->words = memory_new_array(capacity, sizeof *cache->words);
    cache->products = memory_new_aligned(rows_max * capacity, sizeof *cache->products);
    if (!cache->vectors || !cache->words || !cache->products) {
        hidden_cache_free(cache);
        return ERR_NO_MEMORY;
    }
    *out = cache;
    return ERR_OK;
}

void hidden_cache_free(struct hidden_cache *cache)
{
    if (!cache)
        return;
    free(cache->vectors);
    free(cache->words);
    free(cache->products);
    free(cache);
}

static void take(struct hidden_cache *cache, size_t rows, const float *hidden,
                 size_t stride, const uint32_t *tokens)
{
    for (size_t i = 0; i < rows; i++) {
        size_t slot = (size_t)((cache->count + i) % cache->capacity);
        memcpy(cache->vectors + slot * cache->size, hidden + i * stride,
               cache->size * sizeof *hidden);
        cache->words[slot] = tokens[i];
    }
    cache->count += rows;
}

/* A window is one or two runs of slots. */
struct run {
    size_t first, count;
};

static void window_of(const struct hidden_cache *cache, uint64_t position,
                      struct run *runs)
{
    uint64_t most = cache->options.size;
    size_t count = (size_t)(position < most ? position : most);
    size_t first = (size_t)((position - count) % cache->capacity);
    size_t before_end = cache->capacity - first;
    runs[0] = (struct run){first, count < before_end ? count : before_end};
    runs[1] = (struct run){0, count - runs[0].count};
}

/* p_cache of a word; the row of products is overwritten. */
static double probability(const struct hidden_cache *cache, const struct run *runs,
                          float *row, uint32_t word)
{
    double all = 0, own = 0;
    float theta = (float)cache->options.theta, most = -INFINITY;
    for (size_t r = 0; r < 2; r++) {
        pointwise_scale(runs[r].count, theta, row + runs[r].first);
        most = fmaxf(most, pointwise_max(runs[r].count, row + runs[r].first));
    }
    for (size_t r = 0; r < 2; r++) {
        float *terms = row + runs[r].first;
        const uint32_t *words = cache->words + runs[r].first;
        all += (double)pointwise_exp_sum(runs[r].count, terms, most, terms);
        for (size_t i = 0; i < runs[r].count; i++)
            own += words[i] == word ? (double)terms[i] : 0;
    }
    return own < all ? own / all : 1;
}

void hidden_cache_mix(struct hidden_cache *cache, size_t rows, const float *hidden,
                      size_t stride, const uint32_t *tokens, float *logprobs)
{
    uint64_t position = cache->count;
    double weight = cache->options.weight;
    take(cache, rows, hidden, stride, tokens);
    size_t filled =
        (size_t)(cache->count < cache->capacity ? cache->count : cache->capacity);
    gemm_nt(GEMM_SET, rows, filled, cache->size, hidden, stride, cache->vectors,
            cache->size, cache->products, cache->capacity);
    for (size_t i = 0; i < rows; i++, position++) {
        struct run runs[2];
        if (position == 0)
            continue;
        window_of(cache, position, runs);
        double cached =
            probability(cache, runs, cache->products + i * cache->capacity, tokens[i]);
        double model = exp((double)logprobs[i]);
        logprobs[i] = (float)log((1 - weight) * model + weight * cached);
    }
}

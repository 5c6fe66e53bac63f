/* SPDX-License-Identifier: MIT */
/* Distributions without walking the vocabulary.
 *
 * After a context with links c1 (longest) … cn (its last word), a word is either a
 * continuation of cn or only a word. The levels are closed under suffixes, so the
 * continuations of a longer link are among those of a shorter one, and one sorted list,
 * that of cn, holds every word that any link knows. Its probabilities are worked out from
 * short to long: all times the longer link's back-off weight, then the longer link's own
 * words set (or added to, for interpolated shares). Every other word has the product of
 * all back-off weights times its probability in the empty context, whose order, mass and
 * entropy are known beforehand: the best of them stand at the front of that order, and
 * the rest enters sums as a whole.
 *
 * Where the remainder is shared alike, only the longest link counts. */
#include "model/ngram/successors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/text/vocab.h"

/* ---- the empty context ---- */

struct ranked {
    float prob;
    uint32_t word;
};

static int compare_ranked(const void *a, const void *b)
{
    const struct ranked *left = a, *right = b;
    if (left->prob != right->prob)
        return left->prob > right->prob ? -1 : 1;
    return left->word < right->word ? -1 : left->word > right->word;
}

static enum err rank_words(struct words *words)
{
    struct ranked *ranked = memory_new_array(words->count, sizeof *ranked);
    if (!ranked)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < words->count; i++)
        ranked[i] = (struct ranked){words->probs[i], i};
    qsort(ranked, words->count, sizeof *ranked, compare_ranked);
    for (uint32_t i = 0; i < words->count; i++)
        words->by_prob[i] = ranked[i].word;
    free(ranked);
    return ERR_OK;
}

enum err words_init(struct words *words, const float *probs, size_t stride,
                    uint32_t count)
{
    *words = (struct words){.count = count};
    words->probs = memory_new_array(count, sizeof *words->probs);
    words->logprobs = memory_new_array(count, sizeof *words->logprobs);
    words->by_prob = memory_new_array(count, sizeof *words->by_prob);
    enum err code =
        words->probs && words->logprobs && words->by_prob ? ERR_OK : ERR_NO_MEMORY;
    for (uint32_t i = 0; !code && i < count; i++) {
        double prob = (double)probs[i * stride];
        words->probs[i] = probs[i * stride];
        words->logprobs[i] = (float)log(prob);
        words->mass += prob;
        words->entropy -= prob > 0 ? prob * log(prob) : 0;
    }
    if (!code)
        code = rank_words(words);
    if (code)
        words_fini(words);
    return code;
}

void words_fini(struct words *words)
{
    free(words->probs);
    free(words->logprobs);
    free(words->by_prob);
    *words = (struct words){0};
}

/* ---- the words a context knows ---- */

struct known {
    uint32_t *words; /* [count] in rising order */
    double *probs;   /* [count] */
    size_t count;
    double remainder; /* factor of any other word's probability in the empty context */
    void *block;
};

static enum err known_alloc(struct known *known, size_t count, uint32_t **words,
                            float **shares)
{
    *known = (struct known){.count = count, .remainder = 1};
    known->block = memory_new_array(count * 2, sizeof(double) + 2 * sizeof(float));
    if (!known->block)
        return ERR_NO_MEMORY;
    known->probs = known->block;
    known->words = (uint32_t *)(known->probs + count);
    *words = known->words + count;
    *shares = (float *)(*words + count);
    return ERR_OK;
}

/* Puts a longer link's words in place; both lists rise. */
static void lay_over(struct known *known, const uint32_t *words, const float *shares,
                     size_t count, bool add)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        while (at < known->count && known->words[at] < words[i])
            at++;
        if (at < known->count && known->words[at] == words[i])
            known->probs[at] = (double)shares[i] + (add ? known->probs[at] : 0);
    }
}

static enum err find_known(const struct successor_source *source, const void *state,
                           struct known *known)
{
    struct link links[NGRAM_ORDER_MAX];
    uint32_t *words;
    float *shares;
    unsigned count = source->links(source->lm, state, links);
    if (source->uniform_remainder && count > 1)
        count = 1;
    size_t size = count ? links[count - 1].count : 0;
    enum err code = known_alloc(known, size, &words, &shares);
    if (code || count == 0)
        return code;
    source->read(source->lm, &links[count - 1], known->words, shares);
    known->remainder = links[count - 1].backoff;
    bool add = source->interpolated && !source->uniform_remainder;
    for (size_t i = 0; i < size; i++)
        known->probs[i] =
            (double)shares[i] +
            (add ? known->remainder * (double)source->words->probs[known->words[i]] : 0);
    for (unsigned l = count - 1; l-- > 0;) {
        if (links[l].count > size)
            continue; /* not closed: only in a forged file */
        for (size_t i = 0; i < size; i++)
            known->probs[i] *= links[l].backoff;
        known->remainder *= links[l].backoff;
        source->read(source->lm, &links[l], words, shares);
        lay_over(known, words, shares, links[l].count, add);
    }
    return ERR_OK;
}

static bool is_known(const struct known *known, uint32_t word)
{
    size_t low = 0, high = known->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (known->words[middle] < word)
            low = middle + 1;
        else
            high = middle;
    }
    return low < known->count && known->words[low] == word;
}

/* ---- the rest of the vocabulary ---- */

/* A word's probability where no link knows it is remainder times this. */
static double base_prob(const struct successor_source *source, const struct known *known,
                        uint32_t word)
{
    if (source->uniform_remainder && known->count > 0)
        return word == VOCAB_BOS ? 0 : 1.0 / (source->words->count - 1.0);
    return (double)source->words->probs[word];
}

/* Sums over the words no link knows: of base_prob, and of base_prob log base_prob. */
struct rest {
    double mass, logs;
};

static struct rest sum_rest(const struct successor_source *source,
                            const struct known *known)
{
    const struct words *words = source->words;
    struct rest rest = {0, 0};
    if (source->uniform_remainder && known->count > 0) {
        double others = words->count - 1.0 - (double)known->count;
        rest.mass = others / (words->count - 1.0);
        rest.logs = -rest.mass * log(words->count - 1.0);
    } else if (known->count * 4 < words->count) {
        rest = (struct rest){words->mass, -words->entropy};
        for (size_t i = 0; i < known->count; i++) {
            double prob = (double)words->probs[known->words[i]];
            rest.mass -= prob;
            rest.logs -= prob > 0 ? prob * (double)words->logprobs[known->words[i]] : 0;
        }
    } else {
        size_t at = 0;
        for (uint32_t word = 0; word < words->count; word++) {
            double prob = (double)words->probs[word];
            bool skip = at < known->count && known->words[at] == word;
            at += skip;
            rest.mass += skip ? 0 : prob;
            rest.logs += skip || prob <= 0 ? 0 : prob * (double)words->logprobs[word];
        }
    }
    return rest;
}

static double entropy_of(const struct known *known, const struct rest *rest)
{
    double sum = 0, left = known->remainder * rest->mass;
    for (size_t i = 0; i < known->count; i++)
        sum -= known->probs[i] > 0
                   ? known->probs[i] * (double)logf((float)known->probs[i])
                   : 0;
    if (left > 0)
        sum -= left * log(known->remainder) + known->remainder * rest->logs;
    return sum > 0 ? sum : 0;
}

/* ---- distribution ---- */

enum err successors_distribution(const struct successor_source *source, const void *state,
                                 float *logprobs)
{
    struct known known;
    enum err code = find_known(source, state, &known);
    if (code)
        return code;
    float factor = (float)log(known.remainder);
    if (source->uniform_remainder && known.count > 0) {
        float same = (float)log(known.remainder / (source->words->count - 1.0));
        for (uint32_t word = 0; word < source->words->count; word++)
            logprobs[word] = same;
    } else {
        for (uint32_t word = 0; word < source->words->count; word++)
            logprobs[word] = source->words->logprobs[word] + factor;
    }
    for (size_t i = 0; i < known.count; i++)
        logprobs[known.words[i]] = logf((float)known.probs[i]);
    logprobs[VOCAB_BOS] = -INFINITY;
    free(known.block);
    return ERR_OK;
}

/* ---- the best ---- */

/* The k best so far as a heap whose root is the worst of them. */
struct best {
    struct candidate {
        double prob;
        uint32_t word;
        bool known;
    } * heap; /* [most] */
    size_t count, most;
};

static bool worse(const struct candidate *a, const struct candidate *b)
{
    return a->prob != b->prob ? a->prob < b->prob : a->word > b->word;
}

static void sink(struct best *best, size_t at)
{
    struct candidate moving = best->heap[at];
    for (size_t child; (child = 2 * at + 1) < best->count; at = child) {
        if (child + 1 < best->count && worse(&best->heap[child + 1], &best->heap[child]))
            child++;
        if (!worse(&best->heap[child], &moving))
            break;
        best->heap[at] = best->heap[child];
    }
    best->heap[at] = moving;
}

/* False when it is not among the best. */
static bool offer(struct best *best, struct candidate candidate)
{
    if (best->count < best->most) {
        size_t at = best->count++;
        for (; at > 0 && worse(&candidate, &best->heap[(at - 1) / 2]); at = (at - 1) / 2)
            best->heap[at] = best->heap[(at - 1) / 2];
        best->heap[at] = candidate;
        return true;
    }
    if (best->most == 0 || !worse(&best->heap[0], &candidate))
        return false;
    best->heap[0] = candidate;
    sink(best, 0);
    return true;
}

static void offer_unknown(const struct successor_source *source,
                          const struct known *known, struct best *best)
{
    const struct words *words = source->words;
    bool uniform = source->uniform_remainder && known->count > 0;
    for (uint32_t i = 0; i < words->count; i++) {
        uint32_t word = uniform ? i : words->by_prob[i];
        double prob = known->remainder * base_prob(source, known, word);
        if (word == VOCAB_BOS || is_known(known, word))
            continue;
        if (prob <= 0 || !offer(best, (struct candidate){prob, word, false}))
            break; /* those behind it are no better */
    }
}

/* Empties the heap into `top`, best first. */
static void take_best(struct best *best, struct lm_top *top)
{
    top->count = best->count;
    while (best->count > 0) {
        top->best[best->count - 1] =
            (struct lm_prediction){best->heap[0].word, (float)log(best->heap[0].prob)};
        best->heap[0] = best->heap[--best->count];
        if (best->count > 0)
            sink(best, 0);
    }
}

/* What is left when the heap's words are taken out: added up, not subtracted from 1. */
static double mass_of_others(const struct successor_source *source,
                             const struct known *known, const struct rest *rest,
                             const struct best *best)
{
    double least = best->count > 0 ? best->heap[0].prob : INFINITY, sum = 0, unknown = 0;
    uint32_t last = best->count > 0 ? best->heap[0].word : 0;
    for (size_t i = 0; i < known->count; i++)
        if (known->probs[i] < least ||
            (known->probs[i] == least && known->words[i] > last))
            sum += known->probs[i];
    for (size_t i = 0; i < best->count; i++)
        if (!best->heap[i].known)
            unknown += base_prob(source, known, best->heap[i].word);
    double left = known->remainder * (rest->mass - unknown);
    return sum + (left > 0 ? left : 0);
}

enum err successors_top(const struct successor_source *source, const void *state,
                        size_t k, bool want_entropy, struct lm_top *top)
{
    struct known known;
    top->count = 0;
    enum err code = find_known(source, state, &known);
    if (code)
        return code;
    struct best best = {.most = k < source->words->count ? k : source->words->count};
    best.heap = memory_new_array(best.most, sizeof *best.heap);
    if (!best.heap) {
        free(known.block);
        return ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < known.count; i++)
        if (known.probs[i] > 0 && known.words[i] != VOCAB_BOS)
            (void)offer(&best, (struct candidate){known.probs[i], known.words[i], true});
    offer_unknown(source, &known, &best);
    struct rest rest = sum_rest(source, &known);
    top->other_mass = mass_of_others(source, &known, &rest, &best);
    top->entropy = want_entropy ? entropy_of(&known, &rest) : NAN;
    take_best(&best, top);
    free(best.heap);
    free(known.block);
    return ERR_OK;
}

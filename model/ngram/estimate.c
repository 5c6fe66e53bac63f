/* SPDX-License-Identifier: MIT */
/* Probabilities and back-off weights of all n-grams, from short to long.
 *
 * For a context h with continuations w counted c(w), the rules give shares u(w); what is
 * left over, r(h) = 1 - sum of u over the kept continuations, goes to the shorter context
 * h' in one of three ways (see enum remainder):
 *
 *   interpolated  p(w|h) = u(w) + r(h) p(w|h'), back-off weight r(h);
 *   uniform       p(w|h) = u(w) + r(h) / V, any other word r(h) / V;
 *   unseen        p(w|h) = u(w), back-off weight r(h) / (1 - sum of kept p(w|h')).
 *
 * In each case the distribution of h sums to 1 exactly when that of h' does, whichever
 * continuations are kept, so pruning needs no further care. r(h) is added up from what is
 * taken away, not as a difference to 1, so it is exactly 0 where nothing is. <s> is
 * a context but never a word: its probability is 0 and V does not count it. */
#include "model/ngram/smoothing.h"

#include <math.h>

#include "base/parallel.h"
#include "model/ngram/unseen.h"
#include "model/text/vocab.h"

/* Below this the shorter context has no probability left for unseen words. */
#define NOTHING_LEFT 1e-12

struct estimator {
    const struct rules *rules;
    struct levels *levels;
    unsigned k; /* level whose probabilities are being set; contexts are in level k - 1 */
    double uniform;
};

/* One context's continuations. */
struct shares {
    double factor; /* of a discounted count */
    double left;   /* r(h) */
};

unsigned weight_bucket(uint64_t total, uint64_t types)
{
    double mean = (double)total / (double)types;
    int bucket = (int)(3.0 * log2(mean) + 0.5);
    return bucket < 0                      ? 0
           : bucket >= (int)WEIGHT_BUCKETS ? WEIGHT_BUCKETS - 1
                                           : (unsigned)bucket;
}

static inline double discounted(const struct level_rule *rule, uint32_t count)
{
    uint32_t class = count < COUNT_CLASSES ? count : COUNT_CLASSES - 1;
    return rule->scale[class] * count - rule->subtract[class];
}

static struct shares share(const struct estimator *estimator, const uint32_t *counts,
                           const uint32_t *raw, size_t begin, size_t end)
{
    const struct level_rule *rule = &estimator->rules->at[estimator->k];
    uint32_t least = estimator->rules->least[estimator->k - 1];
    uint64_t total = 0, types = end - begin;
    double removed = 0;
    for (size_t i = begin; i < end; i++) {
        total += counts[i];
        removed += raw[i] > least ? counts[i] - discounted(rule, counts[i]) : counts[i];
    }
    double extra = rule->extra + rule->extra_by_type * (double)types;
    if (removed + extra <= 0)
        extra = rule->extra_if_spent;
    double weight = rule->weight[weight_bucket(total, types)];
    double whole = (double)total + extra;
    return (struct shares){weight / whole,
                           1 - weight + weight * ((removed + extra) / whole)};
}

/* Contexts whose remainder goes to unseen words only; sets probabilities, returns the
 * back-off weight. */
static double set_unseen(const struct estimator *estimator, struct shares *shares,
                         const uint32_t *counts, size_t context)
{
    const struct level_rule *rule = &estimator->rules->at[estimator->k];
    uint32_t least = estimator->rules->least[estimator->k - 1];
    struct level *level = &estimator->levels->at[estimator->k];
    const struct level *contexts = &estimator->levels->at[estimator->k - 1];
    size_t begin = contexts->begin[context], end = contexts->begin[context + 1];
    double unseen = 1, given = 0;
    for (size_t i = begin; i < end; i++)
        if (level->raw[i] > least) {
            unseen -= (double)contexts->prob[level->suffix[i]];
            given += discounted(rule, counts[i]) * shares->factor;
        }
    if (shares->left > unseen * UNSEEN_WEIGHT_LARGE)
        unseen = unseen_mass(estimator->rules, estimator->levels, estimator->k, context);
    double backoff = shares->left > 0 ? shares->left / unseen : 0;
    if (shares->left > 0 && unseen < NOTHING_LEFT) {
        shares->factor /= given; /* seen words get all there is */
        backoff = 1;
    }
    for (size_t i = begin; i < end; i++)
        if (level->raw[i] > least)
            level->prob[i] = (float)(discounted(rule, counts[i]) * shares->factor);
    return backoff;
}

static void set_interpolated(const struct estimator *estimator, struct shares shares,
                             const uint32_t *counts, size_t begin, size_t end)
{
    const struct level_rule *rule = &estimator->rules->at[estimator->k];
    uint32_t least = estimator->rules->least[estimator->k - 1];
    bool uniform = estimator->rules->remainder == REMAINDER_UNIFORM;
    struct level *level = &estimator->levels->at[estimator->k];
    const float *shorter = estimator->levels->at[estimator->k - 1].prob;
    for (size_t i = begin; i < end; i++)
        if (level->raw[i] > least) {
            double below =
                uniform ? estimator->uniform : (double)shorter[level->suffix[i]];
            level->prob[i] = (float)(discounted(rule, counts[i]) * shares.factor +
                                     shares.left * below);
        }
}

/* The contexts from `first` on whose continuations begin before `end`. */
static size_t context_at(const struct level *contexts, size_t continuation)
{
    size_t low = 0, high = contexts->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (contexts->begin[middle] < continuation)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static enum err estimate_slice(void *context, unsigned index, unsigned count)
{
    const struct estimator *estimator = context;
    struct levels *levels = estimator->levels;
    struct level *contexts = &levels->at[estimator->k - 1];
    const struct level *level = &levels->at[estimator->k];
    const uint32_t *counts = rules_counts(estimator->rules, levels, estimator->k);
    size_t first = context_at(contexts, level->count / count * index);
    size_t last = index + 1 == count
                      ? contexts->count
                      : context_at(contexts, level->count / count * (index + 1));
    for (size_t i = index ? first : 0; i < last; i++) {
        size_t begin = contexts->begin[i], end = contexts->begin[i + 1];
        contexts->backoff[i] = 1;
        if (begin == end)
            continue;
        struct shares shares = share(estimator, counts, level->raw, begin, end);
        if (estimator->rules->remainder == REMAINDER_UNSEEN) {
            contexts->backoff[i] = (float)set_unseen(estimator, &shares, counts, i);
        } else {
            contexts->backoff[i] = (float)shares.left;
            set_interpolated(estimator, shares, counts, begin, end);
        }
        if (contexts->factor)
            contexts->factor[i] = (float)shares.factor;
    }
    return ERR_OK;
}

static void estimate_words(const struct estimator *estimator)
{
    struct level *level = &estimator->levels->at[1];
    const uint32_t *counts = rules_counts(estimator->rules, estimator->levels, 1);
    const struct level_rule *rule = &estimator->rules->at[1];
    uint64_t total = 0, types = 0;
    double removed = 0;
    for (size_t word = 0; word < level->count; word++)
        if (word != VOCAB_BOS && counts[word] > 0) {
            total += counts[word];
            types++;
            removed += counts[word] - discounted(rule, counts[word]);
        }
    double extra = rule->extra + rule->extra_by_type * (double)types;
    double weight = types ? rule->weight[weight_bucket(total, types)] : 0;
    double whole = (double)total + extra;
    double left = whole > 0 ? 1 - weight + weight * ((removed + extra) / whole) : 1;
    for (size_t word = 0; word < level->count; word++) {
        double own = whole > 0 && counts[word] > 0
                         ? discounted(rule, counts[word]) * weight / whole
                         : 0;
        level->prob[word] =
            word == VOCAB_BOS ? 0 : (float)(own + left * estimator->uniform);
    }
}

static enum err alloc_results(struct levels *levels)
{
    enum err code = ERR_OK;
    for (unsigned k = 1; !code && k <= levels->order; k++) {
        code = levels_new_array(levels, k, LEVEL_PROB, levels->at[k].count);
        if (!code && k < levels->order)
            code = levels_new_array(levels, k, LEVEL_BACKOFF, levels->at[k].count);
    }
    return code;
}

enum err estimate(const struct rules *rules, struct levels *levels, unsigned threads)
{
    struct estimator estimator = {
        .rules = rules, .levels = levels, .uniform = 1.0 / (levels->vocab_size - 1.0)};
    enum err code = alloc_results(levels);
    if (!code)
        estimate_words(&estimator);
    for (estimator.k = 2; !code && estimator.k <= levels->order; estimator.k++) {
        code = levels_report(levels, "estimating", 0.6, 0.7,
                             (estimator.k - 1.0) / levels->order);
        if (!code)
            code = parallel_run(threads, estimate_slice, &estimator);
    }
    return code;
}

/* SPDX-License-Identifier: MIT */
/* Smoothing as rules: every method is the same estimate with other numbers in it. */
#ifndef FIRTH_MODEL_NGRAM_SMOOTHING_H
#define FIRTH_MODEL_NGRAM_SMOOTHING_H

#include <stdbool.h>

#include "base/progress.h"
#include "model/ngram/levels.h"

/* In the order of the parameter's choices. */
enum smoothing {
    SMOOTHING_KNESER_NEY,
    SMOOTHING_MLE,
    SMOOTHING_ADDITIVE,
    SMOOTHING_JELINEK_MERCER,
    SMOOTHING_WITTEN_BELL,
    SMOOTHING_KATZ
};

/* Where the probability goes that a context does not give to its own continuations. */
enum remainder {
    REMAINDER_INTERPOLATED, /* to all words, as the shorter context has them */
    REMAINDER_UNIFORM,      /* to all words alike */
    REMAINDER_UNSEEN        /* to other words only, as the shorter context has them */
};

#define COUNT_CLASSES 16u  /* a count, or this less one for all larger ones */
#define WEIGHT_BUCKETS 32u /* contexts by their mean count (see weight_bucket) */

/* How the continuations of contexts of k - 1 words share probability: one counted c times
 * gets (scale[c] c - subtract[c]) weight / (total + extra + extra_by_type * types). */
struct level_rule {
    double scale[COUNT_CLASSES], subtract[COUNT_CLASSES];
    double extra, extra_by_type;
    double extra_if_spent; /* added to extra where nothing would be left over */
    double weight[WEIGHT_BUCKETS];
};

struct rules {
    enum smoothing smoothing;
    enum remainder remainder;
    bool distinct; /* lower levels count different words before */
    uint32_t
        least[NGRAM_ORDER_MAX]; /* n-grams occurring this often or less are dropped */
    struct level_rule at[NGRAM_ORDER_MAX + 1];
};

/* The counts a level is estimated from. */
static inline const uint32_t *rules_counts(const struct rules *rules,
                                           const struct levels *levels, unsigned k)
{
    const struct level *level = &levels->at[k];
    return rules->distinct && level->distinct ? level->distinct : level->raw;
}

/* The bucket of a context by total / types of its continuations; types > 0. */
unsigned weight_bucket(uint64_t total, uint64_t types);

/* Rules without any smoothing (maximum likelihood), to be changed by a method. */
void rules_init(struct rules *rules, enum smoothing smoothing);

/* The methods. Those that had to fall back say so in a sentence through `note`. */
struct note {
    void *context;
    void (*say)(void *context, const char *text);
};
void rules_additive(struct rules *rules, const struct levels *levels, double delta);
void rules_witten_bell(struct rules *rules, const struct levels *levels);
void rules_kneser_ney(struct rules *rules, const struct levels *levels,
                      const struct note *note);
void rules_katz(struct rules *rules, const struct levels *levels,
                const struct note *note);

/* Weights that make held_out[count] likeliest (words, each segment ended by VOCAB_EOS);
 * with count 0 by leaving out every token of the corpus in turn. */
MUST_CHECK enum err rules_jelinek_mercer(struct rules *rules, const struct levels *levels,
                                         const uint32_t *held_out, size_t count);

/* Sets prob and backoff of all levels; n-grams that the rules drop get no probability of
 * their own, and contexts give theirs to the remainder. Same result for any `threads`. */
MUST_CHECK enum err estimate(const struct rules *rules, struct levels *levels,
                             unsigned threads);

#endif

/* SPDX-License-Identifier: MIT */
/* 1 less the sum over seen words is right as long as it is not small: probabilities are
 * floats, and what they are rounded by would be multiplied with the back-off weight.
 * Where that weight is large, or the mass small, it is added up instead. The shorter
 * context h' has continuations that h does not; those count as they are. All other words
 * are its own unseen ones, whose mass (times its back-off weight) is found the same way,
 * down to the words themselves. */
#include "model/ngram/unseen.h"

#include "model/text/vocab.h"

#define SMALL 0.01 /* a mass that rounding would distort */

struct walked {
    const uint32_t *words, *raw; /* of the level */
    uint32_t least;
    size_t next, end;
};

static struct walked walk(const struct rules *rules, const struct levels *levels,
                          unsigned k, size_t context)
{
    const struct level *contexts = &levels->at[k - 1];
    return (struct walked){.words = levels->at[k].word,
                           .raw = levels->at[k].raw,
                           .least = rules->least[k - 1],
                           .next = contexts->begin[context],
                           .end = contexts->begin[context + 1]};
}

/* Whether the walk, asked for rising words, comes by `word` among what is kept. */
static bool comes_by(struct walked *walked, uint32_t word)
{
    while (walked->next < walked->end && walked->words[walked->next] < word)
        walked->next++;
    return walked->next < walked->end && walked->words[walked->next] == word &&
           walked->raw[walked->next] > walked->least;
}

static double unseen_words(const struct rules *rules, const struct levels *levels,
                           size_t context)
{
    struct walked seen = walk(rules, levels, 2, context);
    double sum = 0;
    for (uint32_t word = 0; word < levels->vocab_size; word++)
        if (!comes_by(&seen, word))
            sum += (double)levels->at[1].prob[word];
    return sum;
}

/* 1 less what was seen, for a context whose back-off weight is small. */
static double plain_mass(const struct rules *rules, const struct levels *levels,
                         unsigned k, size_t context)
{
    const struct level *level = &levels->at[k];
    struct walked seen = walk(rules, levels, k, context);
    double mass = 1;
    for (size_t i = seen.next; i < seen.end; i++)
        if (level->raw[i] > seen.least)
            mass -= (double)levels->at[k - 1].prob[level->suffix[i]];
    return mass;
}

double unseen_mass(const struct rules *rules, const struct levels *levels, unsigned k,
                   size_t context)
{
    if (k == 2)
        return unseen_words(rules, levels, context);
    const struct level *level = &levels->at[k - 1];
    size_t shorter = level->suffix[context];
    struct walked seen = walk(rules, levels, k, context);
    struct walked known = walk(rules, levels, k - 1, shorter);
    double backoff = (double)levels->at[k - 2].backoff[shorter], sum = 0;
    for (size_t i = known.next; i < known.end; i++)
        if (level->raw[i] > known.least && !comes_by(&seen, level->word[i]))
            sum += (double)level->prob[i];
    double plain = sum + backoff * plain_mass(rules, levels, k - 1, shorter);
    if (backoff <= UNSEEN_WEIGHT_LARGE && plain > SMALL)
        return plain;
    return sum + backoff * unseen_mass(rules, levels, k - 1, shorter);
}

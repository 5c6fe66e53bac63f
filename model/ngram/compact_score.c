/* SPDX-License-Identifier: MIT */
/* Scoring many segments at once in the compact form.
 *
 * A token means four reads in a row for each length of context: the sample of `ends`, the
 * bits behind it, the continuations' words and their counts. LANES segments go through
 * them together, step by step, each step prefetching what the next one reads for all
 * lanes and all lengths. */
#include <math.h>

#include "model/ngram/compact.h"

enum { LANES = 12 };

struct lane {
    struct lm_segment *segment;
    size_t at;                               /* the next token */
    unsigned count;                          /* contexts */
    uint32_t grams[NGRAM_ORDER_MAX];         /* [level - 1] */
    struct opened contexts[NGRAM_ORDER_MAX]; /* [level - 1] */
};

struct walk {
    const struct compact *compact;
    struct lm_segment *segments;
    size_t next, count;
};

/* Gives the lane its next segment that has tokens; false when there is none. */
static bool begin_segment(struct walk *walk, struct lane *lane)
{
    while (walk->next < walk->count) {
        lane->segment = &walk->segments[walk->next++];
        if (lane->segment->count == 0)
            continue;
        lane->at = 0;
        lane->count = lane->segment->bos && walk->compact->order > 1;
        lane->grams[0] = VOCAB_BOS;
        return true;
    }
    return false;
}

/* Step 1: asks for the samples of the new contexts. */
static void fetch_samples(const struct compact *compact, const struct lane *lane)
{
    for (unsigned k = 1; k <= lane->count; k++) {
        uint32_t gram = lane->grams[k - 1];
        if (k == 1)
            __builtin_prefetch(&compact->word_begin[gram]);
        else
            __builtin_prefetch(&compact->at[k].samples[gram / COMPACT_ONES]);
    }
}

/* Step 2: asks for the bits behind the samples. */
static void fetch_ends(const struct compact *compact, const struct lane *lane)
{
    for (unsigned k = 2; k <= lane->count; k++) {
        const struct compact_level *level = &compact->at[k];
        uint32_t gram = lane->grams[k - 1];
        __builtin_prefetch(
            &level->ends[level->samples[(gram ? gram - 1 : 0) / COMPACT_ONES] / 64]);
    }
}

/* Step 3: finds the continuations, asks for their words and counts. */
static void find_ranges(const struct compact *compact, struct lane *lane)
{
    for (unsigned k = 1; k <= lane->count; k++) {
        struct opened *context = &lane->contexts[k - 1];
        const struct compact_level *next = &compact->at[k + 1];
        compact_range(compact, k, lane->grams[k - 1], context);
        if (context->begin == context->end) {
            lane->count = k - 1;
            break;
        }
        uint64_t middle = context->begin + (context->end - context->begin) / 2;
        __builtin_prefetch(next->words + middle * compact->width / 8);
        __builtin_prefetch(next->codes + context->begin);
    }
}

static void find_shares(const struct compact *compact, struct lane *lane)
{
    for (unsigned k = 1; k <= lane->count; k++)
        compact_shares(compact, k, lane->grams[k - 1], &lane->contexts[k - 1]);
}

/* Step 4: the token; false when no segment is left for the lane. */
static bool score_token(struct walk *walk, struct lane *lane)
{
    const struct compact *compact = walk->compact;
    struct lm_segment *segment = lane->segment;
    uint32_t token = segment->tokens[lane->at];
    unsigned length;
    token = token < compact->lm.vocab_size ? token : (uint32_t)VOCAB_UNK;
    segment->logprobs[lane->at] = logf((float)compact_prob(
        compact, lane->contexts, lane->count, token, lane->grams, &length));
    if (segment->orders)
        segment->orders[lane->at] = (uint8_t)length;
    lane->count = length < compact->order ? length : compact->order - 1;
    return ++lane->at < segment->count || begin_segment(walk, lane);
}

enum err compact_score(const struct lm *lm, struct lm_segment *segments, size_t count)
{
    struct walk walk = {(const struct compact *)lm, segments, 0, count};
    struct lane lanes[LANES];
    size_t live = 0;
    while (live < LANES && begin_segment(&walk, &lanes[live]))
        live++;
    while (live > 0) {
        for (size_t i = 0; i < live; i++)
            fetch_samples(walk.compact, &lanes[i]);
        for (size_t i = 0; i < live; i++)
            fetch_ends(walk.compact, &lanes[i]);
        for (size_t i = 0; i < live; i++)
            find_ranges(walk.compact, &lanes[i]);
        for (size_t i = 0; i < live; i++)
            find_shares(walk.compact, &lanes[i]);
        for (size_t i = 0; i < live;) {
            if (score_token(&walk, &lanes[i]))
                i++;
            else
                lanes[i] = lanes[--live];
        }
    }
    return ERR_OK;
}

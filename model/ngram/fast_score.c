/* SPDX-License-Identifier: MIT */
/* Scoring many segments at once in the fast form.
 *
 * A lookup is two dependent reads of memory that is rarely in a cache: the context's
 * record, then its continuations. One segment alone would wait for each. Here LANES
 * segments are walked in turn; each visit does one read whose data was prefetched a round
 * ago and prefetches the next, so the waits overlap. What a lane computes does not depend
 * on its neighbours.
 *
 * Probabilities are gathered in the output as they are and turned into logarithms in one
 * pass at the end of each segment. */
#include <math.h>

#include "model/ngram/fast.h"

enum { LANES = 16 };

struct lane {
    struct lm_segment *segment;
    size_t at;                 /* the token being looked up */
    struct fast_state context; /* where it is being looked up */
    struct fast_state state;   /* unused until found */
    double backoff;            /* product of the contexts left so far */
    float fixed;               /* its probability once known, or negative */
    bool record_ready;         /* the context's record has been read */
};

struct walk {
    const struct fast *fast;
    struct lm_segment *segments;
    size_t next, count;
};

static void enter_context(const struct fast *fast, struct lane *lane)
{
    lane->record_ready = false;
    if (lane->context.level > 0)
        __builtin_prefetch(&fast->grams[lane->context.level][lane->context.gram]);
}

static void begin_token(const struct fast *fast, struct lane *lane)
{
    lane->backoff = 1;
    lane->fixed = -1;
    enter_context(fast, lane);
}

static void take_logarithms(struct lm_segment *segment)
{
    for (size_t i = 0; i < segment->count; i++)
        segment->logprobs[i] = logf(segment->logprobs[i]);
}

/* Gives the lane its next segment that has tokens; false when there is none. */
static bool begin_segment(struct walk *walk, struct lane *lane)
{
    while (walk->next < walk->count) {
        lane->segment = &walk->segments[walk->next++];
        if (lane->segment->count == 0)
            continue;
        lane->at = 0;
        lane->context = (struct fast_state){0, 0};
        if (lane->segment->bos && walk->fast->order > 1)
            lane->context = (struct fast_state){1, VOCAB_BOS};
        begin_token(walk->fast, lane);
        return true;
    }
    return false;
}

/* Stores what was found and moves on; false when no segment is left for the lane. */
static bool end_token(struct walk *walk, struct lane *lane, double prob, unsigned order)
{
    struct lm_segment *segment = lane->segment;
    segment->logprobs[lane->at] = lane->fixed >= 0 ? lane->fixed : (float)prob;
    if (segment->orders)
        segment->orders[lane->at] = (uint8_t)order;
    if (++lane->at < segment->count) {
        begin_token(walk->fast, lane);
        return true;
    }
    take_logarithms(segment);
    return begin_segment(walk, lane);
}

/* One read of one lane. */
static bool visit(struct walk *walk, struct lane *lane)
{
    const struct fast *fast = walk->fast;
    uint32_t token = lane->segment->tokens[lane->at];
    token = token < fast->lm.vocab_size ? token : VOCAB_UNK;
    if (lane->context.level == 0) {
        double prob = lane->backoff * (double)fast->grams[1][token].prob;
        lane->context = (struct fast_state){fast->order > 1, fast->order > 1 ? token : 0};
        return end_token(walk, lane, prob, 1);
    }
    const struct gram *context = &fast->grams[lane->context.level][lane->context.gram];
    uint32_t begin = context[0].begin, end = context[1].begin;
    if (!lane->record_ready && begin < end) {
        uint32_t middle = begin + (end - begin) / 2;
        if (lane->context.level + 1 == fast->order)
            __builtin_prefetch(&fast->last[middle]);
        else
            __builtin_prefetch(&fast->grams[lane->context.level + 1][middle]);
        lane->record_ready = true;
        return true;
    }
    float prob;
    unsigned order = lane->context.level + 1;
    if (begin < end && fast_match(fast, &lane->context, context, token, &prob))
        return end_token(walk, lane, lane->backoff * (double)prob, order);
    lane->backoff *= (double)context->backoff;
    if (begin < end && fast->uniform_remainder && lane->fixed < 0)
        lane->fixed = (float)(lane->backoff * fast_uniform(fast, token));
    lane->context = (struct fast_state){lane->context.level - 1, context->suffix};
    enter_context(fast, lane);
    return true;
}

enum err fast_score(const struct lm *lm, struct lm_segment *segments, size_t count)
{
    struct walk walk = {(const struct fast *)lm, segments, 0, count};
    struct lane lanes[LANES];
    size_t live = 0;
    while (live < LANES && begin_segment(&walk, &lanes[live]))
        live++;
    while (live > 0)
        for (size_t i = 0; i < live; i++)
            if (!visit(&walk, &lanes[i])) {
                lanes[i] = lanes[--live];
                i--;
            }
    return ERR_OK;
}

/* SPDX-License-Identifier: MIT */
/* Scoring many segments at once in the fast form.
 *
 * A lookup is a chain of reads from memory that is rarely in a cache: the context's
 * record, then a slot of the index or the continuations, then the record found. One
 * segment alone would wait for each. Here LANES segments go through the same three steps
 * together; each step prefetches for every lane what the next one reads, so the waits
 * overlap, and a step's branches are the same for all lanes, so the processor can foresee
 * them. What a lane computes does not depend on its neighbours.
 *
 * Probabilities are gathered in the output as they are and turned into logarithms in one
 * pass at the end of each segment. */
#include <math.h>

#include "model/ngram/fast_find.h"

enum { LANES = 24 };

struct lane {
    struct lm_segment *segment;
    size_t at; /* the token being looked up */
    uint32_t token;
    uint32_t level, gram; /* the context it is looked up in */
    uint32_t begin, end;  /* its continuations */
    uint32_t found;       /* a candidate, or NOT_FOUND */
    bool many;            /* they are in the index */
    uint64_t hash, slot;
    double backoff; /* product of the contexts left so far */
};

struct walk {
    const struct fast *fast;
    struct lm_segment *segments;
    size_t next, count;
};

static void take_token(const struct fast *fast, struct lane *lane)
{
    uint32_t token = lane->segment->tokens[lane->at];
    lane->token = token < fast->lm.vocab_size ? token : (uint32_t)VOCAB_UNK;
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
        bool bos = lane->segment->bos && walk->fast->order > 1;
        lane->at = 0;
        lane->level = bos;
        lane->gram = bos ? VOCAB_BOS : 0;
        lane->backoff = 1;
        take_token(walk->fast, lane);
        return true;
    }
    return false;
}

/* Step 1: from the context's record to where its continuations are. */
static void open_context(const struct fast *fast, struct lane *lane)
{
    if (lane->level <= 1)
        __builtin_prefetch(&fast->grams[1][lane->token]);
    if (lane->level == 0) {
        lane->begin = lane->end = 0;
        lane->many = false;
        return;
    }
    const struct few_or_many *next = &fast->next[lane->level];
    const struct gram *context = &fast->grams[lane->level][lane->gram];
    lane->begin = context[0].begin;
    lane->end = context[1].begin;
    lane->many = fast_is_indexed(next, lane->end - lane->begin);
    lane->hash = fast_hash(lane->gram, lane->token);
    lane->slot = lane->hash >> next->shift;
    const uint32_t *first = &next->records[(size_t)lane->begin * next->stride];
    __builtin_prefetch(lane->many ? &next->slots[lane->slot] : first);
    if (lane->level > 1)
        __builtin_prefetch(&fast->grams[lane->level - 1][context->suffix]);
}

static uint32_t next_candidate(const struct few_or_many *next, struct lane *lane)
{
    uint32_t place =
        fast_next_place(next, &lane->slot, lane->hash, lane->end - lane->begin);
    return place == NOT_FOUND ? NOT_FOUND : lane->begin + place;
}

/* Step 2: a candidate. */
static void find_candidate(const struct fast *fast, struct lane *lane)
{
    const struct few_or_many *next = &fast->next[lane->level];
    if (!lane->many) {
        lane->found = lane->end - lane->begin <= FEW
                          ? fast_find_few(next, lane->begin, lane->end, lane->token)
                          : fast_find_sorted(next, lane->begin, lane->end, lane->token);
        return;
    }
    lane->found = next_candidate(next, lane);
    if (lane->found != NOT_FOUND)
        __builtin_prefetch(&next->records[(size_t)lane->found * next->stride]);
}

/* A candidate of the index that is another word: looks further. */
static void confirm(const struct fast *fast, struct lane *lane)
{
    const struct few_or_many *next = &fast->next[lane->level];
    while (lane->many && lane->found != NOT_FOUND &&
           next->records[(size_t)lane->found * next->stride] != lane->token)
        lane->found = next_candidate(next, lane);
}

/* The token is done; false when no segment is left for the lane. */
static bool end_token(struct walk *walk, struct lane *lane, double prob, unsigned order)
{
    struct lm_segment *segment = lane->segment;
    segment->logprobs[lane->at] = (float)prob;
    if (segment->orders)
        segment->orders[lane->at] = (uint8_t)order;
    lane->backoff = 1;
    if (++lane->at < segment->count) {
        take_token(walk->fast, lane);
        return true;
    }
    take_logarithms(segment);
    return begin_segment(walk, lane);
}

/* Step 3: the candidate's record, or the shorter context; prefetches the next context. */
static bool resolve(struct walk *walk, struct lane *lane)
{
    const struct fast *fast = walk->fast;
    uint32_t level = lane->level, order = fast->order;
    bool more = true;
    confirm(fast, lane);
    if (lane->found != NOT_FOUND && level + 1 == order) {
        const struct last_gram *gram = &fast->last[lane->found];
        lane->gram = gram->suffix;
        more = end_token(walk, lane, lane->backoff * (double)gram->prob, order);
    } else if (lane->found != NOT_FOUND) {
        const struct gram *gram = &fast->grams[level + 1][lane->found];
        lane->level = level + 1;
        lane->gram = lane->found;
        more = end_token(walk, lane, lane->backoff * (double)gram->prob, level + 1);
    } else {
        const struct gram *context = &fast->grams[level][lane->gram];
        lane->backoff *= level ? (double)context->backoff : 1;
        lane->gram = level > 1 ? context->suffix : lane->token;
        lane->level = level > 1 ? level - 1 : order > 1;
        if (level <= 1)
            more = end_token(walk, lane,
                             lane->backoff * (double)fast->grams[1][lane->token].prob, 1);
    }
    if (lane->level > 0)
        __builtin_prefetch(&fast->grams[lane->level][lane->gram]);
    return more;
}

static void score_together(struct walk *walk)
{
    struct lane lanes[LANES];
    size_t live = 0;
    while (live < LANES && begin_segment(walk, &lanes[live]))
        live++;
    while (live > 0) {
        for (size_t i = 0; i < live; i++)
            open_context(walk->fast, &lanes[i]);
        for (size_t i = 0; i < live; i++)
            find_candidate(walk->fast, &lanes[i]);
        for (size_t i = 0; i < live;) {
            if (resolve(walk, &lanes[i]))
                i++;
            else
                lanes[i] = lanes[--live];
        }
    }
}

/* Where the remainder is shared alike the plain step decides. */
static void score_one_by_one(const struct fast *fast, struct lm_segment *segment)
{
    struct fast_state state = {0, 0};
    if (segment->bos && fast->order > 1)
        state = (struct fast_state){1, VOCAB_BOS};
    for (size_t i = 0; i < segment->count; i++) {
        unsigned order;
        segment->logprobs[i] =
            (float)log(fast_step(fast, &state, segment->tokens[i], &order));
        if (segment->orders)
            segment->orders[i] = (uint8_t)order;
    }
}

enum err fast_score(const struct lm *lm, struct lm_segment *segments, size_t count)
{
    struct walk walk = {(const struct fast *)lm, segments, 0, count};
    if (!walk.fast->uniform_remainder)
        score_together(&walk);
    for (size_t i = 0; walk.fast->uniform_remainder && i < count; i++)
        score_one_by_one(walk.fast, &segments[i]);
    return ERR_OK;
}

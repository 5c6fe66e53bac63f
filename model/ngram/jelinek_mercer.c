/* SPDX-License-Identifier: MIT */
/* Jelinek–Mercer interpolation (Jelinek and Mercer 1980): the relative frequencies of all
 * orders mixed, with weights by expectation maximisation.
 *
 * A weight belongs to an order and a bucket of contexts, by the mean count of a context's
 * continuations, which separates them better than its frequency (Chen and Goodman 1998,
 * 3.1). The weights are those that make held-out text likeliest. Without held-out text
 * every token of the corpus is held out in turn: its own occurrence is taken off all
 * counts (deleted interpolation), the context's bucket included: it is judged as the
 * context it would be without the token.
 *
 * An event is one held-out token: for each order the relative frequency of its n-gram and
 * the bucket of its context. Events are gathered once, at most EVENTS_MOST of them,
 * evenly spread; an iteration of EM is then one pass over them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/ngram/levels_lm.h"
#include "model/ngram/merge_levels.h"
#include "model/ngram/smoothing.h"
#include "model/text/vocab.h"

enum { EVENTS_MOST = 1 << 18, ROUNDS_MOST = 60, NO_BUCKET = 255 };
#define PRIOR 2.0         /* events that speak for equal weights in every bucket */
#define WEIGHT_LEAST 1e-4 /* and 1 less it is the most: nothing gets probability 0 */
#define GAIN_LEAST 1e-6   /* of mean log-likelihood, to go on */

struct event {
    float frequency[NGRAM_ORDER_MAX + 1]; /* [order], 1 … */
    uint8_t bucket[NGRAM_ORDER_MAX + 1];  /* NO_BUCKET: no such context */
    uint32_t weight;
};

struct gathering {
    const struct levels *levels;
    struct event *events; /* [count] */
    size_t count;
    size_t seen, stride;   /* every stride-th is kept */
    uint64_t total, types; /* of the empty context, without <s> */
};

/* What stands in the event for order k: an n-gram that occurs `occurrences` times in the
 * context begin … end of level k, less `deleted`. */
static void set_order(struct gathering *gathering, struct event *event, unsigned k,
                      size_t begin, size_t end, uint64_t occurrences, uint64_t deleted)
{
    const struct level *level = &gathering->levels->at[k];
    uint64_t total = 0, types = 0;
    for (size_t i = begin; i < end; i++) {
        total += level->raw[i];
        types += level->raw[i] > 0;
    }
    types -= deleted > 0 && occurrences == deleted;
    if (types == 0)
        return;
    event->bucket[k] = (uint8_t)weight_bucket(total - deleted, types);
    event->frequency[k] =
        (float)((double)(occurrences - deleted) / (double)(total - deleted));
}

static struct event *next_event(struct gathering *gathering)
{
    if (gathering->seen++ % gathering->stride != 0 || gathering->count == EVENTS_MOST)
        return NULL;
    struct event *event = &gathering->events[gathering->count++];
    memset(event, 0, sizeof *event);
    memset(event->bucket, NO_BUCKET, sizeof event->bucket);
    event->weight = 1;
    return event;
}

static void sum_words(struct gathering *gathering)
{
    const struct level *level = &gathering->levels->at[1];
    for (size_t i = 0; i < level->count; i++) {
        gathering->total += i == VOCAB_BOS ? 0 : level->raw[i];
        gathering->types += i != VOCAB_BOS && level->raw[i] > 0;
    }
}

static void set_first_order(const struct gathering *gathering, struct event *event,
                            uint32_t word, uint64_t deleted)
{
    uint64_t total = gathering->total - deleted;
    event->bucket[1] = (uint8_t)weight_bucket(gathering->total, gathering->types);
    event->frequency[1] = (float)((double)(gathering->levels->at[1].raw[word] - deleted) /
                                  (double)(total ? total : 1));
}

/* ---- held-out text ---- */

static void gather_token(struct gathering *gathering, struct event *event,
                         struct levels_place place, uint32_t word)
{
    const struct levels *levels = gathering->levels;
    for (; place.level > 0; place.level--) {
        const struct level *level = &levels->at[place.level];
        size_t begin = level->begin[place.index], end = level->begin[place.index + 1];
        uint32_t found = levels_child(levels, place.level, place.index, word);
        set_order(gathering, event, place.level + 1, begin, end,
                  found == UINT32_MAX ? 0 : levels->at[place.level + 1].raw[found], 0);
        place.index = place.level > 1 ? level->suffix[place.index] : 0;
    }
}

/* The longest context after `word`; needs no probabilities. */
static struct levels_place follow(const struct levels *levels, struct levels_place place,
                                  uint32_t word)
{
    for (; place.level > 0; place.level--) {
        uint32_t found = levels_child(levels, place.level, place.index, word);
        if (found != UINT32_MAX && place.level + 1 < levels->order)
            return (struct levels_place){place.level + 1, found};
        if (found != UINT32_MAX)
            return (struct levels_place){place.level,
                                         levels->at[levels->order].suffix[found]};
        place.index = place.level > 1 ? levels->at[place.level].suffix[place.index] : 0;
    }
    return levels->order > 1 ? (struct levels_place){1, word}
                             : (struct levels_place){0, 0};
}

static void gather_text(struct gathering *gathering, const uint32_t *ids, size_t count)
{
    const struct levels *levels = gathering->levels;
    const struct levels_place start = levels->order > 1
                                          ? (struct levels_place){1, VOCAB_BOS}
                                          : (struct levels_place){0, 0};
    struct levels_place place = start;
    gathering->stride = count / EVENTS_MOST + 1;
    for (size_t i = 0; i < count; i++) {
        struct event *event = next_event(gathering);
        if (event) {
            set_first_order(gathering, event, ids[i], 0);
            gather_token(gathering, event, place, ids[i]);
        }
        place = ids[i] == VOCAB_EOS ? start : follow(levels, place, ids[i]);
    }
}

/* ---- deleted interpolation ---- */

/* The occurrences of n-gram `index` of level k, which continues `parent`. */
static void gather_gram(struct gathering *gathering, unsigned k, size_t parent,
                        size_t index)
{
    const struct levels *levels = gathering->levels;
    struct event *event = next_event(gathering);
    if (!event)
        return;
    event->weight = levels->at[k].raw[index];
    set_first_order(gathering, event, levels->at[k].word[index], 1);
    for (; k > 1; k--) {
        const struct level *contexts = &levels->at[k - 1];
        set_order(gathering, event, k, contexts->begin[parent],
                  contexts->begin[parent + 1], levels->at[k].raw[index], 1);
        index = levels->at[k].suffix[index];
        parent = k > 2 ? contexts->suffix[parent] : 0;
    }
}

/* Every token ends one n-gram that is of the highest order or starts with <s>. */
static void gather_corpus(struct gathering *gathering)
{
    const struct levels *levels = gathering->levels;
    unsigned order = levels->order;
    gathering->stride = levels->at[order].count / (EVENTS_MOST / 2) + 1;
    if (order == 1)
        for (size_t i = 0; i < levels->at[1].count; i++)
            if (i != VOCAB_BOS && levels->at[1].raw[i] > 0)
                gather_gram(gathering, 1, 0, i);
    for (unsigned k = 2; k <= order; k++) {
        const struct level *contexts = &levels->at[k - 1];
        size_t first = 0, last = contexts->count;
        if (k < order)
            levels_after_bos(levels, k - 1, &first, &last);
        for (size_t parent = first; parent < last; parent++)
            for (size_t i = contexts->begin[parent]; i < contexts->begin[parent + 1]; i++)
                gather_gram(gathering, k, parent, i);
    }
}

/* ---- expectation maximisation ---- */

struct tally {
    double used[NGRAM_ORDER_MAX + 1][WEIGHT_BUCKETS];
    double reached[NGRAM_ORDER_MAX + 1][WEIGHT_BUCKETS];
};

/* Adds one event's expectations under `rules`; returns its log-likelihood. */
static double add_event(const struct rules *rules, const struct event *event,
                        unsigned order, double uniform, struct tally *tally)
{
    double prob[NGRAM_ORDER_MAX + 1];
    prob[0] = uniform;
    for (unsigned k = 1; k <= order; k++) {
        double weight =
            event->bucket[k] == NO_BUCKET ? 0 : rules->at[k].weight[event->bucket[k]];
        prob[k] = weight * (double)event->frequency[k] + (1 - weight) * prob[k - 1];
    }
    double reach = event->weight / prob[order];
    for (unsigned k = order; k > 0; k--) {
        if (event->bucket[k] == NO_BUCKET)
            continue;
        double weight = rules->at[k].weight[event->bucket[k]];
        tally->used[k][event->bucket[k]] += reach * weight * (double)event->frequency[k];
        tally->reached[k][event->bucket[k]] += reach * prob[k];
        reach *= 1 - weight;
    }
    return event->weight * log(prob[order]);
}

static void set_weights(struct rules *rules, unsigned order, const struct tally *tally)
{
    for (unsigned k = 1; k <= order; k++)
        for (unsigned b = 0; b < WEIGHT_BUCKETS; b++) {
            double weight =
                (tally->used[k][b] + PRIOR / 2) / (tally->reached[k][b] + PRIOR);
            rules->at[k].weight[b] = weight < WEIGHT_LEAST       ? WEIGHT_LEAST
                                     : weight > 1 - WEIGHT_LEAST ? 1 - WEIGHT_LEAST
                                                                 : weight;
        }
}

static void maximise(struct rules *rules, const struct gathering *gathering)
{
    unsigned order = gathering->levels->order;
    double uniform = 1.0 / (gathering->levels->vocab_size - 1.0), before = -INFINITY;
    for (unsigned round = 0; round < ROUNDS_MOST; round++) {
        struct tally tally = {0};
        double likelihood = 0, weight = 0;
        for (size_t i = 0; i < gathering->count; i++) {
            likelihood += add_event(rules, &gathering->events[i], order, uniform, &tally);
            weight += gathering->events[i].weight;
        }
        set_weights(rules, order, &tally);
        if (gathering->count == 0 || likelihood / weight - before < GAIN_LEAST)
            break;
        before = likelihood / weight;
    }
}

enum err rules_jelinek_mercer(struct rules *rules, const struct levels *levels,
                              const uint32_t *held_out, size_t count)
{
    struct gathering gathering = {.levels = levels, .stride = 1};
    rules->remainder = REMAINDER_INTERPOLATED;
    for (unsigned k = 1; k <= levels->order; k++)
        for (unsigned b = 0; b < WEIGHT_BUCKETS; b++)
            rules->at[k].weight[b] = 0.5;
    gathering.events = memory_new_array(EVENTS_MOST, sizeof *gathering.events);
    if (!gathering.events)
        return ERR_NO_MEMORY;
    sum_words(&gathering);
    if (count > 0)
        gather_text(&gathering, held_out, count);
    else
        gather_corpus(&gathering);
    maximise(rules, &gathering);
    free(gathering.events);
    return ERR_OK;
}

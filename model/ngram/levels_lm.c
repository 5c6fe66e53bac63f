/* SPDX-License-Identifier: MIT */
/* Back-off by walking the levels: try to continue the longest context, else take its
 * back-off weight and go on with its suffix. This is the plain form of what the query
 * forms do faster. */
#include "model/ngram/levels_lm.h"

#include <math.h>

#include "model/ngram/merge_levels.h"
#include "model/text/vocab.h"

double levels_step(const struct levels *levels, bool uniform_remainder,
                   struct levels_place *place, uint32_t word, unsigned *order)
{
    double backoff = 1, fixed = -1;
    for (; place->level > 0; place->level--) {
        const struct level *level = &levels->at[place->level];
        if (level->begin[place->index] < level->begin[place->index + 1]) {
            uint32_t found = levels_child(levels, place->level, place->index, word);
            if (found != UINT32_MAX) {
                const struct level *next = &levels->at[ *order = place->level + 1];
                if (*order < levels->order)
                    *place = (struct levels_place){*order, found};
                else
                    place->index = next->suffix[found];
                return fixed >= 0 ? fixed : backoff * (double)next->prob[found];
            }
            backoff *= (double)level->backoff[place->index];
            if (uniform_remainder && fixed < 0)
                fixed = word == VOCAB_BOS ? 0 : backoff / (levels->vocab_size - 1.0);
        }
        place->index = place->level > 1 ? level->suffix[place->index] : 0;
    }
    *order = 1;
    if (levels->order > 1)
        *place = (struct levels_place){1, word};
    return fixed >= 0 ? fixed : backoff * (double)levels->at[1].prob[word];
}

static void start(const struct lm *lm, bool bos, void *state)
{
    const struct levels_lm *own = (const struct levels_lm *)lm;
    *(struct levels_place *)state = bos && own->levels->order > 1
                                        ? (struct levels_place){1, VOCAB_BOS}
                                        : (struct levels_place){0, 0};
}

static enum err advance(const struct lm *lm, size_t count, void *const *states,
                        const uint32_t *tokens)
{
    const struct levels_lm *own = (const struct levels_lm *)lm;
    unsigned order;
    for (size_t i = 0; i < count; i++)
        (void)levels_step(own->levels, own->uniform_remainder, states[i], tokens[i],
                          &order);
    return ERR_OK;
}

static float logprob(const struct lm *lm, const void *state, uint32_t token)
{
    const struct levels_lm *own = (const struct levels_lm *)lm;
    struct levels_place place = *(const struct levels_place *)state;
    unsigned order;
    return (float)log(
        levels_step(own->levels, own->uniform_remainder, &place, token, &order));
}

static enum err score(const struct lm *lm, struct lm_segment *segments, size_t count)
{
    const struct levels_lm *own = (const struct levels_lm *)lm;
    for (struct lm_segment *segment = segments; segment < segments + count; segment++) {
        struct levels_place place;
        start(lm, segment->bos, &place);
        for (size_t i = 0; i < segment->count; i++) {
            unsigned order;
            segment->logprobs[i] = (float)log(levels_step(
                own->levels, own->uniform_remainder, &place, segment->tokens[i], &order));
            if (segment->orders)
                segment->orders[i] = (uint8_t)order;
        }
    }
    return ERR_OK;
}

static void free_nothing(struct lm *lm)
{
    (void)lm;
}

static const struct lm_ops levels_ops = {.start = start,
                                         .advance = advance,
                                         .logprob = logprob,
                                         .score = score,
                                         .free = free_nothing};

void levels_lm_init(struct levels_lm *made, const struct levels *levels,
                    bool uniform_remainder)
{
    made->lm = (struct lm){.ops = &levels_ops,
                           .vocab_size = levels->vocab_size,
                           .state_size = sizeof(struct levels_place),
                           .batch = 1,
                           .context_max = levels->order - 1,
                           .cheap = true};
    made->levels = levels;
    made->uniform_remainder = uniform_remainder;
}

/* SPDX-License-Identifier: MIT */
/* Asking the compact form.
 *
 * The levels without probabilities: words in as few bits as they need, one byte a count,
 * and two bits an n-gram for the shape of the trie. Probabilities are worked out from the
 * counts by the rules they were estimated with, from the empty context up:
 *
 *   p_k = discounted(count) factor_k + left_k p_(k-1)
 *
 * (or the first term alone where it exists, for rules whose remainder goes to unseen
 * words only). factor and left of a context come from the sum over its continuations'
 * counts, which stand together; sums that would be long are stored. Since both follow
 * from the same numbers, a distribution adds up to 1 however coarse the counts are.
 *
 * There are no suffix links: a state holds the n-grams of all lengths that end the
 * context, and a step looks the word up in each of them, shortest first, until one does
 * not have it (then no longer one has). */
#include "model/ngram/compact.h"

#include <math.h>
#include <stdlib.h>

/* ---- a step ---- */

double compact_prob(const struct compact *compact, const struct opened *contexts,
                    unsigned count, uint32_t word, uint32_t *grams, unsigned *length)
{
    double prob = (double)compact->word_probs[word];
    double uniform = word == VOCAB_BOS ? 0 : compact->uniform;
    grams[0] = word;
    for (*length = 1; *length <= count; ++*length) {
        const struct opened *context = &contexts[*length - 1];
        uint32_t found =
            compact_find(compact, *length + 1, context->begin, context->end, word);
        if (found == UINT32_MAX)
            break;
        grams[*length] = found;
    }
    for (unsigned i = 0; i < count; i++) {
        double below = compact->remainder == REMAINDER_UNIFORM ? uniform : prob;
        below *= (double)contexts[i].left;
        if (i + 1 >= *length) {
            prob = below;
            continue;
        }
        const struct compact_level *level = &compact->at[i + 2];
        prob = (double)level->tables.discounted[level->codes[grams[i + 1]]] *
                   (double)contexts[i].factor +
               (compact->remainder == REMAINDER_UNSEEN ? 0 : below);
    }
    return prob;
}

/* ---- states ---- */

static double step(const struct compact *compact, struct compact_state *state,
                   uint32_t token)
{
    struct opened contexts[NGRAM_ORDER_MAX];
    uint32_t grams[NGRAM_ORDER_MAX];
    unsigned length;
    token = token < compact->lm.vocab_size ? token : (uint32_t)VOCAB_UNK;
    for (unsigned i = 0; i < state->count; i++)
        compact_open(compact, i + 1, state->grams[i], &contexts[i]);
    double prob = compact_prob(compact, contexts, state->count, token, grams, &length);
    state->count = 0;
    for (unsigned k = 1; k <= length && k < compact->order; k++) {
        compact_range(compact, k, grams[k - 1], &contexts[0]);
        if (contexts[0].begin == contexts[0].end)
            break;
        state->grams[state->count++] = grams[k - 1];
    }
    return prob;
}

static void compact_start(const struct lm *lm, bool bos, void *state)
{
    const struct compact *compact = (const struct compact *)lm;
    struct compact_state *own = state;
    *own = (struct compact_state){0};
    if (bos && compact->order > 1)
        (void)step(compact, own, VOCAB_BOS);
}

static enum err compact_advance(const struct lm *lm, size_t count, void *const *states,
                                const uint32_t *tokens)
{
    for (size_t i = 0; i < count; i++)
        (void)step((const struct compact *)lm, states[i], tokens[i]);
    return ERR_OK;
}

static float compact_logprob(const struct lm *lm, const void *state, uint32_t token)
{
    struct compact_state copy = *(const struct compact_state *)state;
    return (float)log(step((const struct compact *)lm, &copy, token));
}

/* ---- distributions ---- */

static unsigned compact_links(const struct lm *lm, const void *state, struct link *links)
{
    const struct compact *compact = (const struct compact *)lm;
    const struct compact_state *own = state;
    for (unsigned i = 0; i < own->count; i++) {
        struct opened opened;
        unsigned k = own->count - i;
        compact_open(compact, k, own->grams[k - 1], &opened);
        links[i] = (struct link){k, own->grams[k - 1], opened.end - opened.begin,
                                 (double)opened.left};
    }
    return own->count;
}

static void compact_read(const struct lm *lm, const struct link *link, uint32_t *words,
                         float *shares)
{
    const struct compact *compact = (const struct compact *)lm;
    const struct compact_level *next = &compact->at[link->level + 1];
    struct opened opened;
    compact_open(compact, link->level, link->gram, &opened);
    double own = compact->remainder == REMAINDER_UNIFORM
                     ? (double)opened.left * compact->uniform
                     : 0;
    for (uint32_t i = opened.begin; i < opened.end; i++, words++, shares++) {
        *words = compact_word(compact, link->level + 1, i);
        *shares = (float)((double)next->tables.discounted[next->codes[i]] *
                              (double)opened.factor +
                          own);
    }
}

static struct successor_source source_of(const struct compact *compact)
{
    return (struct successor_source){
        .lm = &compact->lm,
        .words = &compact->words,
        .uniform_remainder = compact->remainder == REMAINDER_UNIFORM,
        .interpolated = compact->remainder == REMAINDER_INTERPOLATED,
        .links = compact_links,
        .read = compact_read};
}

static enum err compact_distribution(const struct lm *lm, size_t count,
                                     const void *const *states, float *const *logprobs)
{
    const struct successor_source source = source_of((const struct compact *)lm);
    enum err code = ERR_OK;
    for (size_t i = 0; !code && i < count; i++)
        code = successors_distribution(&source, states[i], logprobs[i]);
    return code;
}

static enum err compact_top(const struct lm *lm, const void *state, size_t k,
                            bool want_entropy, struct lm_top *top)
{
    const struct successor_source source = source_of((const struct compact *)lm);
    return successors_top(&source, state, k, want_entropy, top);
}

static void compact_free(struct lm *lm)
{
    struct compact *compact = (struct compact *)lm;
    if (!compact)
        return;
    for (unsigned k = 0; k <= NGRAM_ORDER_MAX; k++) {
        free(compact->at[k].samples);
        free(compact->at[k].marks);
        free(compact->at[k].ranks);
    }
    words_fini(&compact->words);
    free(compact);
}

const struct lm_ops compact_ops = {
    .start = compact_start,
    .advance = compact_advance,
    .distribution = compact_distribution,
    .logprob = compact_logprob,
    .top = compact_top,
    .score = compact_score,
    .free = compact_free,
};

/* ---- exports ---- */

static uint32_t gram_word(const struct lm *lm, unsigned level, size_t index)
{
    return level == 1 ? (uint32_t)index
                      : compact_word((const struct compact *)lm, level, index);
}

static size_t gram_begin(const struct lm *lm, unsigned level, size_t index)
{
    const struct compact *compact = (const struct compact *)lm;
    if (level == 1)
        return compact->word_begin[index];
    return (size_t)(index ? compact_end(&compact->at[level], index - 1) + 1 - index : 0);
}

static void gram_values(const struct lm *lm, unsigned level, size_t index,
                        const uint32_t *words, double *prob, double *backoff)
{
    const struct compact *compact = (const struct compact *)lm;
    struct compact_state state = {0};
    struct opened opened = {.left = 1};
    for (unsigned i = 0; i < level; i++)
        *prob = step(compact, &state, words[i]);
    if (level < compact->order)
        compact_open(compact, level, (uint32_t)index, &opened);
    *backoff = (double)opened.left;
}

void compact_grams(const struct lm *lm, struct grams *grams)
{
    const struct compact *compact = (const struct compact *)lm;
    *grams = (struct grams){.lm = lm,
                            .order = compact->order,
                            .uniform_remainder = compact->remainder == REMAINDER_UNIFORM,
                            .word = gram_word,
                            .begin = gram_begin,
                            .values = gram_values};
    for (unsigned k = 1; k <= compact->order; k++)
        grams->counts[k] = compact->at[k].count;
}

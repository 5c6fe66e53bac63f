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

/* ---- shares ---- */

void compact_tables(struct code_tables *tables, const struct level_rule *rule,
                    const uint32_t *values)
{
    for (unsigned code = 0; code < COMPACT_VALUES; code++) {
        uint32_t count = values[code];
        unsigned class = count < COUNT_CLASSES ? count : COUNT_CLASSES - 1;
        tables->discounted[code] =
            (float)(rule->scale[class] * count - rule->subtract[class]);
        tables->whole[code] = (float)(count + rule->extra_by_type);
        tables->count[code] = (float)count;
    }
    tables->weighted = false;
    for (unsigned bucket = 0; bucket < WEIGHT_BUCKETS; bucket++)
        tables->weighted = tables->weighted || rule->weight[bucket] != 1;
}

void compact_share(const struct code_tables *tables, const struct level_rule *rule,
                   const uint8_t *codes, size_t count, float *factor, float *left)
{
    double whole = 0, given = 0, total = 0;
    for (size_t i = 0; i < count; i++) {
        whole += (double)tables->whole[codes[i]];
        given += (double)tables->discounted[codes[i]];
        total += (double)tables->count[codes[i]];
    }
    whole += rule->extra;
    if (whole - given <= 0)
        whole += rule->extra_if_spent;
    double weight =
        tables->weighted ? rule->weight[weight_bucket((uint64_t)total, count)] : 1;
    *factor = (float)(weight / whole);
    *left = (float)(1 - weight * (given / whole));
}

/* ---- the trie ---- */

/* Where the `rank`-th 1 (from 0) of `ends` stands. */
static uint64_t select_one(const struct compact_level *level, uint64_t rank)
{
    uint64_t at = level->samples[rank / COMPACT_ONES];
    unsigned left = (unsigned)(rank % COMPACT_ONES);
    uint64_t index = at / 64, word = level->ends[index] >> at % 64 << at % 64;
    for (;;) {
        unsigned ones = (unsigned)__builtin_popcountll(word);
        if (ones > left)
            break;
        left -= ones;
        word = level->ends[++index];
    }
    for (; left > 0; left--)
        word &= word - 1;
    return index * 64 + (unsigned)__builtin_ctzll(word);
}

static uint64_t next_one(const struct compact_level *level, uint64_t at)
{
    uint64_t index = at / 64, word = level->ends[index] >> at % 64 << at % 64;
    while (word == 0)
        word = level->ends[++index];
    return index * 64 + (unsigned)__builtin_ctzll(word);
}

static void find_range(const struct compact *compact, unsigned k, uint32_t gram,
                       struct opened *opened)
{
    if (k == 1) {
        opened->begin = compact->word_begin[gram];
        opened->end = compact->word_begin[gram + 1];
        return;
    }
    const struct compact_level *level = &compact->at[k];
    uint64_t before = gram ? select_one(level, gram - 1) + 1 : 0;
    uint64_t end = next_one(level, before);
    opened->begin = (uint32_t)(before - gram);
    opened->end = (uint32_t)(end - gram);
}

static bool find_stored(const struct compact_level *level, uint32_t gram,
                        struct opened *opened)
{
    size_t low = 0, high = level->stored_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (level->stored[middle].context < gram)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == level->stored_count || level->stored[low].context != gram)
        return false;
    opened->factor = level->stored[low].factor;
    opened->left = level->stored[low].left;
    return true;
}

void compact_open(const struct compact *compact, unsigned k, uint32_t gram,
                  struct opened *opened)
{
    const struct compact_level *level = &compact->at[k], *next = level + 1;
    find_range(compact, k, gram, opened);
    uint32_t count = opened->end - opened->begin;
    opened->factor = 0;
    opened->left = 1;
    if (count > 0 && !(level->stored_count > 0 &&
                       (count > COMPACT_SCAN_MOST || compact->stores_small) &&
                       find_stored(level, gram, opened)))
        compact_share(&next->tables, &compact->rules.at[k + 1],
                      next->codes + opened->begin, count, &opened->factor, &opened->left);
    if (level->backoff)
        opened->left = level->backoff[gram];
}

static uint32_t find_word(const struct compact *compact, unsigned k, uint32_t begin,
                          uint32_t end, uint32_t word)
{
    uint32_t count = end - begin;
    while (count > 4) {
        uint32_t half = count / 2;
        begin += compact_word(compact, k, begin + half) <= word ? half : 0;
        count -= half;
    }
    for (; count > 0; begin++, count--)
        if (compact_word(compact, k, begin) == word)
            return begin;
    return UINT32_MAX;
}

double compact_step(const struct compact *compact, struct opened *contexts,
                    uint32_t *grams, unsigned *count, uint32_t word, unsigned *order)
{
    uint32_t found[NGRAM_ORDER_MAX];
    unsigned length = 0, kept = 0;
    double prob = (double)compact->word_probs[word];
    double uniform = word == VOCAB_BOS ? 0 : compact->uniform;
    for (; length < *count; length++) {
        found[length] = find_word(compact, length + 2, contexts[length].begin,
                                  contexts[length].end, word);
        if (found[length] == UINT32_MAX)
            break;
    }
    for (unsigned i = 0; i < *count; i++) {
        const struct compact_level *level = &compact->at[i + 2];
        double below = compact->remainder == REMAINDER_UNIFORM ? uniform : prob;
        below *= (double)contexts[i].left;
        prob = i >= length ? below
                           : (double)level->tables.discounted[level->codes[found[i]]] *
                                     (double)contexts[i].factor +
                                 (compact->remainder == REMAINDER_UNSEEN ? 0 : below);
    }
    *order = length + 1;
    for (unsigned k = 1; k < compact->order && k <= length + 1; k++) {
        grams[k - 1] = k == 1 ? word : found[k - 2];
        compact_open(compact, k, grams[k - 1], &contexts[k - 1]);
        if (contexts[k - 1].begin == contexts[k - 1].end)
            break;
        kept = k;
    }
    *count = kept;
    return prob;
}

/* ---- states ---- */

static void open_state(const struct compact *compact, const struct compact_state *state,
                       struct opened *contexts)
{
    for (unsigned i = 0; i < state->count; i++)
        compact_open(compact, i + 1, state->grams[i], &contexts[i]);
}

static double step(const struct compact *compact, struct compact_state *state,
                   uint32_t token)
{
    struct opened contexts[NGRAM_ORDER_MAX];
    unsigned order;
    token = token < compact->lm.vocab_size ? token : VOCAB_UNK;
    open_state(compact, state, contexts);
    return compact_step(compact, contexts, state->grams, &state->count, token, &order);
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

static enum err compact_score(const struct lm *lm, struct lm_segment *segments,
                              size_t count)
{
    const struct compact *compact = (const struct compact *)lm;
    for (struct lm_segment *segment = segments; segment < segments + count; segment++) {
        struct compact_state state;
        struct opened contexts[NGRAM_ORDER_MAX];
        unsigned order;
        compact_start(lm, segment->bos, &state);
        open_state(compact, &state, contexts);
        for (size_t i = 0; i < segment->count; i++) {
            uint32_t token = segment->tokens[i] < lm->vocab_size ? segment->tokens[i]
                                                                 : (uint32_t)VOCAB_UNK;
            segment->logprobs[i] = logf((float)compact_step(
                compact, contexts, state.grams, &state.count, token, &order));
            if (segment->orders)
                segment->orders[i] = (uint8_t)order;
        }
    }
    return ERR_OK;
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
    for (unsigned k = 0; k <= NGRAM_ORDER_MAX; k++)
        free(compact->at[k].samples);
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
    return (size_t)(index ? select_one(&compact->at[level], index - 1) + 1 - index : 0);
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

/* SPDX-License-Identifier: MIT */
/* The fast form: the levels as they are, one record an n-gram, read in place.
 *
 * A state is a place in the trie, the longest n-gram ending the context that can itself
 * be a context, so scoring starts with the longest match and follows suffix links only
 * when a word was not seen there: text like the training text costs one lookup a token
 * whatever the order (the failure links of Aho and Corasick 1975). Probabilities and
 * back-off weights are kept as they are, not as logarithms: a float then errs by the same
 * share everywhere, and distributions can be added up. */
#include "model/ngram/fast_find.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static void fast_start(const struct lm *lm, bool bos, void *state)
{
    const struct fast *fast = (const struct fast *)lm;
    *(struct fast_state *)state = bos && fast->order > 1
                                      ? (struct fast_state){1, VOCAB_BOS}
                                      : (struct fast_state){0, 0};
}

double fast_step(const struct fast *fast, struct fast_state *state, uint32_t token,
                 unsigned *order)
{
    double backoff = 1, fixed = -1;
    float prob;
    token = token < fast->lm.vocab_size ? token : VOCAB_UNK;
    while (state->level > 0) {
        *order = state->level + 1;
        const struct gram *context = &fast->grams[state->level][state->gram];
        bool open = context[0].begin < context[1].begin;
        if (open && fast_match(fast, state, context, token, &prob))
            return fixed >= 0 ? fixed : backoff * (double)prob;
        backoff *= (double)context->backoff;
        if (open && fast->uniform_remainder && fixed < 0)
            fixed = backoff * fast_uniform(fast, token);
        *state = (struct fast_state){state->level - 1, context->suffix};
    }
    *order = 1;
    if (fast->order > 1)
        *state = (struct fast_state){1, token};
    return fixed >= 0 ? fixed : backoff * (double)fast->grams[1][token].prob;
}

static enum err fast_advance(const struct lm *lm, size_t count, void *const *states,
                             const uint32_t *tokens)
{
    unsigned order;
    for (size_t i = 0; i < count; i++)
        (void)fast_step((const struct fast *)lm, states[i], tokens[i], &order);
    return ERR_OK;
}

static float fast_logprob(const struct lm *lm, const void *state, uint32_t token)
{
    struct fast_state copy = *(const struct fast_state *)state;
    unsigned order;
    return (float)log(fast_step((const struct fast *)lm, &copy, token, &order));
}

/* ---- distributions ---- */

static unsigned fast_links(const struct lm *lm, const void *state, struct link *links)
{
    const struct fast *fast = (const struct fast *)lm;
    struct fast_state place = *(const struct fast_state *)state;
    unsigned count = 0;
    for (; place.level > 0; place.level--) {
        const struct gram *gram = &fast->grams[place.level][place.gram];
        if (gram[0].begin < gram[1].begin || gram->backoff != 1)
            links[count++] =
                (struct link){place.level, place.gram, gram[1].begin - gram[0].begin,
                              (double)gram->backoff};
        place.gram = gram->suffix;
    }
    return count;
}

static void fast_read(const struct lm *lm, const struct link *link, uint32_t *words,
                      float *shares)
{
    const struct fast *fast = (const struct fast *)lm;
    uint32_t begin = fast->grams[link->level][link->gram].begin;
    if (link->level + 1 == fast->order)
        for (size_t i = 0; i < link->count; i++) {
            words[i] = fast->last[begin + i].word;
            shares[i] = fast->last[begin + i].prob;
        }
    else
        for (size_t i = 0; i < link->count; i++) {
            words[i] = fast->grams[link->level + 1][begin + i].word;
            shares[i] = fast->grams[link->level + 1][begin + i].prob;
        }
}

static struct successor_source source_of(const struct fast *fast)
{
    return (struct successor_source){.lm = &fast->lm,
                                     .words = &fast->words,
                                     .uniform_remainder = fast->uniform_remainder,
                                     .links = fast_links,
                                     .read = fast_read};
}

static enum err fast_distribution(const struct lm *lm, size_t count,
                                  const void *const *states, float *const *logprobs)
{
    const struct successor_source source = source_of((const struct fast *)lm);
    enum err code = ERR_OK;
    for (size_t i = 0; !code && i < count; i++)
        code = successors_distribution(&source, states[i], logprobs[i]);
    return code;
}

static enum err fast_top(const struct lm *lm, const void *state, size_t k,
                         bool want_entropy, struct lm_top *top)
{
    const struct successor_source source = source_of((const struct fast *)lm);
    return successors_top(&source, state, k, want_entropy, top);
}

static void fast_free(struct lm *lm)
{
    struct fast *fast = (struct fast *)lm;
    if (!fast)
        return;
    words_fini(&fast->words);
    for (unsigned k = 0; k < NGRAM_ORDER_MAX; k++)
        free(fast->slots[k]);
    free(fast);
}

static const struct lm_ops fast_ops = {
    .start = fast_start,
    .advance = fast_advance,
    .distribution = fast_distribution,
    .logprob = fast_logprob,
    .top = fast_top,
    .score = fast_score,
    .free = fast_free,
};

/* ---- exports ---- */

bool fast_is(const struct lm *lm)
{
    return lm->ops == &fast_ops;
}

static bool is_last(const struct fast *fast, unsigned level)
{
    return level > 1 && level == fast->order;
}

static uint32_t gram_word(const struct lm *lm, unsigned level, size_t index)
{
    const struct fast *fast = (const struct fast *)lm;
    return is_last(fast, level) ? fast->last[index].word : fast->grams[level][index].word;
}

static size_t gram_begin(const struct lm *lm, unsigned level, size_t index)
{
    return ((const struct fast *)lm)->grams[level][index].begin;
}

static void gram_values(const struct lm *lm, unsigned level, size_t index,
                        const uint32_t *words, double *prob, double *backoff)
{
    const struct fast *fast = (const struct fast *)lm;
    (void)words;
    *prob = (double)(is_last(fast, level) ? fast->last[index].prob
                                          : fast->grams[level][index].prob);
    *backoff = is_last(fast, level) ? 1 : (double)fast->grams[level][index].backoff;
}

void fast_grams(const struct lm *lm, struct grams *grams)
{
    const struct fast *fast = (const struct fast *)lm;
    *grams = (struct grams){.lm = lm,
                            .order = fast->order,
                            .uniform_remainder = fast->uniform_remainder,
                            .word = gram_word,
                            .begin = gram_begin,
                            .values = gram_values};
    memcpy(grams->counts, fast->counts, sizeof grams->counts);
}

/* ---- loading ---- */

/* The records of level k, after checking that they are as many as the shape says. */
static enum err find_section(const struct artefact *artefact, unsigned k, size_t count,
                             size_t record, const void **records, struct err_info *info)
{
    char name[ARTEFACT_NAME_SIZE];
    const struct artefact_section *section;
    snprintf(name, sizeof name, "ngram.fast.%u", k);
    enum err code = artefact_need(artefact, name, ARTEFACT_U32, 1, &section, info);
    if (code)
        return code;
    if (section->content.size / record != count || section->content.size % record != 0)
        return err_set(info, ERR_BAD_MODEL_FILE,
                       "The n-grams of order %u are not as many as the model says", k);
    *records = section->content.bytes;
    return ERR_OK;
}

static bool sensible_share(float share)
{
    return share >= 0 && isfinite(share);
}

static bool gram_is_sensible(const struct fast *fast, unsigned k, size_t index)
{
    const struct gram *gram = &fast->grams[k][index];
    size_t next = k < fast->order ? fast->counts[k + 1] : 0;
    return gram->word < fast->lm.vocab_size && (k > 1 || gram->word == index) &&
           sensible_share(gram->prob) && gram->prob <= 1.001f &&
           sensible_share(gram->backoff) && gram[1].begin >= gram->begin &&
           gram[1].begin <= next && (k == 1 || gram->suffix < fast->counts[k - 1]);
}

static bool last_is_sensible(const struct fast *fast, size_t index)
{
    const struct last_gram *gram = &fast->last[index];
    return gram->word < fast->lm.vocab_size && sensible_share(gram->prob) &&
           gram->prob <= 1.001f && gram->suffix < fast->counts[fast->order - 1];
}

static bool level_is_sensible(const struct fast *fast, unsigned k)
{
    if (k > 1 && k == fast->order) {
        for (size_t i = 0; i < fast->counts[k]; i++)
            if (!last_is_sensible(fast, i))
                return false;
        return true;
    }
    for (size_t i = 0; i < fast->counts[k]; i++)
        if (!gram_is_sensible(fast, k, i))
            return false;
    size_t next = k < fast->order ? fast->counts[k + 1] : 0;
    return fast->grams[k][0].begin == 0 && fast->grams[k][fast->counts[k]].begin == next;
}

static enum err find_levels(struct fast *fast, const struct artefact *artefact,
                            struct err_info *info)
{
    enum err code = ERR_OK;
    for (unsigned k = 1; !code && k <= fast->order; k++) {
        const void *records = NULL;
        if (k > 1 && k == fast->order) {
            code = find_section(artefact, k, fast->counts[k], sizeof(struct last_gram),
                                &records, info);
            fast->last = records;
        } else {
            code = find_section(artefact, k, fast->counts[k] + 1, sizeof(struct gram),
                                &records, info);
            fast->grams[k] = records;
        }
    }
    for (unsigned k = 1; !code && k <= fast->order; k++)
        if (!level_is_sensible(fast, k))
            code = err_set(info, ERR_BAD_MODEL_FILE,
                           "The n-grams of order %u hold impossible numbers", k);
    return code;
}

enum err fast_load(const struct artefact *artefact, const struct shape *shape,
                   struct lm **out, struct err_info *info)
{
    *out = NULL;
    struct fast *fast = memory_new_array(1, sizeof *fast);
    if (!fast)
        return ERR_NO_MEMORY;
    fast->order = (unsigned)shape->order;
    fast->uniform_remainder = shape->uniform_remainder != 0;
    fast->uniform = (float)(1.0 / ((double)shape->vocab_size - 1));
    for (unsigned k = 1; k <= fast->order; k++)
        fast->counts[k] = (size_t)shape->counts[k - 1];
    fast->lm = (struct lm){.ops = &fast_ops,
                           .vocab_size = (uint32_t)shape->vocab_size,
                           .state_size = sizeof(struct fast_state),
                           .batch = 16,
                           .context_max = fast->order - 1,
                           .cheap = true};
    enum err code = find_levels(fast, artefact, info);
    for (unsigned k = 1; !code && k < fast->order; k++)
        code = fast_index(fast, k);
    if (!code)
        code = words_init(&fast->words, &fast->grams[1]->prob,
                          sizeof(struct gram) / sizeof(float), fast->lm.vocab_size);
    if (code) {
        fast_free(&fast->lm);
        return code;
    }
    *out = &fast->lm;
    return ERR_OK;
}

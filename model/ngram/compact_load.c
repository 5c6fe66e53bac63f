/* SPDX-License-Identifier: MIT */
/* Loading the compact form: every section is used where it lies, after a check that no
 * number in it can lead outside. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "model/ngram/compact.h"
#include "model/ngram/compact_write.h"

static enum err bad(struct err_info *info, const char *what)
{
    return err_set(info, ERR_BAD_MODEL_FILE,
                   "The compact n-gram model's %s are malformed", what);
}

/* A section of exactly `size` bytes. */
static enum err need(const struct artefact *artefact, const char *name,
                     enum artefact_type type, uint32_t rank, size_t size,
                     const void **content, struct err_info *info)
{
    const struct artefact_section *section;
    *content = NULL;
    enum err code = artefact_need(artefact, name, type, rank, &section, info);
    if (code)
        return code;
    if (section->content.size != size)
        return err_set(info, ERR_BAD_MODEL_FILE,
                       "The section %s of the model file has the wrong size", name);
    *content = section->content.bytes;
    return ERR_OK;
}

static void section_name(char name[ARTEFACT_NAME_SIZE], const char *what, unsigned k)
{
    snprintf(name, ARTEFACT_NAME_SIZE, "ngram.compact.%.12s.%u", what, k & 15u);
}

static bool shares_are_sensible(const float *shares, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!(shares[i] >= 0 && isfinite(shares[i])))
            return false;
    return true;
}

/* ---- rules ---- */

static bool rule_is_sensible(const struct level_rule *rule)
{
    for (unsigned i = 0; i < COUNT_CLASSES; i++)
        if (!isfinite(rule->scale[i]) || !isfinite(rule->subtract[i]))
            return false;
    for (unsigned i = 0; i < WEIGHT_BUCKETS; i++)
        if (!(rule->weight[i] >= 0 && rule->weight[i] <= 1))
            return false;
    return isfinite(rule->extra) && isfinite(rule->extra_by_type) &&
           isfinite(rule->extra_if_spent);
}

static enum err load_rules(struct compact *compact, const struct artefact *artefact,
                           struct err_info *info)
{
    const void *rules, *flags, *values;
    size_t size = (compact->order + 1u) * sizeof(struct level_rule);
    enum err code =
        need(artefact, "ngram.compact.rules", ARTEFACT_F64, 1, size, &rules, info);
    if (!code)
        code = need(artefact, "ngram.compact.flags", ARTEFACT_U64, 1,
                    2 * sizeof(uint64_t), &flags, info);
    if (!code)
        code = need(artefact, "ngram.compact.values", ARTEFACT_U32, 1,
                    COMPACT_VALUES * sizeof(uint32_t), &values, info);
    if (code)
        return code;
    const uint64_t *flag = flags;
    if (flag[0] > REMAINDER_UNSEEN || flag[1] > 1)
        return bad(info, "rules");
    compact->remainder = (enum remainder)flag[0];
    compact->stores_small = flag[1] != 0;
    memcpy(compact->rules.at, rules, size);
    for (unsigned k = 1; k <= compact->order; k++) {
        if (!rule_is_sensible(&compact->rules.at[k]))
            return bad(info, "rules");
        compact_tables(&compact->at[k].tables, &compact->rules.at[k], values);
        for (unsigned code_value = 0; code_value < COMPACT_VALUES; code_value++)
            if (!(compact->at[k].tables.whole[code_value] > 0))
                return bad(info, "rules");
    }
    return ERR_OK;
}

/* ---- levels ---- */

static enum err load_first(struct compact *compact, const struct artefact *artefact,
                           struct err_info *info)
{
    const void *probs, *begin;
    uint32_t size = compact->lm.vocab_size;
    enum err code = need(artefact, "ngram.compact.probs.1", ARTEFACT_F32, 1,
                         size * sizeof(float), &probs, info);
    if (code)
        return code;
    compact->word_probs = probs;
    if (!shares_are_sensible(probs, size))
        return bad(info, "words");
    if (compact->order == 1)
        return ERR_OK;
    code = need(artefact, "ngram.compact.begin", ARTEFACT_U32, 1,
                ((size_t)size + 1) * sizeof(uint32_t), &begin, info);
    if (code)
        return code;
    compact->word_begin = begin;
    for (uint32_t i = 0; i < size; i++)
        if (compact->word_begin[i] > compact->word_begin[i + 1])
            return bad(info, "words");
    return compact->word_begin[0] == 0 &&
                   compact->word_begin[size] == compact->at[2].count
               ? ERR_OK
               : bad(info, "words");
}

/* Counts the ones of `ends`, and notes where every COMPACT_ONES-th of them stands. */
static bool sample_ends(struct compact_level *level, uint64_t bits)
{
    uint64_t ones = 0, last = 0;
    for (uint64_t index = 0; index < (bits + 63) / 64; index++)
        for (uint64_t word = level->ends[index]; word != 0; word &= word - 1) {
            last = index * 64 + (unsigned)__builtin_ctzll(word);
            if (ones % COMPACT_ONES == 0 && ones < level->count)
                level->samples[ones / COMPACT_ONES] = (uint32_t)last;
            ones++;
        }
    return ones == level->count && (bits == 0 || last + 1 == bits);
}

static enum err load_ends(struct compact *compact, const struct artefact *artefact,
                          unsigned k, struct err_info *info)
{
    struct compact_level *level = &compact->at[k];
    char name[ARTEFACT_NAME_SIZE];
    const void *ends;
    uint64_t bits = (uint64_t)level->count + compact->at[k + 1].count;
    if (bits > UINT32_MAX)
        return err_set(info, ERR_LIMIT, "The compact n-gram model is too large");
    section_name(name, "ends", k);
    enum err code = need(artefact, name, ARTEFACT_U64, 1,
                         (size_t)((bits + 63) / 64 * sizeof(uint64_t)), &ends, info);
    if (code)
        return code;
    level->ends = ends;
    level->samples =
        memory_new_array(level->count / COMPACT_ONES + 1, sizeof *level->samples);
    if (!level->samples)
        return ERR_NO_MEMORY;
    return sample_ends(level, bits) ? ERR_OK : bad(info, "ends");
}

static enum err load_words(struct compact *compact, const struct artefact *artefact,
                           unsigned k, struct err_info *info)
{
    struct compact_level *level = &compact->at[k];
    char name[ARTEFACT_NAME_SIZE];
    const void *words, *codes;
    uint64_t bits = (uint64_t)level->count * compact->width + 72;
    section_name(name, "words", k);
    enum err code =
        need(artefact, name, ARTEFACT_BYTES, 1, (size_t)(bits / 8), &words, info);
    section_name(name, "codes", k);
    if (!code)
        code = need(artefact, name, ARTEFACT_BYTES, 1, level->count, &codes, info);
    if (code)
        return code;
    level->words = words;
    level->codes = codes;
    for (size_t i = 0; i < level->count; i++)
        if (compact_word(compact, k, i) >= compact->lm.vocab_size)
            return bad(info, "words");
    return ERR_OK;
}

/* Makes stored shares findable. */
static enum err mark_stored(struct compact_level *level)
{
    size_t words = level->count / 64 + 1;
    if (level->stored_count == 0)
        return ERR_OK;
    level->marks = memory_new_array(words, sizeof *level->marks);
    level->ranks = memory_new_array(words, sizeof *level->ranks);
    if (!level->marks || !level->ranks)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < level->stored_count; i++)
        level->marks[level->stored[i].context / 64] |= (uint64_t)1
                                                       << level->stored[i].context % 64;
    for (size_t i = 1; i < words; i++)
        level->ranks[i] =
            level->ranks[i - 1] + (uint32_t)__builtin_popcountll(level->marks[i - 1]);
    return ERR_OK;
}

/* What is stored with the contexts of level k. */
static enum err load_shares(struct compact *compact, const struct artefact *artefact,
                            unsigned k, struct err_info *info)
{
    struct compact_level *level = &compact->at[k];
    const struct artefact_section *section;
    char name[ARTEFACT_NAME_SIZE];
    section_name(name, "stored", k);
    enum err code = artefact_need(artefact, name, ARTEFACT_U32, 1, &section, info);
    if (code)
        return code;
    level->stored = (const struct stored_share *)(const void *)section->content.bytes;
    level->stored_count = section->content.size / sizeof *level->stored;
    if (section->content.size % sizeof *level->stored != 0)
        return bad(info, "shares");
    for (size_t i = 0; i < level->stored_count; i++)
        if (level->stored[i].context >= level->count ||
            (i && level->stored[i].context <= level->stored[i - 1].context) ||
            !shares_are_sensible(&level->stored[i].factor, 2))
            return bad(info, "shares");
    code = mark_stored(level);
    if (code || compact->remainder != REMAINDER_UNSEEN)
        return code;
    const void *backoff;
    section_name(name, "backoff", k);
    code = need(artefact, name, ARTEFACT_F32, 1, level->count * sizeof(float), &backoff,
                info);
    level->backoff = code ? NULL : backoff;
    return code                                                ? code
           : shares_are_sensible(level->backoff, level->count) ? ERR_OK
                                                               : bad(info, "shares");
}

static enum err load_levels(struct compact *compact, const struct artefact *artefact,
                            struct err_info *info)
{
    enum err code = load_rules(compact, artefact, info);
    if (!code)
        code = load_first(compact, artefact, info);
    for (unsigned k = 2; !code && k <= compact->order; k++)
        code = load_words(compact, artefact, k, info);
    for (unsigned k = 2; !code && k < compact->order; k++)
        code = load_ends(compact, artefact, k, info);
    for (unsigned k = 1; !code && k < compact->order; k++)
        code = load_shares(compact, artefact, k, info);
    if (!code)
        code =
            words_init(&compact->words, compact->word_probs, 1, compact->lm.vocab_size);
    return code;
}

enum err compact_load(const struct artefact *artefact, const struct shape *shape,
                      struct lm **out, struct err_info *info)
{
    *out = NULL;
    struct compact *compact = memory_new_array(1, sizeof *compact);
    if (!compact)
        return ERR_NO_MEMORY;
    compact->order = (unsigned)shape->order;
    compact->width = compact_width((uint32_t)shape->vocab_size);
    compact->uniform = 1.0 / ((double)shape->vocab_size - 1);
    for (unsigned k = 1; k <= compact->order; k++)
        compact->at[k].count = (size_t)shape->counts[k - 1];
    compact->lm = (struct lm){.ops = &compact_ops,
                              .vocab_size = (uint32_t)shape->vocab_size,
                              .state_size = sizeof(struct compact_state),
                              .batch = 16,
                              .context_max = compact->order - 1,
                              .cheap = true};
    enum err code = load_levels(compact, artefact, info);
    if (code) {
        compact_ops.free(&compact->lm);
        return code;
    }
    *out = &compact->lm;
    return ERR_OK;
}

/* SPDX-License-Identifier: MIT */
#include "tests/unit/ngram/naive.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/random.h"
#include "model/ngram/count.h"
#include "model/ngram/form.h"
#include "model/text/vocab.h"

struct corpus corpus_random(uint64_t seed, size_t segments, uint32_t vocab_size)
{
    struct random random;
    struct corpus corpus = {.vocab_size = vocab_size};
    random_seed(&random, seed, 7);
    corpus.ids = calloc(segments * 13 + 1, sizeof *corpus.ids);
    for (size_t i = 0; i < segments; i++) {
        size_t length = 1 + random_below(&random, 11);
        for (size_t j = 0; j < length; j++) {
            double place = random_uniform(&random);
            uint32_t word = (uint32_t)(place * place * (vocab_size - 2));
            corpus.ids[corpus.count++] = word == 0 ? VOCAB_UNK : word + 2;
        }
        corpus.ids[corpus.count++] = VOCAB_EOS;
    }
    return corpus;
}

void corpus_free(struct corpus *corpus)
{
    free(corpus->ids);
}

struct levels corpus_levels(const struct corpus *corpus, unsigned order, unsigned threads,
                            uint64_t memory_bytes)
{
    const struct counter_settings settings = {.order = order,
                                              .vocab_size = corpus->vocab_size,
                                              .threads = threads,
                                              .memory_bytes = memory_bytes};
    struct counter *counter;
    struct levels levels;
    ck_assert_int_eq(counter_new(&settings, &counter), ERR_OK);
    size_t begin = 0;
    for (unsigned t = 0; t < threads; t++) {
        size_t end = t + 1 == threads ? corpus->count : corpus->count / threads * (t + 1);
        while (end < corpus->count && end > 0 && corpus->ids[end - 1] != VOCAB_EOS)
            end++;
        for (; begin < end; begin += 5)
            ck_assert_int_eq(counter_add(counter, t, corpus->ids + begin,
                                         end - begin < 5 ? end - begin : 5),
                             ERR_OK);
        begin = end;
    }
    ck_assert_int_eq(counter_finish(counter, &levels), ERR_OK);
    counter_free(counter);
    return levels;
}

/* The word before position i of the corpus, <s> at a segment's start. */
static uint32_t word_before(const struct corpus *corpus, size_t i)
{
    return i == 0 || corpus->ids[i - 1] == VOCAB_EOS ? VOCAB_BOS : corpus->ids[i - 1];
}

static bool stands_at(const struct corpus *corpus, size_t i, const uint32_t *words,
                      size_t count)
{
    for (size_t j = 0; j < count; j++)
        if (i + j >= corpus->count || corpus->ids[i + j] != words[j] ||
            (j + 1 < count && words[j] == VOCAB_EOS))
            return false;
    return true;
}

size_t naive_count(const struct corpus *corpus, const uint32_t *words, size_t count)
{
    size_t sum = 0;
    bool bos = words[0] == VOCAB_BOS;
    for (size_t i = 0; i < corpus->count; i++)
        if (!bos || word_before(corpus, i) == VOCAB_BOS)
            sum += stands_at(corpus, i, words + bos, count - bos);
    return sum;
}

/* Different words before words[count]. */
static size_t count_before(const struct corpus *corpus, const uint32_t *words,
                           size_t count)
{
    bool seen[256] = {false};
    size_t sum = 0;
    ck_assert_uint_le(corpus->vocab_size, 256);
    for (size_t i = 0; i < corpus->count; i++)
        if (stands_at(corpus, i, words, count) && !seen[word_before(corpus, i)]) {
            seen[word_before(corpus, i)] = true;
            sum++;
        }
    return sum;
}

static size_t model_count(const struct naive *naive, const uint32_t *words, size_t count)
{
    if (count == 1 && words[0] == VOCAB_BOS)
        return 0;
    return naive->smoothing == SMOOTHING_KNESER_NEY && count < naive->order &&
                   words[0] != VOCAB_BOS
               ? count_before(naive->corpus, words, count)
               : naive_count(naive->corpus, words, count);
}

static double discounted(const struct naive *naive, size_t k, size_t count)
{
    const struct level_rule *rule = naive->rules ? &naive->rules->at[k] : NULL;
    size_t class = count < COUNT_CLASSES ? count : COUNT_CLASSES - 1;
    if (count == 0)
        return 0;
    if (naive->smoothing == SMOOTHING_KNESER_NEY || naive->smoothing == SMOOTHING_KATZ)
        return rule->scale[class] * (double)count - rule->subtract[class];
    return (double)count;
}

double naive_prob(const struct naive *naive, const uint32_t *context, size_t count,
                  uint32_t word)
{
    double uniform = 1.0 / (naive->corpus->vocab_size - 1.0);
    if (word == VOCAB_BOS)
        return 0;
    if (count > naive->order - 1) {
        context += count - (naive->order - 1);
        count = naive->order - 1;
    }
    uint32_t words[NGRAM_ORDER_MAX];
    double kept = 0, total = 0, types = 0, kept_below = 0, own = 0;
    size_t k = count + 1;
    if (count > 0)
        memcpy(words, context, count * sizeof *words);
    bool word_kept = false, any_kept = false;
    for (uint32_t w = 0; w < naive->corpus->vocab_size; w++) {
        words[count] = w;
        size_t c = model_count(naive, words, k);
        if (w == VOCAB_BOS || c == 0)
            continue;
        total += (double)c;
        types++;
        if (k > 1 && naive_count(naive->corpus, words, k) <= naive->least[k - 1])
            continue;
        any_kept = true;
        kept += discounted(naive, k, c);
        if (naive->smoothing == SMOOTHING_KATZ || naive->smoothing == SMOOTHING_MLE)
            kept_below += k > 1 ? naive_prob(naive, context + 1, count - 1, w) : 0;
        if (w == word) {
            own = discounted(naive, k, c);
            word_kept = true;
        }
    }
    if (total <= 0 || (!any_kept && k > 1))
        return k > 1 ? naive_prob(naive, context + 1, count - 1, word) : uniform;
    double below = k > 1 && naive->smoothing != SMOOTHING_ADDITIVE
                       ? naive_prob(naive, context + 1, count - 1, word)
                       : uniform;
    double extra = naive->smoothing == SMOOTHING_ADDITIVE      ? naive->delta / uniform
                   : naive->smoothing == SMOOTHING_WITTEN_BELL ? types
                                                               : 0;
    if (naive->smoothing == SMOOTHING_KATZ && k > 1 && total - kept < 1e-9)
        extra = 1;
    double weight =
        naive->smoothing == SMOOTHING_JELINEK_MERCER
            ? naive->rules->at[k].weight[weight_bucket((uint64_t)total, (uint64_t)types)]
            : 1;
    double share = weight * own / (total + extra);
    double left = 1 - weight * kept / (total + extra);
    bool unseen_only =
        naive->smoothing == SMOOTHING_KATZ || naive->smoothing == SMOOTHING_MLE;
    if (!unseen_only || k == 1)
        return share + left * below;
    if (left < 1e-12)
        return word_kept ? share : 0;
    if (1 - kept_below < 1e-12)
        return word_kept ? share / (kept / (total + extra)) : below;
    return word_kept ? share : left / (1 - kept_below) * below;
}

static void say_nothing(void *context, const char *text)
{
    (void)context;
    ck_assert_ptr_nonnull(text);
}

struct rules naive_rules(enum smoothing smoothing, struct levels *levels, double delta,
                         const uint32_t *least, void (*say)(void *, const char *))
{
    const struct note note = {NULL, say ? say : say_nothing};
    struct rules rules;
    rules_init(&rules, smoothing);
    if (least)
        memcpy(rules.least, least, sizeof rules.least);
    switch (smoothing) {
    case SMOOTHING_KNESER_NEY:
        ck_assert_int_eq(levels_count_distinct(levels, 2), ERR_OK);
        rules_kneser_ney(&rules, levels, &note);
        break;
    case SMOOTHING_ADDITIVE:
        rules_additive(&rules, levels, delta);
        break;
    case SMOOTHING_WITTEN_BELL:
        rules_witten_bell(&rules, levels);
        break;
    case SMOOTHING_KATZ:
        rules_katz(&rules, levels, &note);
        break;
    case SMOOTHING_JELINEK_MERCER:
        ck_assert_int_eq(rules_jelinek_mercer(&rules, levels, NULL, 0), ERR_OK);
        break;
    case SMOOTHING_MLE:
        break;
    }
    return rules;
}

struct made make_fast(const struct levels *levels, const struct rules *rules)
{
    struct made made = {NULL, NULL, NULL};
    struct buffer file;
    struct artefact_writer *writer;
    struct shape shape;
    buffer_init(&file, (size_t)1 << 26);
    struct writer to = writer_to_buffer(&file);
    ck_assert_int_eq(artefact_begin(&to, "ngram", &writer), ERR_OK);
    ck_assert_int_eq(
        shape_write(writer, levels, FORM_FAST, rules->remainder == REMAINDER_UNIFORM),
        ERR_OK);
    ck_assert_int_eq(fast_write(writer, levels), ERR_OK);
    ck_assert_int_eq(artefact_finish(writer), ERR_OK);
    artefact_writer_free(writer);
    made.bytes = memory_new_aligned(file.size, 1);
    memcpy(made.bytes, file.bytes, file.size);
    ck_assert_int_eq(artefact_parse(span_of(made.bytes, file.size), &made.artefact, NULL),
                     ERR_OK);
    ck_assert_int_eq(shape_read(made.artefact, &shape, NULL), ERR_OK);
    ck_assert_int_eq(fast_load(made.artefact, &shape, &made.lm, NULL), ERR_OK);
    buffer_fini(&file);
    return made;
}

void made_free(struct made *made)
{
    if (made->lm)
        made->lm->ops->free(made->lm);
    artefact_free(made->artefact);
    free(made->bytes);
}

void lm_state_after(const struct lm *lm, const uint32_t *context, size_t count,
                    void *state)
{
    bool bos = count > 0 && context[0] == VOCAB_BOS;
    lm->ops->start(lm, bos, state);
    for (size_t i = bos; i < count; i++)
        ck_assert_int_eq(lm->ops->advance(lm, 1, &state, context + i), ERR_OK);
}

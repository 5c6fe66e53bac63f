/* SPDX-License-Identifier: MIT */
/* Streams of models that have no hidden vectors. A segment that begins at <s> is scored
 * as it would be alone, because the context of such models ends with the segment; only
 * one that goes on in the midst of the one before needs a state, which is advanced over
 * the last segment of a call when that is over.
 *
 * Their cache is one of single words (Kuhn and De Mori 1990) whose memory fades
 * exponentially (Clarkson and Robinson 1997): each token adds 1 to its word's count, and
 * all counts shrink by a factor a token, so that a token `size` ago counts e⁻⁴. Counts
 * are kept relative to a growing unit instead of shrinking all of them. */
#include "model/lm/lm_stream.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

const struct lm_cache lm_cache_usual = {.size = 2000, .theta = 0.3, .weight = 0.1};
const struct lm_dynamic lm_dynamic_usual = {.rate = 0.0015, .decay = 0.001, .steps = 20};

static const double FADED = 4;       /* a token `size` ago counts exp(-FADED) */
static const double UNIT_MAX = 1e15; /* of the counts' unit before it is set back */

/* ---- options ---- */

bool lm_stream_wanted(const struct lm_stream_options *options)
{
    return options &&
           (options->carry || options->cache.size > 0 || options->dynamic.rate > 0);
}

static enum err refuse(struct err_info *info, const char *pointer, const char *member,
                       const char *message)
{
    char full[80];
    snprintf(full, sizeof full, "%s%s", pointer, member);
    return err_set_field(info, ERR_INVALID, full, "%s", message);
}

/* Also false for NAN. */
static bool within(double value, double least, double most)
{
    return value >= least && value <= most;
}

enum err lm_stream_check(const struct lm *lm, const struct lm_stream_options *options,
                         const char *pointer, struct err_info *info)
{
    const struct lm_cache *cache = &options->cache;
    const struct lm_dynamic *dynamic = &options->dynamic;
    if (cache->size > LM_CACHE_SIZE_MAX)
        return refuse(info, pointer, "/cache/size", "A cache holds 1 to 16384 tokens");
    if (cache->size > 0 && !within(cache->theta, 0, LM_CACHE_THETA_MAX))
        return refuse(info, pointer, "/cache/theta", "theta is a number from 0 to 100");
    if (cache->size > 0 && !(cache->weight >= 0 && cache->weight < 1))
        return refuse(info, pointer, "/cache/weight",
                      "A cache's weight is a number of at least 0 and below 1");
    if (!within(dynamic->rate, 0, LM_DYNAMIC_RATE_MAX))
        return refuse(
            info, pointer, "/dynamic/learning_rate",
            "The learning rate of dynamic evaluation is above 0 and at most 10");
    if (dynamic->rate > 0 && !within(dynamic->decay, 0, 1))
        return refuse(info, pointer, "/dynamic/decay", "decay is a number from 0 to 1");
    if (dynamic->rate > 0 &&
        (dynamic->steps < 1 || dynamic->steps > LM_DYNAMIC_STEPS_MAX))
        return refuse(info, pointer, "/dynamic/steps",
                      "Dynamic evaluation takes 1 to 256 tokens a step");
    if (dynamic->rate > 0 && !lm->adapts)
        return refuse(info, pointer, "/dynamic",
                      "Dynamic evaluation adapts the parameters of a neural model; this "
                      "model has none: use cache");
    return ERR_OK;
}

/* ---- a cache of single words ---- */

struct words {
    double weight;
    double fade; /* of the unit, a token: at least 1 */
    double unit, total;
    double *counts; /* [vocab_size], NULL: no cache */
    uint32_t vocab_size;
};

static enum err words_init(struct words *words, const struct lm_cache *cache,
                           uint32_t vocab_size)
{
    *words = (struct words){.weight = cache->weight, .unit = 1, .vocab_size = vocab_size};
    if (cache->size == 0)
        return ERR_OK;
    words->fade = exp(FADED / (double)cache->size);
    words->counts = memory_new_array(vocab_size, sizeof *words->counts);
    return words->counts ? ERR_OK : ERR_NO_MEMORY;
}

static void words_add(struct words *words, uint32_t token)
{
    words->unit *= words->fade;
    words->counts[token] += words->unit;
    words->total += words->unit;
    if (words->unit < UNIT_MAX)
        return;
    for (uint32_t id = 0; id < words->vocab_size; id++)
        words->counts[id] /= words->unit;
    words->total /= words->unit;
    words->unit = 1;
}

/* Mixes the cache into the log-probabilities of a segment, token by token. */
static void words_mix(struct words *words, struct lm_segment *segment)
{
    for (size_t i = 0; i < segment->count; i++) {
        uint32_t token = segment->tokens[i];
        if (words->total > 0) {
            double model = exp((double)segment->logprobs[i]);
            double cached = words->counts[token] / words->total;
            segment->logprobs[i] =
                (float)log((1 - words->weight) * model + words->weight * cached);
        }
        words_add(words, token);
    }
}

/* ---- the stream ---- */

struct plain_stream {
    struct lm_stream head;
    const struct lm *lm;
    bool carry, begun;
    void *state; /* after the last segment, when begun; NULL without carry */
    struct words words;
};

static void free_plain(struct lm_stream *stream)
{
    struct plain_stream *plain = (struct plain_stream *)(void *)stream;
    if (!plain)
        return;
    free(plain->state);
    free(plain->words.counts);
    free(plain);
}

/* Advances the state over a segment that was scored on its own. */
static enum err follow(struct plain_stream *plain, const struct lm_segment *segment)
{
    const struct lm *lm = plain->lm;
    enum err code = ERR_OK;
    if (!plain->carry)
        return ERR_OK;
    plain->begun = true;
    lm->ops->start(lm, segment->bos, plain->state);
    for (size_t i = 0; i < segment->count && !code; i++)
        code = lm->ops->advance(lm, 1, &plain->state, &segment->tokens[i]);
    return code;
}

/* A segment that goes on where the state stands. */
static enum err go_on(struct plain_stream *plain, struct lm_segment *segment)
{
    const struct lm *lm = plain->lm;
    enum err code = ERR_OK;
    if (segment->orders)
        memset(segment->orders, 0, segment->count);
    for (size_t i = 0; i < segment->count && !code; i++) {
        code = lm_logprob(lm, plain->state, segment->tokens[i], &segment->logprobs[i]);
        if (!code)
            code = lm->ops->advance(lm, 1, &plain->state, &segment->tokens[i]);
    }
    return code;
}

static enum err score_plain(struct lm_stream *stream, struct lm_segment *segments,
                            size_t count)
{
    struct plain_stream *plain = (struct plain_stream *)(void *)stream;
    enum err code = ERR_OK;
    for (size_t i = 0; i < count && !code;) {
        size_t alone = 0;
        while (i + alone < count && (segments[i + alone].bos || !plain->carry ||
                                     (!plain->begun && alone == 0)))
            alone++;
        if (alone == 0) {
            code = go_on(plain, &segments[i++]);
            continue;
        }
        code = plain->lm->ops->score(plain->lm, segments + i, alone);
        i += alone;
        if (!code)
            code = follow(plain, &segments[i - 1]);
    }
    for (size_t i = 0; i < count && plain->words.counts && !code; i++)
        words_mix(&plain->words, &segments[i]);
    return code;
}

static const struct lm_stream_ops plain_ops = {.score = score_plain, .free = free_plain};

static enum err open_plain(const struct lm *lm, const struct lm_stream_options *options,
                           struct lm_stream **stream)
{
    struct plain_stream *plain = memory_new_array(1, sizeof *plain);
    if (!plain)
        return ERR_NO_MEMORY;
    *plain =
        (struct plain_stream){.head = {&plain_ops}, .lm = lm, .carry = options->carry};
    enum err code = words_init(&plain->words, &options->cache, lm->vocab_size);
    if (!code && options->carry && !(plain->state = lm_new_states(lm, 1)))
        code = ERR_NO_MEMORY;
    if (code)
        free_plain(&plain->head);
    else
        *stream = &plain->head;
    return code;
}

/* ---- any stream ---- */

enum err lm_stream_open(const struct lm *lm, const struct lm_stream_options *options,
                        struct lm_stream **stream)
{
    *stream = NULL;
    return lm->ops->open_stream ? lm->ops->open_stream(lm, options, stream)
                                : open_plain(lm, options, stream);
}

void lm_stream_free(struct lm_stream *stream)
{
    if (stream)
        stream->ops->free(stream);
}

enum err lm_stream_score(struct lm_stream *stream, struct lm_segment *segments,
                         size_t count)
{
    return stream->ops->score(stream, segments, count);
}

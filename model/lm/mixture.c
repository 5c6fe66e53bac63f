/* SPDX-License-Identifier: MIT */
/* A mixture of language models as a language model.
 *
 * Its state is the states of its parts one after another, each at a multiple of 64 bytes.
 * log Σ w p is computed around the largest term, so that parts with probability 0 and
 * very small numbers come out right.
 *
 * Weights are learned by expectation–maximisation (Jelinek and Mercer 1980): the share of
 * part i in token t is w_i p_i(t) / Σ_j w_j p_j(t); the new w_i is the mean of its
 * shares. The likelihood is concave in the weights, so this finds the one maximum. */
#include "model/lm/mixture.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/lm/lm_stream.h"
#include "model/model.h"
#include "model/text/vocab.h"

struct mixture_lm {
    struct lm lm; /* first: this is an lm */
    size_t count;
    struct {
        const struct lm *lm;
        double log_weight; /* -INFINITY for a weight of 0 */
        size_t offset;     /* of its state in ours */
    } parts[MIXTURE_PARTS_MAX];
    struct model *owned[MIXTURE_PARTS_MAX]; /* released with the mixture, or NULL */
};

static const struct mixture_lm *mixture_of(const struct lm *lm)
{
    return (const struct mixture_lm *)lm;
}

/* log Σ exp(terms[i]), exact for terms of -INFINITY. */
static double log_sum(const double *terms, size_t count)
{
    double largest = -INFINITY, sum = 0;
    for (size_t i = 0; i < count; i++)
        largest = terms[i] > largest ? terms[i] : largest;
    if (!(largest > -INFINITY))
        return -INFINITY;
    for (size_t i = 0; i < count; i++)
        sum += exp(terms[i] - largest);
    return largest + log(sum);
}

/* Mixes one row a part, rows[part][size], into the row mixed[size]. Single precision is
 * enough around the largest term: rows and result are no finer. */
static void mix_rows(const struct mixture_lm *mixture, const float *rows, size_t size,
                     float *mixed)
{
    float weights[MIXTURE_PARTS_MAX], terms[MIXTURE_PARTS_MAX];
    for (size_t part = 0; part < mixture->count; part++)
        weights[part] = (float)mixture->parts[part].log_weight;
    for (size_t i = 0; i < size; i++) {
        float largest = -INFINITY, sum = 0;
        for (size_t part = 0; part < mixture->count; part++) {
            terms[part] = weights[part] + rows[part * size + i];
            largest = terms[part] > largest ? terms[part] : largest;
        }
        for (size_t part = 0; part < mixture->count && largest > -INFINITY; part++)
            sum += expf(terms[part] - largest);
        mixed[i] = largest > -INFINITY ? largest + logf(sum) : -INFINITY;
    }
}

/* ---- the operations ---- */

static void mixture_start(const struct lm *lm, bool bos, void *state)
{
    const struct mixture_lm *mixture = mixture_of(lm);
    for (size_t i = 0; i < mixture->count; i++) {
        const struct lm *part = mixture->parts[i].lm;
        part->ops->start(part, bos, (char *)state + mixture->parts[i].offset);
    }
}

static enum err mixture_advance(const struct lm *lm, size_t count, void *const *states,
                                const uint32_t *tokens)
{
    const struct mixture_lm *mixture = mixture_of(lm);
    void **moved = memory_new_array(count, sizeof *moved);
    enum err code = moved ? ERR_OK : ERR_NO_MEMORY;
    for (size_t i = 0; i < mixture->count && !code; i++) {
        const struct lm *part = mixture->parts[i].lm;
        for (size_t s = 0; s < count; s++)
            moved[s] = (char *)states[s] + mixture->parts[i].offset;
        code = part->ops->advance(part, count, moved, tokens);
    }
    free(moved);
    return code;
}

/* Distributions of one state by every part, into rows[part][vocab_size]. */
static enum err part_rows(const struct mixture_lm *mixture, const void *state,
                          float *rows)
{
    enum err code = ERR_OK;
    for (size_t i = 0; i < mixture->count && !code; i++) {
        const struct lm *part = mixture->parts[i].lm;
        const void *inner = (const char *)state + mixture->parts[i].offset;
        float *row = rows + i * mixture->lm.vocab_size;
        code = part->ops->distribution(part, 1, &inner, &row);
    }
    return code;
}

static enum err mixture_distribution(const struct lm *lm, size_t count,
                                     const void *const *states, float *const *logprobs)
{
    const struct mixture_lm *mixture = mixture_of(lm);
    size_t cells;
    if (!memory_multiply(mixture->count, lm->vocab_size, &cells))
        return ERR_NO_MEMORY;
    float *rows = memory_new_aligned(cells, sizeof *rows);
    enum err code = rows ? ERR_OK : ERR_NO_MEMORY;
    for (size_t s = 0; s < count && !code; s++) {
        code = part_rows(mixture, states[s], rows);
        if (!code)
            mix_rows(mixture, rows, lm->vocab_size, logprobs[s]);
    }
    free(rows);
    return code;
}

static float mixture_logprob(const struct lm *lm, const void *state, uint32_t token)
{
    const struct mixture_lm *mixture = mixture_of(lm);
    double terms[MIXTURE_PARTS_MAX];
    for (size_t i = 0; i < mixture->count; i++) {
        const struct lm *part = mixture->parts[i].lm;
        const void *inner = (const char *)state + mixture->parts[i].offset;
        terms[i] =
            mixture->parts[i].log_weight + (double)part->ops->logprob(part, inner, token);
    }
    return (float)log_sum(terms, mixture->count);
}

/* ---- scoring ---- */

struct scores {
    struct lm_segment *segments; /* [count] copies that point into the rows below */
    float *rows;                 /* [parts][tokens] */
    float *mixed;                /* [tokens] */
    uint8_t *orders;             /* [tokens] */
    size_t count, tokens;
};

static void scores_fini(struct scores *scores)
{
    free(scores->segments);
    free(scores->rows);
    free(scores->mixed);
    free(scores->orders);
}

static enum err scores_init(struct scores *scores, const struct lm_segment *segments,
                            size_t count, size_t parts)
{
    size_t cells;
    *scores = (struct scores){.count = count};
    for (size_t i = 0; i < count; i++)
        scores->tokens += segments[i].count;
    if (!memory_multiply(scores->tokens, parts, &cells))
        return ERR_NO_MEMORY;
    scores->segments = memory_new_array(count, sizeof *scores->segments);
    scores->rows = memory_new_array(cells, sizeof *scores->rows);
    scores->mixed = memory_new_array(scores->tokens, sizeof *scores->mixed);
    scores->orders = memory_new_array(scores->tokens, sizeof *scores->orders);
    return scores->segments && scores->rows && scores->mixed && scores->orders
               ? ERR_OK
               : ERR_NO_MEMORY;
}

/* Scores all segments with one part, in its stream if there is one; keeps the highest
 * order any part found. */
static enum err score_part(struct scores *scores, const struct lm *part,
                           struct lm_stream *stream, float *row,
                           struct lm_segment *segments)
{
    size_t first = 0;
    for (size_t i = 0; i < scores->count; i++) {
        scores->segments[i] = segments[i];
        scores->segments[i].logprobs = row + first;
        scores->segments[i].orders = segments[i].orders ? scores->orders + first : NULL;
        first += segments[i].count;
    }
    enum err code = stream ? lm_stream_score(stream, scores->segments, scores->count)
                           : part->ops->score(part, scores->segments, scores->count);
    for (size_t i = 0; i < scores->count && !code; i++)
        for (size_t j = 0; segments[i].orders && j < segments[i].count; j++)
            if (scores->segments[i].orders[j] > segments[i].orders[j])
                segments[i].orders[j] = scores->segments[i].orders[j];
    return code;
}

/* Streams of the parts, or NULL: each segment on its own. */
static enum err score_parts(const struct mixture_lm *mixture,
                            struct lm_stream *const *streams, struct lm_segment *segments,
                            size_t count)
{
    struct scores scores;
    enum err code = scores_init(&scores, segments, count, mixture->count);
    for (size_t i = 0; i < count && !code; i++)
        if (segments[i].orders)
            memset(segments[i].orders, 0, segments[i].count);
    for (size_t i = 0; i < mixture->count && !code; i++)
        code = score_part(&scores, mixture->parts[i].lm, streams ? streams[i] : NULL,
                          scores.rows + i * scores.tokens, segments);
    if (!code) {
        mix_rows(mixture, scores.rows, scores.tokens, scores.mixed);
        const float *next = scores.mixed;
        for (size_t i = 0; i < count; next += segments[i++].count)
            memcpy(segments[i].logprobs, next, segments[i].count * sizeof *next);
    }
    scores_fini(&scores);
    return code;
}

static enum err mixture_score(const struct lm *lm, struct lm_segment *segments,
                              size_t count)
{
    return score_parts(mixture_of(lm), NULL, segments, count);
}

struct mixture_stream {
    struct lm_stream head;
    const struct mixture_lm *mixture;
    struct lm_stream *streams[MIXTURE_PARTS_MAX];
};

static enum err stream_score(struct lm_stream *stream, struct lm_segment *segments,
                             size_t count)
{
    struct mixture_stream *self = (struct mixture_stream *)(void *)stream;
    return score_parts(self->mixture, self->streams, segments, count);
}

static void stream_free(struct lm_stream *stream)
{
    struct mixture_stream *self = (struct mixture_stream *)(void *)stream;
    for (size_t i = 0; i < self->mixture->count; i++)
        lm_stream_free(self->streams[i]);
    free(self);
}

static const struct lm_stream_ops stream_ops = {.score = stream_score,
                                                .free = stream_free};

/* Each part remembers by itself: mixed linearly, this is the same as one cache over the
 * mixture, made of all the parts' caches. */
static enum err mixture_open_stream(const struct lm *lm,
                                    const struct lm_stream_options *options,
                                    struct lm_stream **stream)
{
    const struct mixture_lm *mixture = mixture_of(lm);
    struct mixture_stream *self = memory_new_array(1, sizeof *self);
    if (!self)
        return ERR_NO_MEMORY;
    self->head.ops = &stream_ops;
    self->mixture = mixture;
    enum err code = ERR_OK;
    for (size_t i = 0; i < mixture->count && !code; i++)
        code = lm_stream_open(mixture->parts[i].lm, options, &self->streams[i]);
    if (code)
        stream_free(&self->head);
    else
        *stream = &self->head;
    return code;
}

static void mixture_free(struct lm *lm)
{
    struct mixture_lm *mixture = (struct mixture_lm *)lm;
    for (size_t i = 0; i < mixture->count; i++)
        model_release(mixture->owned[i]);
    free(mixture);
}

#define SHARED_OPS                                                                       \
    .start = mixture_start, .advance = mixture_advance,                                  \
    .distribution = mixture_distribution, .score = mixture_score,                        \
    .open_stream = mixture_open_stream, .free = mixture_free

static const struct lm_ops ops_by_row = {SHARED_OPS};
static const struct lm_ops ops_by_token = {SHARED_OPS, .logprob = mixture_logprob};

/* ---- making one ---- */

static enum err check_parts(const struct lm *const *parts, const double *weights,
                            size_t count, double *sum, struct err_info *info)
{
    *sum = 0;
    if (count < 1 || count > MIXTURE_PARTS_MAX)
        return err_set(info, ERR_INVALID, "A mixture has 1 to %u models",
                       MIXTURE_PARTS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(weights[i]) || weights[i] < 0)
            return err_set(info, ERR_INVALID,
                           "A weight must be a finite number of at least 0");
        if (parts[i]->vocab_size != parts[0]->vocab_size)
            return err_set(info, ERR_VOCAB_MISMATCH,
                           "The models do not share a vocabulary");
        *sum += weights[i];
    }
    if (!(*sum > 0) || !isfinite(*sum))
        return err_set(info, ERR_INVALID, "The weights must have a positive sum");
    return ERR_OK;
}

static void add_part(struct mixture_lm *mixture, const struct lm *part, double weight)
{
    struct lm *lm = &mixture->lm;
    size_t i = mixture->count++;
    mixture->parts[i].lm = part;
    mixture->parts[i].log_weight = log(weight);
    mixture->parts[i].offset = lm->state_size;
    lm->state_size += (part->state_size + LM_STATE_ALIGNMENT - 1) / LM_STATE_ALIGNMENT *
                      LM_STATE_ALIGNMENT;
    lm->batch = part->batch > lm->batch ? part->batch : lm->batch;
    lm->cheap = lm->cheap && part->cheap;
    lm->adapts = lm->adapts || part->adapts;
    if (!part->ops->logprob)
        lm->ops = &ops_by_row;
    if (part->context_max == 0)
        lm->context_max = 0;
    else if (i == 0 || lm->context_max > 0)
        lm->context_max =
            part->context_max > lm->context_max ? part->context_max : lm->context_max;
}

enum err mixture_lm_new(const struct lm *const *parts, const double *weights,
                        size_t count, struct lm **out, struct err_info *info)
{
    double sum;
    *out = NULL;
    enum err code = check_parts(parts, weights, count, &sum, info);
    if (code)
        return code;
    struct mixture_lm *mixture = memory_new_array(1, sizeof *mixture);
    if (!mixture)
        return ERR_NO_MEMORY;
    mixture->lm.ops = &ops_by_token;
    mixture->lm.vocab_size = parts[0]->vocab_size;
    mixture->lm.batch = 1;
    mixture->lm.cheap = true;
    for (size_t i = 0; i < count; i++)
        add_part(mixture, parts[i], weights[i] / sum);
    *out = &mixture->lm;
    return ERR_OK;
}

void mixture_lm_own(struct lm *lm, struct model *const *models, size_t count)
{
    struct mixture_lm *mixture = (struct mixture_lm *)lm;
    assert(count == mixture->count);
    memcpy(mixture->owned, models, count * sizeof *models);
}

bool mixture_same_vocab(const struct vocab *a, const struct vocab *b)
{
    uint32_t size = vocab_size(a);
    if (a == b)
        return true;
    if (size != vocab_size(b))
        return false;
    for (uint32_t id = 0; id < size; id++)
        if (!span_equal(vocab_word(a, id), vocab_word(b, id)))
            return false;
    return true;
}

/* ---- learning the weights ---- */

#define ROUNDS_MAX 200u
#define ENOUGH 1e-9 /* nats a token */

/* One token's probabilities relative to the best part's, and that one's logarithm. */
static bool relative(const float *const *logprobs, size_t parts, size_t token,
                     double *ratios, double *largest)
{
    *largest = -INFINITY;
    for (size_t i = 0; i < parts; i++)
        *largest = fmax(*largest, (double)logprobs[i][token]);
    for (size_t i = 0; i < parts; i++)
        ratios[i] = exp((double)logprobs[i][token] - *largest);
    return *largest > -INFINITY;
}

/* Ratios [tokens][parts] of the tokens that some part can explain; their number. */
static size_t gather_ratios(const float *const *logprobs, size_t parts, size_t count,
                            float *ratios, double *base)
{
    size_t kept = 0;
    *base = 0;
    for (size_t token = 0; token < count; token++) {
        double row[MIXTURE_PARTS_MAX], largest;
        if (!relative(logprobs, parts, token, row, &largest))
            continue;
        for (size_t i = 0; i < parts; i++)
            ratios[kept * parts + i] = (float)row[i];
        *base += largest;
        kept++;
    }
    return kept;
}

/* One round: the log-likelihood under `weights` relative to the best parts', and the
 * weights that follow. */
static double round_of(const float *ratios, size_t parts, size_t count, double *weights)
{
    double shares[MIXTURE_PARTS_MAX] = {0}, likelihood = 0;
    for (size_t token = 0; token < count; token++) {
        const float *row = ratios + token * parts;
        double sum = 0;
        for (size_t i = 0; i < parts; i++)
            sum += weights[i] * (double)row[i];
        if (!(sum > 0))
            continue; /* a weight has sunk to nothing */
        likelihood += log(sum);
        for (size_t i = 0; i < parts; i++)
            shares[i] += weights[i] * (double)row[i] / sum;
    }
    for (size_t i = 0; i < parts; i++)
        weights[i] = shares[i] / (double)count;
    return likelihood;
}

double mixture_learn_weights(const float *const *logprobs, size_t parts, size_t count,
                             double *weights, unsigned *rounds)
{
    double sum = 0, base, before = -INFINITY, now = -INFINITY;
    size_t cells;
    *rounds = 0;
    assert(parts >= 1 && parts <= MIXTURE_PARTS_MAX);
    for (size_t i = 0; i < parts; i++)
        sum += weights[i];
    for (size_t i = 0; i < parts; i++)
        weights[i] = weights[i] / sum;
    float *ratios = memory_multiply(parts, count, &cells)
                        ? memory_new_array(cells, sizeof *ratios)
                        : NULL;
    if (!ratios)
        return (double)NAN;
    size_t kept = gather_ratios(logprobs, parts, count, ratios, &base);
    while (kept > 0 && *rounds < ROUNDS_MAX) {
        now = round_of(ratios, parts, kept, weights) / (double)kept;
        ++*rounds;
        if (now - before < ENOUGH)
            break;
        before = now;
    }
    free(ratios);
    return kept > 0 ? now + base / (double)kept : (double)NAN;
}

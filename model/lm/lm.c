/* SPDX-License-Identifier: MIT */
/* What every language model gets for nothing: scoring in steps, single log-probabilities
 * and the best tokens out of the whole distribution. Models override what they can do
 * better; the tests hold the overriding versions against these. */
#include "model/lm/lm.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

/* ---- states ---- */

static size_t state_stride(const struct lm *lm)
{
    return (lm->state_size + LM_STATE_ALIGNMENT - 1) / LM_STATE_ALIGNMENT *
           LM_STATE_ALIGNMENT;
}

void *lm_new_states(const struct lm *lm, size_t count)
{
    return memory_new_aligned(count, state_stride(lm));
}

void *lm_state_at(const struct lm *lm, void *states, size_t index)
{
    return (char *)states + index * state_stride(lm);
}

/* ---- the best of a distribution ---- */

/* True when a comes before b in the answer. */
static bool better(struct lm_prediction a, struct lm_prediction b)
{
    return a.logprob > b.logprob || (a.logprob == b.logprob && a.token < b.token);
}

/* best[count] is a heap whose worst prediction is at the top; sinks the top to its place.
 */
static void sink(struct lm_prediction *best, size_t count, size_t place)
{
    struct lm_prediction moved = best[place];
    for (;;) {
        size_t child = 2 * place + 1;
        if (child >= count)
            break;
        if (child + 1 < count && better(best[child], best[child + 1]))
            child++;
        if (better(best[child], moved))
            break;
        best[place] = best[child];
        place = child;
    }
    best[place] = moved;
}

static int compare_predictions(const void *a, const void *b)
{
    const struct lm_prediction *left = a, *right = b;
    return better(*left, *right) ? -1 : better(*right, *left) ? 1 : 0;
}

void lm_select(const float *logprobs, uint32_t size, size_t k, struct lm_top *top)
{
    struct lm_prediction *best = top->best;
    size_t count = 0;
    for (uint32_t token = 0; token < size && k > 0; token++) {
        struct lm_prediction prediction = {token, logprobs[token]};
        if (!(prediction.logprob > -INFINITY))
            continue;
        if (count < k) {
            best[count++] = prediction;
            if (count == k)
                for (size_t i = k / 2; i-- > 0;)
                    sink(best, k, i);
        } else if (better(prediction, best[0])) {
            best[0] = prediction;
            sink(best, k, 0);
        }
    }
    top->count = count;
    if (count > 0)
        qsort(best, count, sizeof *best, compare_predictions);
}

/* Sums what is behind the worst of the best, smallest parts apart from the large ones. */
static void sum_rest(const float *logprobs, uint32_t size, bool want_entropy,
                     struct lm_top *top)
{
    double other = 0, entropy = 0;
    for (uint32_t token = 0; token < size; token++) {
        double logprob = (double)logprobs[token];
        if (!(logprob > -INFINITY))
            continue;
        struct lm_prediction prediction = {token, logprobs[token]};
        bool listed = top->count > 0 && !better(top->best[top->count - 1], prediction);
        if (listed && !want_entropy)
            continue;
        double probability = exp(logprob);
        other += listed ? 0 : probability;
        entropy -= probability * logprob;
    }
    top->other_mass = other;
    top->entropy = want_entropy ? entropy : (double)NAN;
}

void lm_top_of(const float *logprobs, uint32_t size, size_t k, bool want_entropy,
               struct lm_top *top)
{
    lm_select(logprobs, size, k, top);
    sum_rest(logprobs, size, want_entropy, top);
}

/* ---- fallbacks ---- */

/* New row [vocab_size] with the distribution in a state. */
static enum err distribution_row(const struct lm *lm, const void *state, float **row)
{
    *row = memory_new_aligned(lm->vocab_size, sizeof **row);
    if (!*row)
        return ERR_NO_MEMORY;
    enum err code = lm->ops->distribution(lm, 1, &state, row);
    if (code) {
        free(*row);
        *row = NULL;
    }
    return code;
}

enum err lm_logprob(const struct lm *lm, const void *state, uint32_t token,
                    float *logprob)
{
    float *row;
    if (lm->ops->logprob) {
        *logprob = lm->ops->logprob(lm, state, token);
        return ERR_OK;
    }
    *logprob = -INFINITY;
    enum err code = distribution_row(lm, state, &row);
    if (code)
        return code;
    *logprob = row[token];
    free(row);
    return ERR_OK;
}

enum err lm_top(const struct lm *lm, const void *state, size_t k, bool want_entropy,
                struct lm_top *top)
{
    float *row;
    if (lm->ops->top)
        return lm->ops->top(lm, state, k, want_entropy, top);
    enum err code = distribution_row(lm, state, &row);
    if (code)
        return code;
    lm_top_of(row, lm->vocab_size, k, want_entropy, top);
    free(row);
    return ERR_OK;
}

/* ---- scoring in steps ---- */

/* Segments that go through the model side by side. Those that are still running stand
 * at the front of `running`. */
struct side_by_side {
    const struct lm *lm;
    size_t width; /* how many at once */
    void *state_block;
    void **states;               /* [width] */
    float *rows_block;           /* [width][vocab_size] */
    float **rows;                /* [width] */
    uint32_t *tokens;            /* [width] */
    struct lm_segment **running; /* [width] */
};

static void side_by_side_fini(struct side_by_side *side)
{
    free(side->state_block);
    free(side->states);
    free(side->rows_block);
    free(side->rows);
    free(side->tokens);
    free(side->running);
}

static enum err side_by_side_init(struct side_by_side *side, const struct lm *lm,
                                  size_t width)
{
    size_t cells;
    *side = (struct side_by_side){.lm = lm, .width = width};
    if (!memory_multiply(width, lm->vocab_size, &cells))
        return ERR_NO_MEMORY;
    side->state_block = lm_new_states(lm, width);
    side->states = memory_new_array(width, sizeof *side->states);
    side->rows_block = memory_new_aligned(cells, sizeof *side->rows_block);
    side->rows = memory_new_array(width, sizeof *side->rows);
    side->tokens = memory_new_array(width, sizeof *side->tokens);
    side->running = memory_new_array(width, sizeof *side->running);
    if (!side->state_block || !side->states || !side->rows_block || !side->rows ||
        !side->tokens || !side->running)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < width; i++) {
        side->states[i] = lm_state_at(lm, side->state_block, i);
        side->rows[i] = side->rows_block + i * lm->vocab_size;
    }
    return ERR_OK;
}

/* Scores token number `step` of each running segment; moves to the next. */
static enum err score_step(struct side_by_side *side, size_t count, size_t step)
{
    const struct lm *lm = side->lm;
    enum err code =
        lm->ops->distribution(lm, count, (const void *const *)side->states, side->rows);
    for (size_t i = 0; i < count && !code; i++) {
        struct lm_segment *segment = side->running[i];
        side->tokens[i] = segment->tokens[step];
        segment->logprobs[step] = side->rows[i][segment->tokens[step]];
        if (segment->orders)
            segment->orders[step] = 0;
    }
    return code ? code : lm->ops->advance(lm, count, side->states, side->tokens);
}

/* Takes out the segments that end before token `step`; returns how many go on. */
static size_t drop_finished(struct side_by_side *side, size_t count, size_t step)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (side->running[i]->count <= step)
            continue;
        void *state = side->states[kept];
        side->states[kept] = side->states[i];
        side->states[i] = state;
        side->running[kept++] = side->running[i];
    }
    return kept;
}

static enum err score_side_by_side(struct side_by_side *side, struct lm_segment *segments,
                                   size_t count)
{
    enum err code = ERR_OK;
    for (size_t i = 0; i < count; i++) {
        side->running[i] = &segments[i];
        side->lm->ops->start(side->lm, segments[i].bos, side->states[i]);
    }
    count = drop_finished(side, count, 0);
    for (size_t step = 0; count > 0 && !code; step++) {
        code = score_step(side, count, step);
        count = drop_finished(side, count, step + 1);
    }
    return code;
}

enum err lm_score_by_steps(const struct lm *lm, struct lm_segment *segments, size_t count)
{
    struct side_by_side side;
    if (count == 0)
        return ERR_OK;
    size_t width = lm->batch < count ? lm->batch : count;
    enum err code = side_by_side_init(&side, lm, width);
    for (size_t done = 0; done < count && !code; done += width)
        code = score_side_by_side(&side, segments + done,
                                  count - done < width ? count - done : width);
    side_by_side_fini(&side);
    return code;
}

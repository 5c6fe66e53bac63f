/* SPDX-License-Identifier: MIT */
/* Drawing from a distribution of logarithms.
 *
 * Weights are taken relative to the likeliest token, so that a low temperature cannot
 * underflow everything. Without filters one pass sums the weights and one walks to the
 * drawn place. With top_p the likeliest are selected in growing helpings until they
 * reach the mass, since usually few do; the whole vocabulary is never sorted unless the
 * distribution is flat. Equal probabilities are ordered by id: a seed means one text. */
#include "model/lm/sampling.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

#define FIRST_HELPING 256u

static bool likeliest(const float *logprobs, uint32_t size, uint32_t *token)
{
    float best = -INFINITY;
    *token = 0;
    for (uint32_t i = 0; i < size; i++)
        if (logprobs[i] > best) {
            best = logprobs[i];
            *token = i;
        }
    return best > -INFINITY;
}

void sampling_temper(float *logprobs, uint32_t size, double temperature)
{
    uint32_t first;
    double sum = 0;
    if (!likeliest(logprobs, size, &first) || temperature == 1)
        return;
    double largest = (double)logprobs[first];
    for (uint32_t i = 0; i < size; i++) {
        double distance = (double)logprobs[i] - largest;
        double scaled = temperature > 0 ? distance / temperature
                        : i == first    ? 0
                                        : -INFINITY;
        sum += exp(scaled);
        logprobs[i] = (float)scaled;
    }
    double log_of_sum = log(sum);
    for (uint32_t i = 0; i < size; i++)
        logprobs[i] = (float)((double)logprobs[i] - log_of_sum);
}

void sampling_room_fini(struct sampling_room *room)
{
    free(room->weights);
    free(room->best);
    *room = (struct sampling_room){0};
}

static float inverse_of(double temperature)
{
    return temperature > 1e-30 ? (float)(1 / temperature) : 1e30f;
}

static float weight(float logprob, float largest, float inverse_temperature)
{
    return expf((logprob - largest) * inverse_temperature);
}

/* The place where the running sum of weights[count] passes `target`; the last one with a
 * weight when rounding leaves it behind. */
static size_t walk(const float *weights, size_t count, double target)
{
    double sum = 0;
    size_t last = 0;
    for (size_t i = 0; i < count; i++) {
        if (!(weights[i] > 0))
            continue;
        last = i;
        sum += (double)weights[i];
        if (sum > target)
            break;
    }
    return last;
}

/* Fills room->weights of the whole vocabulary and returns their sum. */
static double weigh_all(const float *logprobs, uint32_t size, float largest,
                        double temperature, struct sampling_room *room)
{
    double sum = 0;
    float inverse = inverse_of(temperature);
    for (uint32_t i = 0; i < size; i++) {
        room->weights[i] = weight(logprobs[i], largest, inverse);
        sum += (double)room->weights[i];
    }
    return sum;
}

/* Selects the `want` likeliest into room->best; their weights go to room->weights. */
static enum err select_likeliest(const float *logprobs, uint32_t size, size_t want,
                                 double temperature, struct sampling_room *room,
                                 size_t *count, double *sum)
{
    struct lm_top top = {0};
    enum err code = memory_grow(&room->best, &room->capacity, want, sizeof *room->best);
    if (code)
        return code;
    top.best = room->best;
    lm_select(logprobs, size, want, &top);
    *count = top.count;
    *sum = 0;
    for (size_t i = 0; i < top.count; i++) {
        room->weights[i] =
            weight(top.best[i].logprob, top.best[0].logprob, inverse_of(temperature));
        *sum += (double)room->weights[i];
    }
    return ERR_OK;
}

/* How many of the falling weights[count] it takes to reach `mass`, at least one; 0 when
 * they do not reach it. */
static size_t nucleus(const float *weights, size_t count, double mass)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += (double)weights[i];
        if (sum >= mass)
            return i + 1;
    }
    return 0;
}

/* Draws with top_k or top_p; `total` is the weight of the whole vocabulary. */
static enum err draw_filtered(const struct sampling *sampling, const float *logprobs,
                              uint32_t size, double total, double uniform,
                              struct sampling_room *room, uint32_t *token)
{
    bool limited = sampling->top_k > 0 && sampling->top_k < size;
    size_t want = limited ? sampling->top_k : FIRST_HELPING, count, kept;
    double sum;
    for (;; want *= 8) {
        want = want < size ? want : size;
        enum err code = select_likeliest(logprobs, size, want, sampling->temperature,
                                         room, &count, &sum);
        if (code)
            return code;
        double mass = sampling->top_p * (limited ? sum : total);
        kept = sampling->top_p < 1 ? nucleus(room->weights, count, mass) : count;
        if (kept == 0 && (limited || count < want || want == size))
            kept = count; /* only rounding kept them from the mass */
        if (kept > 0)
            break;
    }
    for (size_t i = kept; i < count; i++)
        sum -= (double)room->weights[i];
    *token = room->best[walk(room->weights, kept, uniform * sum)].token;
    return ERR_OK;
}

enum err sampling_draw(const struct sampling *sampling, const float *logprobs,
                       uint32_t size, struct random *random, struct sampling_room *room,
                       uint32_t *token, bool *found)
{
    *found = likeliest(logprobs, size, token);
    if (!*found || sampling->temperature == 0)
        return ERR_OK;
    if (room->size < size) {
        free(room->weights);
        room->weights = memory_new_array(size, sizeof *room->weights);
        room->size = room->weights ? size : 0;
        if (!room->weights)
            return ERR_NO_MEMORY;
    }
    bool limited = sampling->top_k > 0 && sampling->top_k < size;
    double uniform = random_uniform(random), total = 0;
    if (!limited)
        total = weigh_all(logprobs, size, logprobs[*token], sampling->temperature, room);
    if (limited || sampling->top_p < 1)
        return draw_filtered(sampling, logprobs, size, total, uniform, room, token);
    *token = (uint32_t)walk(room->weights, size, uniform * total);
    return ERR_OK;
}

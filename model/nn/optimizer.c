/* SPDX-License-Identifier: MIT */
/* The update rules. Each is one pass over the range: read the gradient, update the
 * moments that belong to it, move the value. Weight decay shrinks values directly, by
 * rate · decay a step, so that it means the same under every method. */
#include "model/nn/optimizer.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/simd.h"

#if !defined(__clang__)
#pragma GCC optimize("O3")
#endif

static const float EPSILON = 1e-8f;

enum err optimizer_init(struct optimizer *optimizer, enum optimizer_method method,
                        size_t count, double weight_decay)
{
    *optimizer = (struct optimizer){.method = method,
                                    .count = count,
                                    .momentum = 0.9,
                                    .decay = method == OPTIMIZER_ADAM ? 0.999 : 0.99,
                                    .weight_decay = weight_decay};
    if (method != OPTIMIZER_SGD)
        optimizer->first = memory_new_aligned(count, sizeof(float));
    if (method == OPTIMIZER_ADAM)
        optimizer->second = memory_new_aligned(count, sizeof(float));
    if ((method != OPTIMIZER_SGD && !optimizer->first) ||
        (method == OPTIMIZER_ADAM && !optimizer->second)) {
        optimizer_fini(optimizer);
        return ERR_NO_MEMORY;
    }
    return ERR_OK;
}

void optimizer_fini(struct optimizer *optimizer)
{
    free(optimizer->first);
    free(optimizer->second);
    *optimizer = (struct optimizer){0};
}

void optimizer_begin(struct optimizer *optimizer)
{
    optimizer->step++;
}

/* What every rule needs, as floats. */
struct rule {
    float rate, scale, shrink, momentum, decay, correct_first, correct_second;
};

SIMD_CLONES static void update_sgd(size_t count, const struct rule *rule, float *value,
                                   const float *gradient)
{
    float rate = rule->rate * rule->scale, shrink = rule->shrink;
    for (size_t i = 0; i < count; i++)
        value[i] = shrink * value[i] - rate * gradient[i];
}

SIMD_CLONES static void update_momentum(size_t count, const struct rule *rule,
                                        float *value, const float *gradient, float *first)
{
    for (size_t i = 0; i < count; i++) {
        first[i] = rule->momentum * first[i] + rule->scale * gradient[i];
        value[i] = rule->shrink * value[i] - rule->rate * first[i];
    }
}

SIMD_CLONES static void update_nesterov(size_t count, const struct rule *rule,
                                        float *value, const float *gradient, float *first)
{
    for (size_t i = 0; i < count; i++) {
        float g = rule->scale * gradient[i];
        first[i] = rule->momentum * first[i] + g;
        value[i] = rule->shrink * value[i] - rule->rate * (g + rule->momentum * first[i]);
    }
}

SIMD_CLONES static void update_adagrad(size_t count, const struct rule *rule,
                                       float *value, const float *gradient, float *first)
{
    for (size_t i = 0; i < count; i++) {
        float g = rule->scale * gradient[i];
        first[i] += g * g;
        value[i] = rule->shrink * value[i] - rule->rate * g / (sqrtf(first[i]) + EPSILON);
    }
}

SIMD_CLONES static void update_rmsprop(size_t count, const struct rule *rule,
                                       float *value, const float *gradient, float *first)
{
    for (size_t i = 0; i < count; i++) {
        float g = rule->scale * gradient[i];
        first[i] = rule->decay * first[i] + (1 - rule->decay) * g * g;
        value[i] = rule->shrink * value[i] - rule->rate * g / (sqrtf(first[i]) + EPSILON);
    }
}

SIMD_CLONES static void update_adam(size_t count, const struct rule *rule, float *value,
                                    const float *gradient, float *first, float *second)
{
    for (size_t i = 0; i < count; i++) {
        float g = rule->scale * gradient[i];
        first[i] = rule->momentum * first[i] + (1 - rule->momentum) * g;
        second[i] = rule->decay * second[i] + (1 - rule->decay) * g * g;
        float size = sqrtf(second[i] * rule->correct_second) + EPSILON;
        value[i] =
            rule->shrink * value[i] - rule->rate * rule->correct_first * first[i] / size;
    }
}

static struct rule rule_of(const struct optimizer *optimizer, double scale, double rate)
{
    double step = (double)(optimizer->step ? optimizer->step : 1);
    return (struct rule){
        .rate = (float)rate,
        .scale = (float)scale,
        .shrink = (float)(1 - rate * optimizer->weight_decay),
        .momentum = (float)optimizer->momentum,
        .decay = (float)optimizer->decay,
        .correct_first = (float)(1 / (1 - pow(optimizer->momentum, step))),
        .correct_second = (float)(1 / (1 - pow(optimizer->decay, step))),
    };
}

void optimizer_update(struct optimizer *optimizer, float *values, size_t first,
                      size_t count, const float *gradient, double scale, double rate)
{
    struct rule rule = rule_of(optimizer, scale, rate);
    float *value = values + first;
    float *moment = optimizer->first ? optimizer->first + first : NULL;
    switch (optimizer->method) {
    case OPTIMIZER_MOMENTUM:
        update_momentum(count, &rule, value, gradient, moment);
        break;
    case OPTIMIZER_NESTEROV:
        update_nesterov(count, &rule, value, gradient, moment);
        break;
    case OPTIMIZER_ADAGRAD:
        update_adagrad(count, &rule, value, gradient, moment);
        break;
    case OPTIMIZER_RMSPROP:
        update_rmsprop(count, &rule, value, gradient, moment);
        break;
    case OPTIMIZER_ADAM:
        update_adam(count, &rule, value, gradient, moment, optimizer->second + first);
        break;
    default:
        update_sgd(count, &rule, value, gradient);
    }
}

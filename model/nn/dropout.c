/* SPDX-License-Identifier: MIT */
/* Drawing and applying dropout masks. One random number of 64 bits decides four elements,
 * by 16 bits each: a probability is met within 1/65536. */
#include "model/nn/dropout.h"

#include <math.h>

#include "model/nn/pointwise.h"

void dropout_draw(struct random *random, double p, size_t count, float *mask)
{
    uint64_t threshold = (uint64_t)llround(p * 65536), bits = 0;
    float kept = (float)(1 / (1 - p));
    for (size_t i = 0; i < count; i++) {
        if (i % 4 == 0)
            bits = random_next(random);
        mask[i] = (bits & 0xffff) < threshold ? 0 : kept;
        bits >>= 16;
    }
}

void dropout_apply(size_t steps, size_t count, const float *mask, const float *x,
                   float *y)
{
    for (size_t t = 0; t < steps; t++)
        pointwise_multiply(count, x + t * count, mask, y + t * count);
}

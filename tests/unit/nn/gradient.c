/* SPDX-License-Identifier: MIT */
/* Central differences in float32: the step is large (about 1e-2) because a loss of size 1
 * carries 7 digits; the error of an honest gradient then stays below 1e-2. */
#include "tests/unit/nn/gradient.h"

#include <math.h>

enum { MOVED_MAX = 60 };

void gradient_fill(struct random *random, size_t count, float scale, float *values)
{
    for (size_t i = 0; i < count; i++)
        values[i] = scale * (float)random_normal(random);
}

double gradient_error(double (*loss)(void *context), void *context, float *values,
                      const float *gradient, size_t count, float step)
{
    double difference = 0, analytic = 0, numeric = 0;
    size_t stride = count > MOVED_MAX ? count / MOVED_MAX : 1;
    for (size_t i = 0; i < count; i += stride) {
        float kept = values[i];
        values[i] = kept + step;
        double above = loss(context);
        values[i] = kept - step;
        double below = loss(context);
        values[i] = kept;
        double slope = (above - below) / (2 * (double)step);
        difference += (slope - (double)gradient[i]) * (slope - (double)gradient[i]);
        analytic += (double)gradient[i] * (double)gradient[i];
        numeric += slope * slope;
    }
    double size = sqrt(analytic) + sqrt(numeric);
    return size > 0 ? sqrt(difference) / size : 0;
}

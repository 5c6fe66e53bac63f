/* SPDX-License-Identifier: MIT */
/* Decay schedules as functions of the fraction of training done, so that they mean the
 * same whether a budget is in epochs, tokens or seconds. */
#include "model/nn/schedule.h"

#include <math.h>

static const double PLATEAU_FACTOR = 0.25;

void schedule_init(struct schedule *schedule, enum schedule_shape shape, double rate,
                   double warmup)
{
    *schedule =
        (struct schedule){.shape = shape, .rate = rate, .warmup = warmup, .factor = 1};
}

static double decay(const struct schedule *schedule, double fraction)
{
    switch (schedule->shape) {
    case SCHEDULE_LINEAR:
        return 1 - fraction;
    case SCHEDULE_COSINE:
        return 0.5 * (1 + cos(acos(-1) * fraction));
    case SCHEDULE_INVERSE:
        return 1 / (1 + 9 * fraction);
    default:
        return schedule->factor;
    }
}

double schedule_rate(const struct schedule *schedule, double fraction)
{
    fraction = fraction < 0 ? 0 : fraction > 1 ? 1 : fraction;
    double rising = schedule->warmup > 0 ? fraction / schedule->warmup : 1;
    return schedule->rate * decay(schedule, fraction) * (rising < 1 ? rising : 1);
}

bool schedule_validated(struct schedule *schedule, double loss)
{
    if (!schedule->has_best || loss < schedule->best) {
        schedule->best = loss;
        schedule->has_best = true;
        return true;
    }
    if (schedule->shape == SCHEDULE_PLATEAU)
        schedule->factor *= PLATEAU_FACTOR;
    return false;
}

/* SPDX-License-Identifier: MIT */
/* The learning rate over time. Plain data: a checkpoint saves it as it is. */
#ifndef FIRTH_MODEL_NN_SCHEDULE_H
#define FIRTH_MODEL_NN_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

/* The order of SCHEDULE_NAMES. */
enum schedule_shape {
    SCHEDULE_CONSTANT,
    SCHEDULE_PLATEAU, /* quartered when the validation loss stops falling */
    SCHEDULE_LINEAR,  /* to zero at the end of training */
    SCHEDULE_COSINE,  /* half a cosine to zero at the end of training */
    SCHEDULE_INVERSE, /* 1/t: rate / (1 + 9 · fraction) */
    SCHEDULE_COUNT
};
#define SCHEDULE_NAMES "constant|plateau|linear|cosine|inverse"

struct schedule {
    enum schedule_shape shape;
    double rate;       /* the initial learning rate */
    double warmup;     /* fraction of training in which the rate rises from zero */
    double factor;     /* what plateaux have made of it, from 1 */
    double best;       /* best validation loss seen */
    uint32_t has_best; /* 0: none yet. No bool, since checkpoints hold it */
};

void schedule_init(struct schedule *schedule, enum schedule_shape shape, double rate,
                   double warmup);

/* The rate when `fraction` (0 … 1) of training is done. */
double schedule_rate(const struct schedule *schedule, double fraction);

/* Tells of a validation loss; true when it is the best so far. */
bool schedule_validated(struct schedule *schedule, double loss);

#endif

/* SPDX-License-Identifier: MIT */
/* Fitting a neural language model to a corpus: mini-batches, clipping, schedule,
 * averaging, validation with early stopping, checkpoints. */
#ifndef FIRTH_MODEL_NEURAL_FIT_H
#define FIRTH_MODEL_NEURAL_FIT_H

#include "model/neural/id_stream.h"
#include "model/neural/network.h"
#include "model/nn/schedule.h"
#include "model/train.h"

/* The order of FIT_AVERAGING_NAMES. */
enum fit_averaging {
    AVERAGING_NONE,
    AVERAGING_POLYAK,   /* of the second half of the steps */
    AVERAGING_EMA,      /* exponentially fading */
    AVERAGING_TRIGGERED /* from when validation stops improving (Merity et al. 2018) */
};
#define FIT_AVERAGING_NAMES "none|polyak|ema|triggered"

/* Where training stands, apart from the arrays: plain data, part of a checkpoint. */
struct fit_state {
    uint64_t step, tokens, averaged;
    uint64_t validated; /* the step of the last validation */
    uint64_t best_step;
    double best;                   /* validation loss, nats a token */
    double seconds;                /* spent before this run */
    double sum_loss;               /* of batches since the last point of the curve */
    uint32_t since_best, has_best; /* validations since the best */
    uint32_t triggered;            /* averaging has begun */
    uint32_t summed;               /* how many batches sum_loss is of */
    struct schedule schedule;
    struct random random; /* of the batches */
};

struct fit {
    const struct train_spec *spec;
    const struct train_input *input;
    const struct progress *progress;
    struct tokenizer *tokenizer;
    struct vocab *vocab;
    struct shape shape;
    struct network *network;
    struct id_stream stream;
    size_t rows, steps;                       /* of a batch, as the corpus allows */
    uint64_t steps_per_epoch, validate_every; /* in steps */
    enum fit_averaging averaging;
    double epochs, clip_norm; /* epochs: 0 when not limited */
    float *best;              /* [total] the parameters of the best validation */
    uint32_t *inputs, *targets;
    bool *fresh;
    float *zero_state;
    uint64_t config; /* of all that a resumed training must share */
    double started;
    struct fit_state state;
};

/* Whether the parameters suit each other and the presence of a validation part. */
MUST_CHECK enum err fit_check(const struct train_spec *spec, bool validated,
                              struct err_info *info);

/* Trains. The result is fit_values. ERR_CANCELLED, with a checkpoint handed over, when
 * told to stop; ERR_DIVERGED when the loss is no longer a useful number. */
MUST_CHECK enum err fit_init(struct fit *fit, const struct train_spec *spec,
                             const struct train_input *input,
                             const struct progress *progress, struct err_info *info);
MUST_CHECK enum err fit_run(struct fit *fit, struct err_info *info);
void fit_fini(struct fit *fit);

/* The parameters to keep: the best validated, else the averaged, else the last. */
const float *fit_values(const struct fit *fit);

/* What the parameters mean by "as suits": the learning rate that is 0, and the dropout
 * `name` that is negative. */
double fit_learning_rate(const struct params *params);
double fit_dropout(const struct params *params, const char *name);

/* The batches of a corpus of `count` tokens, at least one; one smaller than a batch gets
 * smaller batches. */
struct fit_batches {
    size_t rows, steps;
    uint64_t per_epoch;
};
struct fit_batches fit_batches_of(const struct params *params, size_t count);

/* Epochs a kind trains for when no budget is given. */
double fit_default_epochs(const struct shape *shape, double tokens, double tokens_a_step);

/* checkpoint.c: the whole state as bytes, and back. Resuming with the same threads and
 * OpenBLAS kernels gives the same bits as never having stopped. */
MUST_CHECK enum err checkpoint_hand_over(struct fit *fit);
MUST_CHECK enum err checkpoint_read(struct fit *fit, struct span bytes,
                                    struct err_info *info);

#endif

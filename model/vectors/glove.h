/* SPDX-License-Identifier: MIT */
/* GloVe (Pennington, Socher and Manning 2014): vectors r_i and r̃_j with biases so that
 * r_i·r̃_j + b_i + b̃_j ≈ log x_ij, minimising
 *     J = ½ Σ f(x_ij) (r_i·r̃_j + b_i + b̃_j − log x_ij)²,
 *     f(x) = min(1, (x/x_max)^alpha),
 * over the non-zero x_ij by AdaGrad. */
#ifndef FIRTH_MODEL_VECTORS_GLOVE_H
#define FIRTH_MODEL_VECTORS_GLOVE_H

#include "base/progress.h"
#include "base/span.h"
#include "model/vectors/cooccurrence.h"

struct glove_settings {
    uint32_t dim;
    double x_max, alpha, rate;
    double iterations, seconds; /* seconds 0: not limited */
    uint64_t tokens;            /* of the text, for reports */
    uint64_t seed;
    unsigned threads;
    uint64_t memory_bytes; /* for the pairs, 16 bytes each; more go to temporary space. */
                           /* 0: 1 GiB */
    const char *scratch_directory;
};

enum glove_output { GLOVE_SUM, GLOVE_WORD, GLOVE_CONTEXT, GLOVE_BOTH };

struct glove;

/* New trainer with fresh parameters; the counts are copied. */
MUST_CHECK enum err glove_new(const struct glove_settings *settings,
                              const struct cooccurrence *counts, struct glove **out);
void glove_free(struct glove *glove);

/* Goes on from a checkpoint of the same settings and counts. */
MUST_CHECK enum err glove_restore(struct glove *glove, struct span bytes,
                                  struct err_info *info);

/* Trains to the end of the budget; "train_loss" is J / entries over each iteration.
 * ERR_CANCELLED when told to stop (a checkpoint was handed over), ERR_DIVERGED. */
MUST_CHECK enum err glove_run(struct glove *glove, const struct progress *progress);

/* Of the last whole iteration. */
double glove_loss(const struct glove *glove);
double glove_iterations(const struct glove *glove);

/* New matrix [words][vectors_stride(*dim)], 64-byte aligned; *dim is twice the trained
 * one for GLOVE_BOTH. */
MUST_CHECK enum err glove_vectors(const struct glove *glove, enum glove_output output,
                                  uint32_t *dim, float **matrix);

#endif

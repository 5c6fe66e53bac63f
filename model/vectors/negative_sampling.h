/* SPDX-License-Identifier: MIT */
/* Skip-gram and CBOW with negative sampling (Mikolov et al. 2013) on a sequence of token
 * ids. The negatives are shared by the words of one window, so that its updates become
 * small matrix products (Ji et al. 2016). */
#ifndef FIRTH_MODEL_VECTORS_NEGATIVE_SAMPLING_H
#define FIRTH_MODEL_VECTORS_NEGATIVE_SAMPLING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/progress.h"
#include "base/span.h"
#include "model/vectors/id_corpus.h"
#include "model/vectors/subwords.h"

#define NEGATIVE_WINDOW_MAX 64u
#define NEGATIVE_COUNT_MAX 64u

struct negative_settings {
    bool cbow;
    uint32_t dim, window, negatives;
    bool harmonic; /* the window reaches d words with the probability 1/d; else evenly */
    double subsample, rate;
    double context_share;   /* of a word's output row added to its vector in the end */
    double power;           /* negatives are drawn with count^power */
    double epochs, seconds; /* seconds 0: not limited */
    uint64_t seed;
    unsigned threads;
};

struct negative_trainer;

/* New trainer with fresh parameters; `subwords` are the indexed character n-grams of
 * the corpus's words, or NULL. Everything is kept by reference. */
MUST_CHECK enum err negative_sampling_new(const struct negative_settings *settings,
                                          const struct id_corpus *corpus,
                                          const struct subwords *subwords,
                                          struct negative_trainer **out);
void negative_sampling_free(struct negative_trainer *trainer);

/* Goes on from the bytes of a checkpoint of the same settings and corpus. */
MUST_CHECK enum err negative_sampling_restore(struct negative_trainer *trainer,
                                              struct span bytes, struct err_info *info);

/* Trains to the end of the budget, reporting the curve "train_loss". ERR_CANCELLED when
 * told to stop (a checkpoint was handed over), ERR_DIVERGED. */
MUST_CHECK enum err negative_sampling_run(struct negative_trainer *trainer,
                                          const struct progress *progress);

/* Mean loss per positive pair on the fixed subset of the corpus. */
double negative_sampling_loss(const struct negative_trainer *trainer);
uint64_t negative_sampling_tokens(const struct negative_trainer *trainer);

/* Ends training and gives the result: rows 0 … words-1 of a matrix [words + buckets]
 * [stride] are the words' vectors (their input row plus context_share of their output
 * row; with subwords instead the mean of a word's row and its n-grams'), the others the
 * n-grams' rows. Borrowed. */
float *negative_sampling_finish(struct negative_trainer *trainer, size_t *stride);

#endif

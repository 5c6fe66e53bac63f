/* SPDX-License-Identifier: MIT */
/* Small sets of vectors for this folder's tests. */
#ifndef FIRTH_TESTS_VECTORS_FIXTURE_H
#define FIRTH_TESTS_VECTORS_FIXTURE_H

#include "base/stream.h"
#include "model/model.h"
#include "model/text/vocab.h"
#include "model/vectors/vectors.h"

struct fixture {
    struct vocab *vocab; /* "w0", "w1", … */
    struct vectors *vectors;
};

/* Random normal vectors; rows of length 1 with `unit`. */
void fixture_init(struct fixture *fixture, uint32_t count, uint32_t dim, bool unit,
                  uint64_t seed);
void fixture_fini(struct fixture *fixture);

/* New 64-byte aligned vector of the set's stride, random normal. */
float *fixture_vector(const struct fixture *fixture, uint64_t seed);

/* A text of `sentences` lines over groups of words that occur together: a<i>, b<i> and
 * c<i> for group i of 20. New, NUL-terminated. */
char *fixture_text(size_t sentences, uint64_t seed);

/* Trains the kind on the text with the given "key value" parameters, NULL-terminated
 * pairs; the model file lands in *bytes (fini it). */
enum err fixture_train(const char *kind, const char *text, unsigned threads,
                       const char *const *params, double epochs, struct buffer *bytes,
                       struct train_result *result);
/* Loads what fixture_train made; fails the test when it cannot. */
struct model *fixture_load(const struct buffer *bytes);

/* Over all words of fixture_text, how many of their two nearest neighbours are of their
 * own group; 120 when all are. */
size_t fixture_right_neighbours(const struct vectors *vectors);

#endif

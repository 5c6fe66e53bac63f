/* SPDX-License-Identifier: MIT */
/* Shared by negative_sampling.c (budget, rounds, checkpoints) and negative_worker.c (what
 * a thread does with a chunk); nobody else's business. */
#ifndef FIRTH_MODEL_VECTORS_NEGATIVE_INT_H
#define FIRTH_MODEL_VECTORS_NEGATIVE_INT_H

#include <stdatomic.h>

#include "model/vectors/kernels.h"
#include "model/vectors/negative_sampling.h"
#include "model/vectors/sampling.h"

#define NEGATIVE_SENTENCE_MAX 1000u /* words; longer sentences are cut */

/* What a checkpoint starts with; the two matrices follow. 64 bytes. */
struct negative_head {
    char magic[8];
    uint64_t next_chunk; /* counted over all epochs */
    uint64_t tokens;
    uint64_t words, buckets, stride, seed;
    uint64_t corpus; /* a hash of what it was trained on */
};

struct negative_trainer {
    const struct negative_settings *settings;
    const struct id_corpus *corpus;
    const struct subwords *subwords; /* or NULL */
    const struct kernels *kernels;
    void *block; /* head, input, output: one allocation, handed out as a checkpoint */
    size_t block_size;
    float *input;  /* [words + buckets][stride] */
    float *output; /* [words][stride] */
    size_t stride;
    uint32_t *keep; /* [words] */
    struct alias_table noise;
    uint64_t chunks_total;
    atomic_uint_fast64_t next_chunk;
    double started, before; /* clock at start; seconds used before a checkpoint */
    double round_ends;
};

/* A thread's own room. */
struct negative_worker {
    struct negative_trainer *trainer;
    struct random random;
    uint32_t words[NEGATIVE_SENTENCE_MAX]; /* the sentence, from 0 */
    float *rows[NEGATIVE_SENTENCE_MAX];    /* each word's input row, or its hidden slot */
    size_t count, entered, left;
    float *hidden;  /* [SENTENCE_MAX][stride] with subwords, else [2][stride] for CBOW */
    float *entries; /* as `hidden`: what it was when the word entered the window */
    float rate;
};

MUST_CHECK enum err negative_worker_new(struct negative_trainer *trainer,
                                        struct negative_worker **out);
void negative_worker_free(struct negative_worker *worker);

/* Trains on one chunk; its randomness depends on the seed and the chunk alone. */
void negative_worker_chunk(struct negative_worker *worker, uint64_t chunk, float rate);

/* to[stride] = the vector of a word (from 0): its row, or the mean with its n-grams. */
void negative_worker_vector(const struct negative_trainer *trainer, uint32_t word,
                            float *to);

#endif

/* SPDX-License-Identifier: MIT */
/* Walking over a corpus as batches of whole segments, on several threads. */
#ifndef FIRTH_MODEL_LM_SCAN_H
#define FIRTH_MODEL_LM_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/progress.h"
#include "base/span.h"
#include "model/lm/lm.h"

struct tokenizer;
struct vocab;

/* Some whole segments of one thread's part of the corpus, each beginning at <s> and
 * ending with VOCAB_EOS. The log-probabilities are for the visitor to fill. */
struct scan_batch {
    unsigned thread;
    struct lm_segment *segments; /* [segment_count]; they follow each other in ids */
    size_t segment_count;
    const uint32_t *ids; /* [token_count] */
    float *logprobs;     /* [token_count]; segments[0].logprobs */
    size_t token_count;
};

struct scan {
    const struct tokenizer *tokenizer;
    const struct vocab *vocab;
    struct span text;
    unsigned threads;                /* at least 1 */
    const struct progress *progress; /* reported to from the caller's thread only */
    const char *phase;
    bool slow; /* visiting a token takes longer than microseconds: small batches */
    /* Called on the threads, in the corpus' order within each. */
    enum err (*visit)(void *context, const struct scan_batch *batch);
    void *context;
};

/* ERR_CANCELLED when progress says stop, or the first code of `visit` that is not OK. */
MUST_CHECK enum err scan_run(const struct scan *scan);

#endif

/* SPDX-License-Identifier: MIT */
/* The likeliest next tokens after a context, and the probability of given words. */
#ifndef FIRTH_MODEL_LM_INFER_NEXT_H
#define FIRTH_MODEL_LM_INFER_NEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "model/lm/target.h"

struct next_request {
    struct span context;      /* the segment so far; it begins after <s> */
    size_t k;                 /* how many predictions; cut to the vocabulary's size */
    const struct span *words; /* [word_count], whose probability is asked for */
    size_t word_count;
    double temperature; /* 1: the model's own; 0: all mass on the best token */
};

struct next_prediction {
    uint32_t token;
    double probability, logprob;
};

struct next_word {
    struct span word; /* as asked, borrowed from the request */
    size_t tokens;    /* how many it has; their probabilities are multiplied */
    uint32_t token;   /* the first one's id */
    bool oov;         /* a part is not in the vocabulary and stands for <unk> */
    double probability, logprob;
};

struct next_answer {
    struct next_prediction *predictions; /* [count], falling; equal ones by id */
    size_t count;
    double other_mass;                   /* predictions and this sum to 1 */
    double entropy_bits;                 /* of the whole distribution */
    size_t context_tokens, context_used; /* tokens given; how many the model can see */
    struct next_word *words;             /* [word_count] */
    size_t word_count;
    struct span
        *oov; /* [oov_count] words of the context not in the vocabulary, once each */
    size_t oov_count;
    char *oov_text; /* the bytes behind oov */
};

/* Temperature must be finite and ≥ 0, k ≥ 0 (ERR_INVALID with a pointer). */
MUST_CHECK enum err infer_next(const struct target *target,
                               const struct next_request *request,
                               struct next_answer *answer, struct err_info *info);
void next_answer_fini(struct next_answer *answer);

#endif

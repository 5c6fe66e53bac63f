/* SPDX-License-Identifier: MIT */
/* Choosing among candidates by Bayes' rule, p(text | signal) ∝ p(text) p(signal | text):
 * score = lm_weight · log p(text) + channel_logprob + word_bonus · words. */
#ifndef FIRTH_MODEL_LM_INFER_RESCORE_H
#define FIRTH_MODEL_LM_INFER_RESCORE_H

#include <stddef.h>

#include "base/err.h"
#include "base/span.h"
#include "model/lm/target.h"

struct rescore_input {
    struct span text;
    double channel_logprob; /* natural; may be -INFINITY, never NAN or +INFINITY */
};

struct rescore_candidate {
    double lm_logprob, channel_logprob, score;
    double posterior; /* sums to 1 over the candidates; NAN when all are impossible */
    size_t words;     /* tokens without </s> */
    size_t rank;      /* from 1; equal scores in the given order */
};

struct rescore_answer {
    struct rescore_candidate *candidates; /* [count], in the given order */
    size_t count;
    double log_evidence; /* log Σ exp(score); -INFINITY when all are impossible */
    size_t best;         /* index of rank 1 */
};

/* ERR_INVALID for no candidates or numbers that are not finite. */
MUST_CHECK enum err infer_rescore(const struct target *target,
                                  const struct rescore_input *inputs, size_t count,
                                  double lm_weight, double word_bonus,
                                  struct rescore_answer *answer, struct err_info *info);
void rescore_answer_fini(struct rescore_answer *answer);

#endif

/* SPDX-License-Identifier: MIT */
/* Log-probabilities of whole texts, each one segment; of each alone, or of one text in
 * order. */
#ifndef FIRTH_MODEL_LM_INFER_SCORE_H
#define FIRTH_MODEL_LM_INFER_SCORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "model/lm/target.h"

struct lm_stream_options;

enum score_oov {
    SCORE_OOV_UNK,  /* unknown words are scored as <unk> */
    SCORE_OOV_SKIP, /* they are left out of the sums; the context sees <unk> */
    SCORE_OOV_ERROR /* ERR_UNKNOWN_WORDS names them */
};

struct score_options {
    bool bos;    /* the context starts at <s>; otherwise it is empty */
    bool eos;    /* </s> is scored once an input */
    bool tokens; /* keep what each token got */
    enum score_oov oov;
    /* Memory from one input to the next, which are one text in order then; NULL: each
     * input is scored on its own. Borrowed, checked by lm_stream_check. */
    const struct lm_stream_options *stream;
};

struct score_token {
    uint32_t token;
    float logprob;
    struct span text; /* what stands in the input (case folded if the tokenizer folds);
                         for </s> its name; valid as long as the answer and the model */
    size_t offset;    /* byte offset in the input; its size for </s> */
    bool oov;
    uint8_t order; /* n-gram models: the order that was found; else 0 */
};

/* Sums of one input, or of all. A literal "<unk>" is an ordinary token, not an OOV. */
struct score_sums {
    double logprob, logprob_no_oov;       /* natural; may be -INFINITY */
    size_t tokens_scored, oov_count;      /* with SCORE_OOV_SKIP no OOV is scored */
    size_t tokens_known;                  /* those that are no OOV */
    double perplexity, perplexity_no_oov; /* NAN of nothing; may be INFINITY */
    double bits_per_token;
};

struct score_result {
    struct score_sums sums;
    const struct score_token *tokens; /* [token_count] when asked for, else NULL */
    size_t token_count;
};

struct score_answer {
    struct score_result *results; /* [count], in the inputs' order */
    size_t count;
    struct score_sums total;
    struct score_token *tokens; /* what the results point into */
    char *text;                 /* what the tokens' texts point into */
};

MUST_CHECK enum err infer_score(const struct target *target,
                                const struct score_options *options,
                                const struct span *inputs, size_t count,
                                struct score_answer *answer, struct err_info *info);
void score_answer_fini(struct score_answer *answer);

/* Adding up: a sum starts zeroed; score_sums_add joins two; score_sums_finish fills the
 * derived members. */
void score_sums_add(struct score_sums *sums, const struct score_sums *more);
void score_sums_finish(struct score_sums *sums);

#endif

/* SPDX-License-Identifier: MIT */
/* Perplexity of a corpus, on several threads. */
#ifndef FIRTH_MODEL_LM_EVALUATE_H
#define FIRTH_MODEL_LM_EVALUATE_H

#include <stdint.h>

#include "base/err.h"
#include "base/progress.h"
#include "base/span.h"

struct lm;
struct lm_stream_options;
struct tokenizer;
struct vocab;

struct evaluation {
    double logprob;                 /* of all tokens, natural, </s> included */
    double logprob_no_unk;          /* of those that are not <unk> */
    uint64_t tokens, unk, segments; /* `unk`: tokens that are <unk>, unknown or literal */
    double perplexity, perplexity_no_unk; /* NAN of nothing; may be INFINITY */
};

/* Segments end as the tokenizer's settings say; each starts at <s> and ends with </s>.
 * The text is valid UTF-8. The sums do not depend on the number of threads beyond
 * rounding. ERR_CANCELLED when `progress` says stop. */
MUST_CHECK enum err evaluate_perplexity(const struct lm *lm,
                                        const struct tokenizer *tokenizer,
                                        const struct vocab *vocab, struct span text,
                                        unsigned threads, const struct progress *progress,
                                        struct evaluation *evaluation);

/* As evaluate_perplexity, with the text in order through one stream (lm_stream.h) when
 * `options` want memory; on one thread then. */
MUST_CHECK enum err evaluate_in_order(const struct lm *lm,
                                      const struct tokenizer *tokenizer,
                                      const struct vocab *vocab, struct span text,
                                      const struct lm_stream_options *options,
                                      unsigned threads, const struct progress *progress,
                                      struct evaluation *evaluation);

#endif

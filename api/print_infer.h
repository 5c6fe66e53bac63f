/* SPDX-License-Identifier: MIT */
/* What inference found, as JSON: written once for the HTTP answers and for --json on the
 * command line. Each function prints members into an object that is open already, or, if
 * its comment says so, one whole value. */
#ifndef FIRTH_API_PRINT_INFER_H
#define FIRTH_API_PRINT_INFER_H

#include "api/printer.h"
#include "model/lm/evaluate.h"
#include "model/lm/infer_generate.h"
#include "model/lm/infer_next.h"
#include "model/lm/infer_rescore.h"
#include "model/lm/infer_score.h"
#include "model/text/vocab.h"

/* The base of all logarithms of an answer. */
struct log_base {
    int base;     /* 0: natural; 2 or 10 */
    double scale; /* what a natural logarithm is multiplied by */
};
/* base 0, 2 or 10. */
struct log_base log_base_of(int base);
void print_log_base(struct printer *p, const struct log_base *base);

/* "key": value; for a value that is not finite null, and "key_infinite" or
 * "key_undefined": true. */
void print_finite(struct printer *p, const char *key, double value);
/* The same for a logarithm in the wanted base. */
void print_log(struct printer *p, const char *key, double natural,
               const struct log_base *base);

void print_sums(struct printer *p, const struct score_sums *sums,
                const struct log_base *base);
/* "tokens": [...] */
void print_score_tokens(struct printer *p, const struct score_result *result,
                        const struct vocab *vocab, const struct log_base *base);
void print_next(struct printer *p, const struct next_answer *answer,
                const struct vocab *vocab, const struct log_base *base);
void print_rescore(struct printer *p, const struct rescore_answer *answer,
                   const struct log_base *base);
/* One output as an object; with logprobs each token has its own. */
void print_output(struct printer *p, const struct generate_output *output,
                  const struct vocab *vocab, bool logprobs, const struct log_base *base);
/* "usage": {…} */
void print_usage(struct printer *p, size_t prompt_tokens, size_t output_tokens);
void print_evaluation(struct printer *p, const struct evaluation *evaluation,
                      const struct log_base *base);
/* "tokens": [...] of POST /tokenize. */
void print_token_list(struct printer *p, const struct token_list *tokens,
                      struct span text, const struct vocab *vocab);
/* "timing": {…} */
void print_timing(struct printer *p, double queue_seconds, double compute_seconds);

#endif

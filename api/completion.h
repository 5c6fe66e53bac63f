/* SPDX-License-Identifier: MIT */
/* /v1: the dialect of the stock OpenAI clients, as far as language models go. */
#ifndef FIRTH_API_COMPLETION_H
#define FIRTH_API_COMPLETION_H

#include "api/exchange.h"
#include "api/infer_request.h"
#include "model/lm/infer_generate.h"
#include "model/lm/infer_score.h"

enum { COMPLETION_LOGPROBS_MAX = 5 };

/* A checked request. */
struct completion_request {
    struct infer_head head;
    json_t *prompt, *stop, *stream_options;
    int64_t max_tokens, n, logprobs, seed;
    double temperature, top_p;
    bool stream, echo, seed_given, logprobs_given, include_usage;
    struct span *prompts; /* [prompt_count], owned texts */
    size_t prompt_count;
    struct span *stops; /* [stop_count], borrowed texts */
    size_t stop_count;
};
MUST_CHECK enum err completion_read(struct exchange *x,
                                    struct completion_request *request,
                                    struct err_info *info);
/* Fills `prompts`, for which ids need the model's vocabulary. */
MUST_CHECK enum err completion_read_prompts(struct exchange *x,
                                            struct completion_request *request,
                                            const struct target *target,
                                            struct err_info *info);
void completion_request_fini(struct completion_request *request);

/* The `logprobs` member of a choice, built token by token. */
struct completion_logprobs {
    struct buffer tokens, logprobs, tops, offsets; /* insides of the four arrays */
    size_t characters; /* offset of the next token, in characters */
};
void completion_logprobs_init(struct completion_logprobs *list);
void completion_logprobs_fini(struct completion_logprobs *list);
/* `taken` is the token that stands there, which tops have beside the likeliest; a logprob
 * of NAN prints null (the first of an echoed prompt). */
void completion_logprobs_add(struct completion_logprobs *list, const struct vocab *vocab,
                             struct span text, struct generate_alternative taken,
                             const struct generate_alternative *tops, size_t top_count);
void completion_logprobs_print(struct completion_logprobs *list, bool tops,
                               struct printer *p);

/* Adds the tokens of an echoed prompt. */
MUST_CHECK enum err completion_add_prompt(struct completion_logprobs *list,
                                          const struct target *target, struct span prompt,
                                          size_t tops);
/* Adds token i of an output. */
void completion_add_token(struct completion_logprobs *list, const struct vocab *vocab,
                          const struct generate_output *output, size_t i, size_t tops);

enum err completion_post(struct exchange *x, struct err_info *info);
enum err completion_models(struct exchange *x, struct err_info *info);
enum err completion_model(struct exchange *x, struct err_info *info);

#endif

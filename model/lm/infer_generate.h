/* SPDX-License-Identifier: MIT */
/* Continuing a text by sampling, token by token. */
#ifndef FIRTH_MODEL_LM_INFER_GENERATE_H
#define FIRTH_MODEL_LM_INFER_GENERATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "model/lm/target.h"

#define GENERATE_OUTPUTS_MAX 128u
#define GENERATE_STOPS_MAX 16u
#define GENERATE_STOP_SIZE_MAX 1024u
#define GENERATE_TOP_MAX 20u

enum generate_finish {
    GENERATE_LENGTH,
    GENERATE_STOP,
    GENERATE_EOS,
    GENERATE_FINISH_COUNT
};
extern const char *const generate_finish_names[GENERATE_FINISH_COUNT];

/* Something happened to one output: a token was drawn, or it finished, or both. `text` is
 * what to append to the output now; all of an output's texts joined are its final text.
 * It may lag behind the tokens (a stop string might be beginning, a character is not yet
 * whole) and be empty. */
struct generate_event {
    size_t output;
    bool has_token; /* false: only the end and perhaps held-back text */
    uint32_t token;
    float logprob;
    const struct generate_alternative *tops; /* [top_logprobs] of the token, or NULL */
    struct span text;                        /* valid during the call, as tops */
    bool finished;
    enum generate_finish finish;
};

struct generate_request {
    struct span prompt;       /* the segment so far; "" begins a new one */
    size_t max_tokens;        /* of each output; 0 is allowed */
    double temperature;       /* 0: always the likeliest token */
    size_t top_k;             /* draw among the k likeliest; 0: all */
    double top_p;             /* draw among the likeliest that together reach p; 1: all */
    const struct span *stops; /* [stop_count]; the text ends before the first one found */
    size_t stop_count;
    uint64_t seed;
    size_t n;     /* outputs, 1 … GENERATE_OUTPUTS_MAX */
    bool unknown; /* <unk> may be drawn; otherwise its mass goes to the others */
    size_t
        top_logprobs; /* keep the likeliest alternatives of each token, ≤ the maximum */
    /* Called after every token, in turns when n > 1; false: stop, nobody listens. May be
     * NULL. */
    bool (*event)(void *context, const struct generate_event *event);
    void *context;
};

struct generate_token {
    uint32_t token;
    float logprob;      /* the model's own, before temperature and filters */
    size_t text_offset; /* where its text begins in the output's */
};

struct generate_alternative {
    uint32_t token;
    float logprob;
};

struct generate_output {
    char *text; /* [size], NUL-terminated */
    size_t size;
    struct generate_token *tokens; /* [token_count]; without the </s> that ended it */
    size_t token_count;
    struct generate_alternative *tops; /* [token_count][top_logprobs], falling, or NULL;
                                          unused places have logprob -INFINITY */
    double logprob; /* sum over the tokens, and </s> when that ended it */
    enum generate_finish finish;
};

struct generate_answer {
    struct generate_output *outputs; /* [count] */
    size_t count;
    size_t prompt_tokens, output_tokens;
};

/* ERR_INVALID with a pointer; ERR_CANCELLED when `event` said stop. The same request
 * with the same seed gives the same outputs; output i does not depend on n. */
MUST_CHECK enum err infer_generate(const struct target *target,
                                   const struct generate_request *request,
                                   struct generate_answer *answer, struct err_info *info);
void generate_answer_fini(struct generate_answer *answer);

#endif

/* SPDX-License-Identifier: MIT */
/* Generation: the outputs walk side by side through the model, as many at once as it
 * likes to take, and each draws from its own random sequence, so that an output does not
 * depend on how many others were asked for.
 *
 * <s> is never drawn, since it never has a probability. <unk> is no text; unless asked
 * for, its mass goes to the other tokens in proportion. Log-probabilities in the answer
 * are the model's own, before temperature and filters: they say what the model thinks of
 * the text, however it was drawn. */
#include "model/lm/infer_generate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "model/lm/continuation.h"
#include "model/lm/lm.h"
#include "model/lm/sampling.h"
#include "model/text/vocab.h"

#define ROWS_BYTES_MAX ((size_t)64 << 20)
#define PROMPT_WINDOW                                                                    \
    64u /* tokens of the prompt that can change how the next is written */

const char *const generate_finish_names[GENERATE_FINISH_COUNT] = {
    [GENERATE_LENGTH] = "length", [GENERATE_STOP] = "stop", [GENERATE_EOS] = "eos"};

/* One output while it grows. */
struct strand {
    struct continuation text;
    struct random random;
    struct generate_token *tokens;
    struct generate_alternative *tops;
    size_t count, tokens_capacity, tops_capacity;
    double logprob;
    enum generate_finish finish;
    bool finished;
    void *state;
};

struct generating {
    const struct target *target;
    const struct generate_request *request;
    struct strand *strands; /* [n] */
    size_t made;            /* strands to be freed */
    void *state_block;
    size_t width;      /* strands at once */
    float *rows_block; /* [width][vocab_size] */
    float **rows;      /* [width] */
    void **states;     /* [width] */
    uint32_t *drawn;   /* [width] */
    size_t *running;   /* [n] indices of the strands that go on */
    struct sampling_room room;
    struct lm_prediction *best; /* [top_logprobs] */
    struct span *prompt;        /* [prompt_count] the prompt's last tokens */
    struct buffer prompt_text;
    size_t prompt_count, prompt_tokens;
};

/* ---- checks ---- */

static enum err check_stops(const struct generate_request *request, struct err_info *info)
{
    if (request->stop_count > GENERATE_STOPS_MAX)
        return err_set_field(info, ERR_INVALID, "/stop", "stop holds at most %u texts",
                             GENERATE_STOPS_MAX);
    for (size_t i = 0; i < request->stop_count; i++)
        if (request->stops[i].size == 0 ||
            request->stops[i].size > GENERATE_STOP_SIZE_MAX)
            return err_set_field(info, ERR_INVALID, "/stop",
                                 "each stop is a text of 1 to %u bytes",
                                 GENERATE_STOP_SIZE_MAX);
    return ERR_OK;
}

static enum err check(const struct generate_request *request, struct err_info *info)
{
    if (!isfinite(request->temperature) || request->temperature < 0)
        return err_set_field(info, ERR_INVALID, "/temperature",
                             "temperature must be a number of at least 0 (default: 1)");
    if (!(request->top_p >= 0 && request->top_p <= 1))
        return err_set_field(info, ERR_INVALID, "/top_p",
                             "top_p must be a number from 0 to 1 (default: 1)");
    if (request->n < 1 || request->n > GENERATE_OUTPUTS_MAX)
        return err_set_field(info, ERR_INVALID, "/n",
                             "n must be an integer from 1 to %u (default: 1)",
                             GENERATE_OUTPUTS_MAX);
    if (request->top_logprobs > GENERATE_TOP_MAX)
        return err_set_field(info, ERR_INVALID, "/logprobs",
                             "logprobs must be at most %u", GENERATE_TOP_MAX);
    return check_stops(request, info);
}

/* ---- the prompt ---- */

static bool ends_in_space(struct span text)
{
    return text.size > 0 && strchr(" \t\n\r", text.bytes[text.size - 1]);
}

/* Keeps the texts of the prompt's last tokens as they stand in it. */
static enum err keep_prompt(struct generating *generating)
{
    struct span sizes[PROMPT_WINDOW];
    struct token_cursor *cursor;
    struct token token;
    size_t index = 0, first = generating->prompt_tokens > PROMPT_WINDOW
                                  ? generating->prompt_tokens - PROMPT_WINDOW
                                  : 0;
    buffer_init(&generating->prompt_text, SIZE_MAX / 2);
    enum err code = token_cursor_new(generating->target->tokenizer,
                                     generating->request->prompt, true, &cursor);
    while (!code && token_cursor_next(cursor, &token) == TOKEN_WORD)
        if (index++ >= first && generating->prompt_count < PROMPT_WINDOW) {
            sizes[generating->prompt_count++] = span_of(NULL, token.text.size);
            code = buffer_append(&generating->prompt_text, token.text.bytes,
                                 token.text.size);
        }
    token_cursor_free(cursor);
    generating->prompt = memory_new_array(PROMPT_WINDOW, sizeof *generating->prompt);
    if (!generating->prompt)
        return ERR_NO_MEMORY;
    const char *next = generating->prompt_text.bytes;
    for (size_t i = 0; i < generating->prompt_count; next += sizes[i++].size)
        generating->prompt[i] = span_of(next, sizes[i].size);
    return code;
}

/* Brings the first strand's state behind the prompt. */
static enum err read_prompt(struct generating *generating)
{
    const struct lm *lm = generating->target->lm;
    struct token_list list = {0};
    void *state = generating->state_block;
    enum err code =
        token_list_encode(&list, generating->target->tokenizer, generating->target->vocab,
                          generating->request->prompt);
    generating->prompt_tokens = list.count;
    lm->ops->start(lm, true, state);
    for (size_t i = 0; i < list.count && !code; i++)
        code = lm->ops->advance(lm, 1, &state, &list.ids[i]);
    token_list_fini(&list);
    return code ? code : keep_prompt(generating);
}

/* ---- setting up and giving up ---- */

static void strand_fini(struct strand *strand)
{
    continuation_fini(&strand->text);
    free(strand->tokens);
    free(strand->tops);
}

static void generating_fini(struct generating *generating)
{
    for (size_t i = 0; i < generating->made; i++)
        strand_fini(&generating->strands[i]);
    free(generating->strands);
    free(generating->state_block);
    free(generating->rows_block);
    free(generating->rows);
    free(generating->states);
    free(generating->drawn);
    free(generating->running);
    free(generating->best);
    free(generating->prompt);
    buffer_fini(&generating->prompt_text);
    sampling_room_fini(&generating->room);
}

static size_t width_of(const struct lm *lm, size_t n)
{
    size_t most = ROWS_BYTES_MAX / ((size_t)lm->vocab_size * sizeof(float) + 1) + 1;
    size_t width = lm->batch < n ? lm->batch : n;
    return width < most ? width : most;
}

static enum err allocate(struct generating *generating)
{
    const struct lm *lm = generating->target->lm;
    size_t n = generating->request->n, width = width_of(lm, n), cells;
    if (!memory_multiply(width, lm->vocab_size, &cells))
        return ERR_NO_MEMORY;
    generating->width = width;
    generating->strands = memory_new_array(n, sizeof *generating->strands);
    generating->state_block = lm_new_states(lm, n);
    generating->rows_block = memory_new_aligned(cells, sizeof *generating->rows_block);
    generating->rows = memory_new_array(width, sizeof *generating->rows);
    generating->states = memory_new_array(width, sizeof *generating->states);
    generating->drawn = memory_new_array(width, sizeof *generating->drawn);
    generating->running = memory_new_array(n, sizeof *generating->running);
    generating->best =
        memory_new_array(generating->request->top_logprobs, sizeof *generating->best);
    if (!generating->strands || !generating->state_block || !generating->rows_block ||
        !generating->rows || !generating->states || !generating->drawn ||
        !generating->running || !generating->best)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < width; i++)
        generating->rows[i] = generating->rows_block + i * lm->vocab_size;
    return ERR_OK;
}

static enum err make_strands(struct generating *generating)
{
    const struct generate_request *request = generating->request;
    const struct lm *lm = generating->target->lm;
    enum err code = ERR_OK;
    for (size_t i = 0; i < request->n && !code; i++) {
        struct strand *strand = &generating->strands[i];
        strand->state = lm_state_at(lm, generating->state_block, i);
        if (i > 0)
            memcpy(strand->state, generating->state_block, lm->state_size);
        random_seed(&strand->random, request->seed, i);
        code =
            continuation_init(&strand->text, generating->target, generating->prompt,
                              generating->prompt_count, ends_in_space(request->prompt));
        strand->text.stops = request->stops;
        strand->text.stop_count = request->stop_count;
        generating->running[i] = i;
        generating->made++;
    }
    return code;
}

/* ---- drawing ---- */

static enum err tell(struct generating *generating, size_t output, const uint32_t *token)
{
    const struct generate_request *request = generating->request;
    struct strand *strand = &generating->strands[output];
    struct generate_event event = {
        .output = output, .finished = strand->finished, .finish = strand->finish};
    event.text = continuation_take(&strand->text, strand->finished);
    if (token) {
        event.has_token = true;
        event.token = *token;
        event.logprob = strand->tokens[strand->count - 1].logprob;
        event.tops = request->top_logprobs > 0
                         ? strand->tops + (strand->count - 1) * request->top_logprobs
                         : NULL;
    }
    if (request->event && !request->event(request->context, &event))
        return ERR_CANCELLED;
    return ERR_OK;
}

static enum err finish_strand(struct strand *strand, enum generate_finish finish)
{
    enum err code = continuation_end(&strand->text);
    strand->finished = true;
    strand->finish = strand->text.stopped ? GENERATE_STOP : finish;
    return code;
}

static enum err keep_alternatives(struct generating *generating, struct strand *strand,
                                  const float *row)
{
    size_t k = generating->request->top_logprobs;
    struct lm_top top = {.best = generating->best};
    if (k == 0)
        return ERR_OK;
    enum err code = memory_grow(&strand->tops, &strand->tops_capacity,
                                (strand->count + 1) * k, sizeof *strand->tops);
    if (code)
        return code;
    lm_select(row, generating->target->lm->vocab_size, k, &top);
    for (size_t i = 0; i < k; i++) {
        struct generate_alternative none = {VOCAB_UNK, -INFINITY};
        strand->tops[strand->count * k + i] =
            i < top.count
                ? (struct generate_alternative){top.best[i].token, top.best[i].logprob}
                : none;
    }
    return ERR_OK;
}

/* Draws the strand's next token from its row, which is changed. */
static enum err draw(struct generating *generating, struct strand *strand, float *row,
                     uint32_t *token, bool *found)
{
    const struct generate_request *request = generating->request;
    struct sampling sampling = {request->temperature, request->top_k, request->top_p};
    uint32_t size = generating->target->lm->vocab_size;
    float unknown = row[VOCAB_UNK];
    row[VOCAB_BOS] = -INFINITY;
    if (!request->unknown)
        row[VOCAB_UNK] = -INFINITY;
    enum err code = sampling_draw(&sampling, row, size, &strand->random,
                                  &generating->room, token, found);
    row[VOCAB_UNK] = unknown;
    if (!code && !*found && unknown > -INFINITY) { /* nothing else is possible */
        *token = VOCAB_UNK;
        *found = true;
    }
    return code;
}

static enum err add_token(struct generating *generating, struct strand *strand,
                          uint32_t token, float logprob)
{
    enum err code = memory_grow(&strand->tokens, &strand->tokens_capacity,
                                strand->count + 1, sizeof *strand->tokens);
    if (code)
        return code;
    strand->tokens[strand->count++] = (struct generate_token){
        .token = token, .logprob = logprob, .text_offset = strand->text.text.size};
    strand->logprob += (double)logprob;
    code = continuation_add(&strand->text, token);
    if (!code && strand->text.stopped)
        code = finish_strand(strand, GENERATE_STOP);
    else if (!code && strand->count == generating->request->max_tokens)
        code = finish_strand(strand, GENERATE_LENGTH);
    return code;
}

/* One step of one strand; *token is what it goes on with when it goes on. */
static enum err step_strand(struct generating *generating, size_t output, float *row,
                            uint32_t *token)
{
    struct strand *strand = &generating->strands[output];
    bool found;
    enum err code = keep_alternatives(generating, strand, row);
    if (!code)
        code = draw(generating, strand, row, token, &found);
    if (code)
        return code;
    if (!found || *token == VOCAB_EOS) {
        strand->logprob += found ? (double)row[*token] : 0;
        code = finish_strand(strand, GENERATE_EOS);
        return code ? code : tell(generating, output, NULL);
    }
    code = add_token(generating, strand, *token, row[*token]);
    return code ? code : tell(generating, output, token);
}

/* One step of running[first … first+count-1]. */
static enum err step_some(struct generating *generating, size_t first, size_t count)
{
    const struct lm *lm = generating->target->lm;
    const size_t *running = generating->running + first;
    size_t going = 0;
    for (size_t i = 0; i < count; i++)
        generating->states[i] = generating->strands[running[i]].state;
    enum err code = lm->ops->distribution(
        lm, count, (const void *const *)generating->states, generating->rows);
    for (size_t i = 0; i < count && !code; i++) {
        uint32_t token;
        struct strand *strand = &generating->strands[running[i]];
        code = step_strand(generating, running[i], generating->rows[i], &token);
        if (strand->finished)
            continue;
        generating->states[going] = strand->state;
        generating->drawn[going++] = token;
    }
    if (!code && going > 0)
        code = lm->ops->advance(lm, going, generating->states, generating->drawn);
    return code;
}

static enum err run(struct generating *generating)
{
    size_t left = generating->request->n;
    enum err code = ERR_OK;
    while (left > 0 && !code) {
        for (size_t done = 0; done < left && !code; done += generating->width) {
            size_t count = left - done;
            code = step_some(generating, done,
                             count < generating->width ? count : generating->width);
        }
        size_t kept = 0;
        for (size_t i = 0; i < left; i++)
            if (!generating->strands[generating->running[i]].finished)
                generating->running[kept++] = generating->running[i];
        left = kept;
    }
    return code;
}

/* max_tokens 0: every output is empty and finished. */
static enum err finish_all(struct generating *generating)
{
    enum err code = ERR_OK;
    for (size_t i = 0; i < generating->request->n && !code; i++) {
        code = finish_strand(&generating->strands[i], GENERATE_LENGTH);
        if (!code)
            code = tell(generating, i, NULL);
    }
    return code;
}

/* ---- the answer ---- */

/* Moves a strand's arrays into the answer. */
static enum err hand_over(struct strand *strand, size_t top_logprobs,
                          struct generate_output *output)
{
    enum err code = buffer_append(&strand->text.text, "", 0);
    for (size_t i = 0; i < strand->count; i++) /* a stop string may have cut the text */
        if (strand->tokens[i].text_offset > strand->text.text.size)
            strand->tokens[i].text_offset = strand->text.text.size;
    output->text = strand->text.text.bytes
                       ? buffer_release(&strand->text.text, &output->size)
                       : memory_new_array(1, 1);
    output->tokens = strand->tokens;
    output->tops = top_logprobs > 0 ? strand->tops : NULL;
    output->token_count = strand->count;
    output->logprob = strand->logprob;
    output->finish = strand->finish;
    strand->tokens = NULL;
    if (top_logprobs > 0)
        strand->tops = NULL;
    return code ? code : output->text ? ERR_OK : ERR_NO_MEMORY;
}

static enum err fill_answer(struct generating *generating, struct generate_answer *answer)
{
    size_t n = generating->request->n;
    enum err code = ERR_OK;
    answer->outputs = memory_new_array(n, sizeof *answer->outputs);
    if (!answer->outputs)
        return ERR_NO_MEMORY;
    answer->prompt_tokens = generating->prompt_tokens;
    for (size_t i = 0; i < n && !code; i++) {
        code = hand_over(&generating->strands[i], generating->request->top_logprobs,
                         &answer->outputs[answer->count++]);
        answer->output_tokens += answer->outputs[i].token_count;
    }
    return code;
}

enum err infer_generate(const struct target *target,
                        const struct generate_request *request,
                        struct generate_answer *answer, struct err_info *info)
{
    struct generating generating = {.target = target, .request = request};
    memset(answer, 0, sizeof *answer);
    enum err code = check(request, info);
    if (code)
        return code;
    code = allocate(&generating);
    if (!code)
        code = read_prompt(&generating);
    if (!code)
        code = make_strands(&generating);
    if (!code)
        code = request->max_tokens > 0 ? run(&generating) : finish_all(&generating);
    if (!code)
        code = fill_answer(&generating, answer);
    generating_fini(&generating);
    if (code)
        generate_answer_fini(answer);
    return err_finish(info, code);
}

void generate_answer_fini(struct generate_answer *answer)
{
    for (size_t i = 0; i < answer->count; i++) {
        free(answer->outputs[i].text);
        free(answer->outputs[i].tokens);
        free(answer->outputs[i].tops);
    }
    free(answer->outputs);
    memset(answer, 0, sizeof *answer);
}

/* SPDX-License-Identifier: MIT */
/* Scoring texts: encode all, one call to the model, add up.
 *
 * An unknown word has two lives: the model sees <unk> in its place, always; what it adds
 * to the sums is the caller's choice. Sums are kept apart for known and unknown words, so
 * that both perplexities come from one pass. */
#include "model/lm/infer_score.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "model/lm/oov.h"
#include "model/lm/score_batch.h"

void score_sums_add(struct score_sums *sums, const struct score_sums *more)
{
    sums->logprob += more->logprob;
    sums->logprob_no_oov += more->logprob_no_oov;
    sums->tokens_scored += more->tokens_scored;
    sums->tokens_known += more->tokens_known;
    sums->oov_count += more->oov_count;
}

static double mean(double logprob, size_t tokens)
{
    return tokens > 0 ? -logprob / (double)tokens : (double)NAN;
}

void score_sums_finish(struct score_sums *sums)
{
    double nats = mean(sums->logprob, sums->tokens_scored);
    sums->perplexity = exp(nats);
    sums->bits_per_token = nats / M_LN2;
    sums->perplexity_no_oov = exp(mean(sums->logprob_no_oov, sums->tokens_known));
}

/* ---- tokens in detail ---- */

struct naming {
    struct buffer text;
    struct score_token *tokens; /* of one input */
};

/* Keeps an unknown word's characters; its text points nowhere yet. */
static enum err keep_word(void *context, size_t index, struct span word)
{
    struct naming *naming = context;
    naming->tokens[index].text = span_of(NULL, word.size);
    return buffer_append(&naming->text, word.bytes, word.size);
}

static void fill_tokens(const struct score_batch *batch, struct score_token *tokens)
{
    for (size_t i = 0; i < batch->count; i++)
        tokens[i] =
            (struct score_token){.token = batch->ids[i],
                                 .logprob = batch->logprobs[i],
                                 .text = vocab_word(batch->target->vocab, batch->ids[i]),
                                 .offset = batch->offsets[i],
                                 .oov = batch->oov[i] != 0,
                                 .order = batch->orders[i]};
}

/* Points the unknown words' texts into `text`, where they lie one after another. */
static void point_words(struct score_token *tokens, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++)
        if (tokens[i].oov && !tokens[i].text.bytes) {
            tokens[i].text.bytes = text;
            text += tokens[i].text.size;
        }
}

static enum err name_unknown(const struct score_batch *batch, const struct span *inputs,
                             struct score_token *tokens, struct buffer *text)
{
    struct token_list list = {.oov = batch->oov};
    enum err code = ERR_OK;
    for (size_t i = 0; i < batch->inputs && !code; i++) {
        const struct score_place *place = &batch->places[i];
        struct naming naming = {.text = *text, .tokens = tokens + place->first};
        if (place->oov_count == 0)
            continue;
        list.oov = batch->oov + place->first;
        list.count = place->count;
        code = oov_each(batch->target, inputs[i], &list, keep_word, &naming);
        *text = naming.text;
    }
    return code;
}

static enum err describe_tokens(const struct score_batch *batch,
                                const struct span *inputs, struct score_answer *answer)
{
    struct buffer text;
    answer->tokens = memory_new_array(batch->count, sizeof *answer->tokens);
    if (!answer->tokens)
        return ERR_NO_MEMORY;
    fill_tokens(batch, answer->tokens);
    buffer_init(&text, SIZE_MAX / 2);
    enum err code = name_unknown(batch, inputs, answer->tokens, &text);
    if (code) {
        buffer_fini(&text);
        return code;
    }
    answer->text = text.bytes; /* taken over */
    point_words(answer->tokens, batch->count, answer->text);
    for (size_t i = 0; i < batch->inputs; i++) {
        answer->results[i].tokens = answer->tokens + batch->places[i].first;
        answer->results[i].token_count = batch->places[i].count;
    }
    return ERR_OK;
}

/* ---- the answer ---- */

static enum err add_inputs(struct score_batch *batch, const struct span *inputs,
                           size_t count, struct err_info *info)
{
    enum err code = ERR_OK;
    for (size_t i = 0; i < count && !code; i++) {
        char pointer[48] = "/inputs";
        code = score_batch_add(batch, inputs[i]);
        if (code || batch->options.oov != SCORE_OOV_ERROR ||
            batch->places[i].oov_count == 0)
            continue;
        if (count > 1)
            snprintf(pointer, sizeof pointer, "/inputs/%zu", i);
        code = oov_refuse(batch->target, inputs[i], &batch->list, pointer, info);
    }
    return code;
}

enum err score_batch_answer(const struct score_batch *batch, const struct span *inputs,
                            struct score_answer *answer)
{
    answer->results = memory_new_array(batch->inputs, sizeof *answer->results);
    if (!answer->results)
        return ERR_NO_MEMORY;
    answer->count = batch->inputs;
    for (size_t i = 0; i < batch->inputs; i++) {
        score_batch_sums(batch, i, &answer->results[i].sums);
        score_sums_add(&answer->total, &answer->results[i].sums);
    }
    score_sums_finish(&answer->total);
    return batch->options.tokens ? describe_tokens(batch, inputs, answer) : ERR_OK;
}

enum err infer_score(const struct target *target, const struct score_options *options,
                     const struct span *inputs, size_t count, struct score_answer *answer,
                     struct err_info *info)
{
    struct score_batch batch;
    memset(answer, 0, sizeof *answer);
    enum err code = score_batch_init(&batch, target, options);
    if (!code)
        code = add_inputs(&batch, inputs, count, info);
    if (!code)
        code = score_batch_run(&batch);
    if (!code)
        code = score_batch_answer(&batch, inputs, answer);
    score_batch_fini(&batch);
    if (code)
        score_answer_fini(answer);
    return err_finish(info, code);
}

void score_answer_fini(struct score_answer *answer)
{
    free(answer->results);
    free(answer->tokens);
    free(answer->text);
    memset(answer, 0, sizeof *answer);
}

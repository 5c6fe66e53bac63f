/* SPDX-License-Identifier: MIT */
/* What comes next.
 *
 * At temperature 1 a model that can list its best successors is asked just that, so that
 * an n-gram model answers in the time of its successors and not of its vocabulary. At any
 * other temperature, and for models without that gift, the whole distribution is taken
 * once and serves predictions and words alike.
 *
 * A word of several tokens (characters, subwords, "New York") has the product of their
 * probabilities, each after those before it. */
#include "model/lm/infer_next.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/lm/lm.h"
#include "model/lm/oov.h"
#include "model/lm/sampling.h"
#include "model/text/vocab.h"

struct asking {
    const struct target *target;
    const struct next_request *request;
    struct next_answer *answer;
    struct token_list context;
    void *states; /* [2]: after the context; and one to walk on with */
    float *row;   /* [vocab_size] after the context, tempered; NULL when not needed */
    float *step;  /* [vocab_size] after a word's first tokens, or NULL */
};

/* ---- the context ---- */

static enum err advance_all(const struct lm *lm, void *state, const uint32_t *ids,
                            size_t count)
{
    enum err code = ERR_OK;
    for (size_t i = 0; i < count && !code; i++)
        code = lm->ops->advance(lm, 1, &state, &ids[i]);
    return code;
}

struct oov_list {
    struct next_answer *answer;
    struct buffer text;
    size_t capacity;
};

static enum err keep_oov(void *context, size_t index, struct span word)
{
    struct oov_list *list = context;
    struct next_answer *answer = list->answer;
    (void)index;
    for (size_t i = 0, at = 0; i < answer->oov_count; at += answer->oov[i++].size)
        if (span_equal(span_of(list->text.bytes + at, answer->oov[i].size), word))
            return ERR_OK;
    enum err code = memory_grow(&answer->oov, &list->capacity, answer->oov_count + 1,
                                sizeof *answer->oov);
    if (!code)
        code = buffer_append(&list->text, word.bytes, word.size);
    if (!code)
        answer->oov[answer->oov_count++] = span_of(NULL, word.size);
    return code;
}

static enum err list_oov(struct asking *asking)
{
    struct next_answer *answer = asking->answer;
    struct oov_list list = {.answer = answer};
    size_t unknown = 0;
    for (size_t i = 0; i < asking->context.count; i++)
        unknown += asking->context.oov[i];
    if (unknown == 0)
        return ERR_OK;
    buffer_init(&list.text, SIZE_MAX / 2);
    enum err code = oov_each(asking->target, asking->request->context, &asking->context,
                             keep_oov, &list);
    answer->oov_text = list.text.bytes; /* taken over */
    for (size_t i = 0, at = 0; i < answer->oov_count; at += answer->oov[i++].size)
        answer->oov[i].bytes = answer->oov_text + at;
    return code;
}

static enum err read_context(struct asking *asking)
{
    const struct lm *lm = asking->target->lm;
    struct token_list *context = &asking->context;
    asking->states = lm_new_states(lm, 2);
    if (!asking->states)
        return ERR_NO_MEMORY;
    enum err code = token_list_encode(context, asking->target->tokenizer,
                                      asking->target->vocab, asking->request->context);
    if (code)
        return code;
    size_t used = context->count;
    if (lm->context_max > 0 && used > lm->context_max)
        used = lm->context_max;
    asking->answer->context_tokens = context->count;
    asking->answer->context_used = used;
    lm->ops->start(lm, true, asking->states);
    code = advance_all(lm, asking->states, context->ids, context->count);
    return code ? code : list_oov(asking);
}

/* ---- predictions ---- */

static enum err take_row(const struct asking *asking, const void *state, float **row)
{
    const struct lm *lm = asking->target->lm;
    if (!*row)
        *row = memory_new_aligned(lm->vocab_size, sizeof **row);
    if (!*row)
        return ERR_NO_MEMORY;
    enum err code = lm->ops->distribution(lm, 1, &state, row);
    if (!code)
        sampling_temper(*row, lm->vocab_size, asking->request->temperature);
    return code;
}

static void fill_predictions(const struct lm_top *top, struct next_answer *answer)
{
    for (size_t i = 0; i < top->count; i++) {
        double logprob = (double)top->best[i].logprob;
        answer->predictions[i] = (struct next_prediction){
            .token = top->best[i].token, .probability = exp(logprob), .logprob = logprob};
    }
    answer->count = top->count;
    answer->other_mass = top->other_mass;
    answer->entropy_bits = top->entropy / M_LN2;
}

static enum err predict(struct asking *asking)
{
    const struct lm *lm = asking->target->lm;
    struct next_answer *answer = asking->answer;
    struct lm_top top = {0};
    size_t k = asking->request->k < lm->vocab_size ? asking->request->k : lm->vocab_size;
    bool own = lm->ops->top && asking->request->temperature == 1;
    answer->predictions = memory_new_array(k, sizeof *answer->predictions);
    top.best = memory_new_array(k, sizeof *top.best);
    enum err code = answer->predictions && top.best ? ERR_OK : ERR_NO_MEMORY;
    if (!code && own)
        code = lm->ops->top(lm, asking->states, k, true, &top);
    if (!code && !own)
        code = take_row(asking, asking->states, &asking->row);
    if (!code && !own)
        lm_top_of(asking->row, lm->vocab_size, k, true, &top);
    if (!code)
        fill_predictions(&top, answer);
    free(top.best);
    return code;
}

/* ---- words ---- */

/* Log-probability of a token in `state`; *row is filled when the model needs it. */
static enum err token_logprob(const struct asking *asking, const void *state,
                              uint32_t token, float **row, bool fresh, double *logprob)
{
    const struct lm *lm = asking->target->lm;
    enum err code = ERR_OK;
    if (lm->ops->logprob && asking->request->temperature == 1) {
        *logprob = (double)lm->ops->logprob(lm, state, token);
        return ERR_OK;
    }
    if (fresh)
        code = take_row(asking, state, row);
    *logprob = code ? -INFINITY : (double)(*row)[token];
    return code;
}

static enum err weigh_tokens(struct asking *asking, const struct token_list *tokens,
                             struct next_word *word)
{
    const struct lm *lm = asking->target->lm;
    void *state = lm_state_at(lm, asking->states, 1);
    double part;
    enum err code = token_logprob(asking, asking->states, tokens->ids[0], &asking->row,
                                  asking->row == NULL, &word->logprob);
    if (tokens->count > 1)
        memcpy(state, asking->states, lm->state_size);
    for (size_t i = 1; i < tokens->count && !code; i++) {
        code = lm->ops->advance(lm, 1, &state, &tokens->ids[i - 1]);
        if (!code)
            code =
                token_logprob(asking, state, tokens->ids[i], &asking->step, true, &part);
        if (!code)
            word->logprob += part;
    }
    return code;
}

static enum err weigh_word(struct asking *asking, struct token_list *tokens,
                           struct next_word *word)
{
    uint32_t id = vocab_id(asking->target->vocab, word->word);
    enum err code = token_list_encode(tokens, asking->target->tokenizer,
                                      asking->target->vocab, word->word);
    if (code)
        return code;
    if (id == VOCAB_EOS && tokens->count > 0) { /* "</s>" asks for the end */
        tokens->count = 1;
        tokens->ids[0] = id;
        tokens->oov[0] = 0;
    }
    word->tokens = tokens->count;
    word->logprob = 0; /* nothing is certain to come next */
    word->token = tokens->count > 0 ? tokens->ids[0] : VOCAB_UNK;
    for (size_t i = 0; i < tokens->count; i++)
        word->oov = word->oov || tokens->oov[i];
    if (tokens->count > 0)
        code = weigh_tokens(asking, tokens, word);
    word->probability = exp(word->logprob);
    return code;
}

static enum err weigh_words(struct asking *asking)
{
    const struct next_request *request = asking->request;
    struct next_answer *answer = asking->answer;
    struct token_list tokens = {0};
    enum err code = ERR_OK;
    if (request->word_count == 0)
        return ERR_OK;
    answer->words = memory_new_array(request->word_count, sizeof *answer->words);
    if (!answer->words)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < request->word_count && !code; i++) {
        answer->words[i].word = request->words[i];
        code = weigh_word(asking, &tokens, &answer->words[i]);
        answer->word_count++;
    }
    token_list_fini(&tokens);
    return code;
}

/* ---- the answer ---- */

enum err infer_next(const struct target *target, const struct next_request *request,
                    struct next_answer *answer, struct err_info *info)
{
    struct asking asking = {.target = target, .request = request, .answer = answer};
    memset(answer, 0, sizeof *answer);
    if (!isfinite(request->temperature) || request->temperature < 0)
        return err_set_field(info, ERR_INVALID, "/temperature",
                             "temperature must be a number of at least 0 (default: 1)");
    enum err code = read_context(&asking);
    if (!code)
        code = predict(&asking);
    if (!code)
        code = weigh_words(&asking);
    token_list_fini(&asking.context);
    free(asking.states);
    free(asking.row);
    free(asking.step);
    if (code)
        next_answer_fini(answer);
    return err_finish(info, code);
}

void next_answer_fini(struct next_answer *answer)
{
    free(answer->predictions);
    free(answer->words);
    free(answer->oov);
    free(answer->oov_text);
    memset(answer, 0, sizeof *answer);
}

/* SPDX-License-Identifier: MIT */
/* The `logprobs` object of the OpenAI dialect: four parallel arrays. Its token texts are
 * slices of the text, blanks included, so that joined they give the text back; offsets
 * count characters, as the clients do. An echoed prompt's first token has no
 * log-probability by convention. */
#include <math.h>
#include <stdlib.h>

#include "api/completion.h"
#include "base/memory.h"
#include "model/lm/lm.h"

enum { LIST_MAX = 64 << 20 };

void completion_logprobs_init(struct completion_logprobs *list)
{
    buffer_init(&list->tokens, LIST_MAX);
    buffer_init(&list->logprobs, LIST_MAX);
    buffer_init(&list->tops, LIST_MAX);
    buffer_init(&list->offsets, LIST_MAX);
    list->characters = 0;
}

void completion_logprobs_fini(struct completion_logprobs *list)
{
    buffer_fini(&list->tokens);
    buffer_fini(&list->logprobs);
    buffer_fini(&list->tops);
    buffer_fini(&list->offsets);
}

static size_t count_characters(struct span text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.size; i++)
        count += ((unsigned char)text.bytes[i] & 0xC0) != 0x80;
    return count;
}

/* A printer for the next item of an array's inside. */
static struct printer next_item(struct buffer *inside)
{
    struct printer p;
    printer_init(&p, inside);
    p.comma = inside->size > 0;
    return p;
}

/* Keys are tokens, which need escaping. */
static void print_top(struct printer *p, const struct vocab *vocab,
                      const struct generate_alternative *top)
{
    printer_span(p, vocab_word(vocab, top->token));
    buffer_append_char(p->out, ':');
    p->comma = false;
    printer_float(p, top->logprob);
}

static void print_tops(struct printer *p, const struct vocab *vocab,
                       const struct generate_alternative *taken,
                       const struct generate_alternative *tops, size_t count)
{
    bool missing = count > 0 && isfinite(taken->logprob);
    printer_open(p, '{');
    for (size_t i = 0; i < count && isfinite(tops[i].logprob); i++) {
        print_top(p, vocab, &tops[i]);
        missing = missing && tops[i].token != taken->token;
    }
    if (missing)
        print_top(p, vocab, taken);
    printer_close(p, '}');
}

void completion_logprobs_add(struct completion_logprobs *list, const struct vocab *vocab,
                             struct span text, struct generate_alternative taken,
                             const struct generate_alternative *tops, size_t top_count)
{
    struct printer tokens = next_item(&list->tokens);
    struct printer logprobs = next_item(&list->logprobs);
    struct printer alternatives = next_item(&list->tops);
    struct printer offsets = next_item(&list->offsets);
    printer_span(&tokens, text);
    printer_float(&logprobs, taken.logprob);
    if (isnan(taken.logprob))
        printer_null(&alternatives);
    else
        print_tops(&alternatives, vocab, &taken, tops, top_count);
    printer_integer(&offsets, (int64_t)list->characters);
    list->characters += count_characters(text);
}

static void print_array(struct printer *p, const char *key, struct buffer *inside)
{
    printer_key(p, key);
    printer_open(p, '[');
    if (inside->failed)
        p->out->failed = inside->failed;
    else if (inside->size > 0)
        printer_json(p, span_of(inside->bytes, inside->size));
    printer_close(p, ']');
    buffer_clear(inside);
}

void completion_logprobs_print(struct completion_logprobs *list, bool tops,
                               struct printer *p)
{
    printer_key(p, "logprobs");
    printer_open(p, '{');
    print_array(p, "tokens", &list->tokens);
    print_array(p, "token_logprobs", &list->logprobs);
    if (tops) {
        print_array(p, "top_logprobs", &list->tops);
    } else {
        buffer_clear(&list->tops);
        printer_key(p, "top_logprobs");
        printer_null(p);
    }
    print_array(p, "text_offset", &list->offsets);
    printer_close(p, '}');
}

void completion_add_token(struct completion_logprobs *list, const struct vocab *vocab,
                          const struct generate_output *output, size_t i, size_t tops)
{
    size_t start = output->tokens[i].text_offset;
    size_t end =
        i + 1 < output->token_count ? output->tokens[i + 1].text_offset : output->size;
    start = start < output->size ? start : output->size;
    end = end < start ? start : end < output->size ? end : output->size;
    struct generate_alternative taken = {output->tokens[i].token,
                                         output->tokens[i].logprob};
    completion_logprobs_add(list, vocab, span_of(output->text + start, end - start),
                            taken, output->tops ? &output->tops[i * tops] : NULL, tops);
}

/* ---- the likeliest tokens at each place of a prompt ---- */

/* One walk over the prompt with the model's own state. */
struct walk {
    const struct lm *lm;
    void *state;
    float *logprobs; /* [vocab_size], for models without top() */
    struct lm_prediction best[COMPLETION_LOGPROBS_MAX];
    struct generate_alternative tops[COMPLETION_LOGPROBS_MAX];
    size_t count;
};

static void walk_fini(struct walk *walk)
{
    free(walk->state);
    free(walk->logprobs);
}

static enum err walk_init(struct walk *walk, const struct lm *lm, size_t count)
{
    *walk = (struct walk){.lm = lm, .count = count};
    walk->state = memory_new_aligned(lm->state_size ? lm->state_size : 1, 1);
    if (count > 0 && !lm->ops->top)
        walk->logprobs = memory_new_array(lm->vocab_size, sizeof *walk->logprobs);
    if (!walk->state || (count > 0 && !lm->ops->top && !walk->logprobs)) {
        walk_fini(walk);
        return ERR_NO_MEMORY;
    }
    lm->ops->start(lm, true, walk->state);
    return ERR_OK;
}

/* Selects the best from a distribution by insertion; count is at most 5. */
static enum err select_tops(struct walk *walk)
{
    const void *state = walk->state;
    size_t filled = 0;
    enum err code = walk->lm->ops->distribution(walk->lm, 1, &state, &walk->logprobs);
    for (uint32_t id = 0; id < walk->lm->vocab_size && !code; id++) {
        size_t at = filled;
        while (at > 0 && walk->tops[at - 1].logprob < walk->logprobs[id])
            at--;
        if (at >= walk->count)
            continue;
        filled += filled < walk->count;
        for (size_t i = filled - 1; i > at; i--)
            walk->tops[i] = walk->tops[i - 1];
        walk->tops[at] = (struct generate_alternative){id, walk->logprobs[id]};
    }
    for (; filled < walk->count; filled++)
        walk->tops[filled].logprob = -INFINITY;
    return code;
}

static enum err walk_tops(struct walk *walk)
{
    struct lm_top top = {.best = walk->best};
    if (walk->count == 0)
        return ERR_OK;
    if (!walk->lm->ops->top)
        return select_tops(walk);
    enum err code = walk->lm->ops->top(walk->lm, walk->state, walk->count, false, &top);
    for (size_t i = 0; i < walk->count; i++)
        walk->tops[i] = i < top.count ? (struct generate_alternative){top.best[i].token,
                                                                      top.best[i].logprob}
                                      : (struct generate_alternative){0, -INFINITY};
    return code;
}

static enum err walk_advance(struct walk *walk, uint32_t token)
{
    return walk->lm->ops->advance(walk->lm, 1, &walk->state, &token);
}

/* Where the text of token i ends: before the blanks that lead to the next one. */
static size_t token_end(const struct score_result *scored, size_t i, struct span prompt)
{
    if (i + 1 == scored->token_count)
        return prompt.size;
    size_t start = scored->tokens[i].offset, end = scored->tokens[i + 1].offset;
    size_t next = end;
    while (end > start && (unsigned char)prompt.bytes[end - 1] <= ' ')
        end--;
    return end > start ? end : next;
}

enum err completion_add_prompt(struct completion_logprobs *list,
                               const struct target *target, struct span prompt,
                               size_t tops)
{
    struct score_options options = {.bos = true, .tokens = true};
    struct score_answer answer = {0};
    struct walk walk;
    size_t start = 0;
    enum err code = infer_score(target, &options, &prompt, 1, &answer, NULL);
    if (code)
        return code;
    code = walk_init(&walk, target->lm, tops);
    if (code) {
        score_answer_fini(&answer);
        return code;
    }
    const struct score_result *scored = &answer.results[0];
    for (size_t i = 0; i < scored->token_count && !code; i++) {
        size_t end = token_end(scored, i, prompt);
        struct generate_alternative taken = {
            scored->tokens[i].token, i == 0 ? NAN : (float)scored->tokens[i].logprob};
        code = walk_tops(&walk);
        if (!code)
            completion_logprobs_add(list, target->vocab,
                                    span_of(prompt.bytes + start, end - start), taken,
                                    walk.tops, tops);
        if (!code && tops > 0)
            code = walk_advance(&walk, scored->tokens[i].token);
        start = end;
    }
    walk_fini(&walk);
    score_answer_fini(&answer);
    return code;
}

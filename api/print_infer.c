/* SPDX-License-Identifier: MIT */
/* The one mapping from results of inference to JSON. It prints straight into a buffer:
 * these answers are the hot path, and a tree of JSON values in between would cost more
 * than the model. Log-probabilities of single tokens are floats and printed as such;
 * sums are doubles. */
#include "api/print_infer.h"

#include <math.h>
#include <stdio.h>

struct log_base log_base_of(int base)
{
    return (struct log_base){base, base == 2 ? 1 / M_LN2 : base == 10 ? 1 / M_LN10 : 1};
}

void print_log_base(struct printer *p, const struct log_base *base)
{
    if (base->base)
        printer_key_integer(p, "log_base", base->base);
    else
        printer_key_text(p, "log_base", "e");
}

void print_finite(struct printer *p, const char *key, double value)
{
    printer_key_number(p, key, value);
    if (!isfinite(value)) {
        char flag[80];
        (void)snprintf(flag, sizeof flag, "%.60s_%s", key,
                       isnan(value) ? "undefined" : "infinite");
        printer_key_flag(p, flag, true);
    }
}

void print_log(struct printer *p, const char *key, double natural,
               const struct log_base *base)
{
    print_finite(p, key, natural * base->scale);
}

/* A token's own log-probability: a float needs fewer digits. */
static void print_log_float(struct printer *p, const char *key, float natural,
                            const struct log_base *base)
{
    if (!isfinite(natural)) {
        print_finite(p, key, (double)natural);
        return;
    }
    printer_key(p, key);
    printer_float(p, base->base ? (float)((double)natural * base->scale) : natural);
}

void print_sums(struct printer *p, const struct score_sums *sums,
                const struct log_base *base)
{
    print_log(p, "logprob", sums->logprob, base);
    print_log(p, "logprob_no_oov", sums->logprob_no_oov, base);
    printer_key_integer(p, "tokens_scored", (int64_t)sums->tokens_scored);
    printer_key_integer(p, "oov_count", (int64_t)sums->oov_count);
    print_finite(p, "perplexity", sums->perplexity);
    print_finite(p, "perplexity_no_oov", sums->perplexity_no_oov);
    print_finite(p, "bits_per_token", sums->bits_per_token);
}

void print_score_tokens(struct printer *p, const struct score_result *result,
                        const struct vocab *vocab, const struct log_base *base)
{
    (void)vocab;
    printer_key(p, "tokens");
    printer_open(p, '[');
    for (size_t i = 0; i < result->token_count; i++) {
        const struct score_token *token = &result->tokens[i];
        printer_open(p, '{');
        printer_key(p, "token");
        printer_span(p, token->text);
        printer_key_integer(p, "id", token->token);
        print_log_float(p, "logprob", token->logprob, base);
        printer_key_flag(p, "oov", token->oov);
        printer_key(p, "order");
        if (token->order)
            printer_integer(p, token->order);
        else
            printer_null(p);
        printer_close(p, '}');
    }
    printer_close(p, ']');
}

static void print_next_words(struct printer *p, const struct next_answer *answer,
                             const struct log_base *base)
{
    printer_key(p, "words");
    printer_open(p, '[');
    for (size_t i = 0; i < answer->word_count; i++) {
        const struct next_word *word = &answer->words[i];
        printer_open(p, '{');
        printer_key(p, "token");
        printer_span(p, word->word);
        printer_key_number(p, "prob", word->probability);
        print_log(p, "logprob", word->logprob, base);
        printer_key_flag(p, "oov", word->oov);
        printer_key_integer(p, "tokens", (int64_t)word->tokens);
        printer_close(p, '}');
    }
    printer_close(p, ']');
}

void print_next(struct printer *p, const struct next_answer *answer,
                const struct vocab *vocab, const struct log_base *base)
{
    printer_key(p, "predictions");
    printer_open(p, '[');
    for (size_t i = 0; i < answer->count; i++) {
        const struct next_prediction *prediction = &answer->predictions[i];
        printer_open(p, '{');
        printer_key(p, "token");
        printer_span(p, vocab_word(vocab, prediction->token));
        printer_key_integer(p, "id", prediction->token);
        printer_key_number(p, "prob", prediction->probability);
        print_log(p, "logprob", prediction->logprob, base);
        printer_close(p, '}');
    }
    printer_close(p, ']');
    print_next_words(p, answer, base);
    printer_key_number(p, "other_mass", answer->other_mass);
    print_finite(p, "entropy_bits", answer->entropy_bits);
    printer_key_integer(p, "context_tokens", (int64_t)answer->context_tokens);
    printer_key_integer(p, "context_used", (int64_t)answer->context_used);
    printer_key(p, "oov");
    printer_open(p, '[');
    for (size_t i = 0; i < answer->oov_count; i++)
        printer_span(p, answer->oov[i]);
    printer_close(p, ']');
}

void print_rescore(struct printer *p, const struct rescore_answer *answer,
                   const struct log_base *base)
{
    printer_key(p, "candidates");
    printer_open(p, '[');
    for (size_t i = 0; i < answer->count; i++) {
        const struct rescore_candidate *candidate = &answer->candidates[i];
        printer_open(p, '{');
        printer_key_integer(p, "index", (int64_t)i);
        print_log(p, "lm_logprob", candidate->lm_logprob, base);
        print_log(p, "channel_logprob", candidate->channel_logprob, base);
        print_log(p, "score", candidate->score, base);
        print_finite(p, "posterior", candidate->posterior);
        printer_key_integer(p, "words", (int64_t)candidate->words);
        printer_key_integer(p, "rank", (int64_t)candidate->rank);
        printer_close(p, '}');
    }
    printer_close(p, ']');
    print_log(p, "log_evidence", answer->log_evidence, base);
    printer_key_integer(p, "best", (int64_t)answer->best);
}

void print_output(struct printer *p, const struct generate_output *output,
                  const struct vocab *vocab, bool logprobs, const struct log_base *base)
{
    printer_open(p, '{');
    printer_key(p, "text");
    printer_span(p, span_of(output->text, output->size));
    printer_key(p, "tokens");
    printer_open(p, '[');
    for (size_t i = 0; i < output->token_count; i++) {
        printer_open(p, '{');
        printer_key(p, "token");
        printer_span(p, vocab_word(vocab, output->tokens[i].token));
        printer_key_integer(p, "id", output->tokens[i].token);
        if (logprobs)
            print_log_float(p, "logprob", output->tokens[i].logprob, base);
        printer_close(p, '}');
    }
    printer_close(p, ']');
    printer_key_text(p, "finish_reason", generate_finish_names[output->finish]);
    print_log(p, "logprob", output->logprob, base);
    printer_close(p, '}');
}

void print_usage(struct printer *p, size_t prompt_tokens, size_t output_tokens)
{
    printer_key(p, "usage");
    printer_open(p, '{');
    printer_key_integer(p, "prompt_tokens", (int64_t)prompt_tokens);
    printer_key_integer(p, "completion_tokens", (int64_t)output_tokens);
    printer_key_integer(p, "total_tokens", (int64_t)(prompt_tokens + output_tokens));
    printer_close(p, '}');
}

void print_evaluation(struct printer *p, const struct evaluation *evaluation,
                      const struct log_base *base)
{
    print_log(p, "logprob", evaluation->logprob, base);
    print_log(p, "logprob_no_oov", evaluation->logprob_no_unk, base);
    printer_key_integer(p, "tokens_scored", (int64_t)evaluation->tokens);
    printer_key_integer(p, "oov_count", (int64_t)evaluation->unk);
    printer_key_integer(p, "segments", (int64_t)evaluation->segments);
    print_finite(p, "perplexity", evaluation->perplexity);
    print_finite(p, "perplexity_no_oov", evaluation->perplexity_no_unk);
    print_finite(p, "bits_per_token", log2(evaluation->perplexity));
}

void print_token_list(struct printer *p, const struct token_list *tokens,
                      struct span text, const struct vocab *vocab)
{
    printer_key(p, "tokens");
    printer_open(p, '[');
    for (size_t i = 0; i < tokens->count; i++) {
        size_t start = tokens->offsets[i];
        size_t end = i + 1 < tokens->count ? tokens->offsets[i + 1] : text.size;
        while (end > start && (unsigned char)text.bytes[end - 1] <= ' ')
            end--; /* an unknown word is shown as it stands in the text */
        printer_open(p, '{');
        printer_key_integer(p, "id", tokens->ids[i]);
        printer_key(p, "token");
        printer_span(p, tokens->oov[i] ? span_of(text.bytes + start, end - start)
                                       : vocab_word(vocab, tokens->ids[i]));
        printer_key_integer(p, "offset", (int64_t)start);
        printer_key_flag(p, "oov", tokens->oov[i] != 0);
        printer_close(p, '}');
    }
    printer_close(p, ']');
}

void print_timing(struct printer *p, double queue_seconds, double compute_seconds)
{
    printer_key(p, "timing");
    printer_open(p, '{');
    /* Whole microseconds: more digits would say nothing. */
    printer_key_number(p, "queue_s", (double)(int64_t)(queue_seconds * 1e6) / 1e6);
    printer_key_number(p, "compute_s", (double)(int64_t)(compute_seconds * 1e6) / 1e6);
    printer_close(p, '}');
}

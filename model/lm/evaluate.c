/* SPDX-License-Identifier: MIT */
/* Perplexity of a corpus: the log-probabilities of all its tokens, </s> included, summed
 * in double precision by each thread and then over the threads in order. */
#include "model/lm/evaluate.h"

#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "model/lm/lm_stream.h"
#include "model/lm/scan.h"
#include "model/text/vocab.h"

struct sums {
    double logprob, logprob_unk;
    uint64_t tokens, unk, segments;
    char apart[24]; /* a cache line each: threads do not disturb each other */
};

struct evaluating {
    const struct lm *lm;
    struct lm_stream *stream; /* or NULL: segment by segment */
    struct sums sums[PARALLEL_THREADS_MAX];
};

static enum err visit(void *context, const struct scan_batch *batch)
{
    struct evaluating *evaluating = context;
    struct sums *sums = &evaluating->sums[batch->thread];
    const struct lm *lm = evaluating->lm;
    enum err code =
        evaluating->stream
            ? lm_stream_score(evaluating->stream, batch->segments, batch->segment_count)
            : lm->ops->score(lm, batch->segments, batch->segment_count);
    if (code)
        return code;
    double all = 0, unk = 0;
    for (size_t i = 0; i < batch->token_count; i++) {
        double logprob = (double)batch->logprobs[i];
        if (batch->ids[i] == VOCAB_UNK) {
            unk += logprob;
            sums->unk++;
        } else {
            all += logprob;
        }
    }
    sums->logprob += all;
    sums->logprob_unk += unk;
    sums->tokens += batch->token_count;
    sums->segments += batch->segment_count;
    return ERR_OK;
}

static double perplexity(double logprob, uint64_t tokens)
{
    return tokens > 0 ? exp(-logprob / (double)tokens) : (double)NAN;
}

enum err evaluate_perplexity(const struct lm *lm, const struct tokenizer *tokenizer,
                             const struct vocab *vocab, struct span text,
                             unsigned threads, const struct progress *progress,
                             struct evaluation *evaluation)
{
    return evaluate_in_order(lm, tokenizer, vocab, text, NULL, threads, progress,
                             evaluation);
}

enum err evaluate_in_order(const struct lm *lm, const struct tokenizer *tokenizer,
                           const struct vocab *vocab, struct span text,
                           const struct lm_stream_options *options, unsigned threads,
                           const struct progress *progress, struct evaluation *evaluation)
{
    struct evaluating evaluating = {.lm = lm};
    struct scan scan = {.tokenizer = tokenizer,
                        .vocab = vocab,
                        .text = text,
                        .threads = lm_stream_wanted(options) ? 1 : threads,
                        .progress = progress,
                        .phase = "evaluating",
                        .slow = !lm->cheap,
                        .visit = visit,
                        .context = &evaluating};
    memset(evaluation, 0, sizeof *evaluation);
    enum err code = lm_stream_wanted(options)
                        ? lm_stream_open(lm, options, &evaluating.stream)
                        : ERR_OK;
    if (!code)
        code = scan_run(&scan);
    lm_stream_free(evaluating.stream);
    if (code)
        return code;
    for (size_t i = 0; i < PARALLEL_THREADS_MAX; i++) {
        const struct sums *sums = &evaluating.sums[i];
        evaluation->logprob_no_unk += sums->logprob;
        evaluation->logprob += sums->logprob + sums->logprob_unk;
        evaluation->tokens += sums->tokens;
        evaluation->unk += sums->unk;
        evaluation->segments += sums->segments;
    }
    evaluation->perplexity = perplexity(evaluation->logprob, evaluation->tokens);
    evaluation->perplexity_no_unk =
        perplexity(evaluation->logprob_no_unk, evaluation->tokens - evaluation->unk);
    return ERR_OK;
}

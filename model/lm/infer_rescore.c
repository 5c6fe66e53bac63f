/* SPDX-License-Identifier: MIT */
/* The noisy channel: candidates with the probability of the signal given each, weighed
 * by how likely the language model finds them. Everything stays in logarithms; posteriors
 * are a softmax taken around the largest score. A probability of 0 stays exactly 0. */
#include "model/lm/infer_rescore.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/lm/infer_score.h"

static enum err check(const struct rescore_input *inputs, size_t count, double lm_weight,
                      double word_bonus, struct err_info *info)
{
    if (count == 0)
        return err_set_field(info, ERR_INVALID, "/candidates",
                             "candidates must hold at least one text");
    if (!isfinite(lm_weight) || lm_weight < 0)
        return err_set_field(info, ERR_INVALID, "/lm_weight",
                             "lm_weight must be a number of at least 0 (default: 1)");
    if (!isfinite(word_bonus))
        return err_set_field(info, ERR_INVALID, "/word_bonus",
                             "word_bonus must be a finite number (default: 0)");
    for (size_t i = 0; i < count; i++)
        if (isnan(inputs[i].channel_logprob) || inputs[i].channel_logprob == INFINITY) {
            char pointer[64];
            snprintf(pointer, sizeof pointer, "/candidates/%zu/channel_logprob", i);
            return err_set_field(info, ERR_INVALID, pointer,
                                 "channel_logprob must be a finite number");
        }
    return ERR_OK;
}

static enum err score_texts(const struct target *target,
                            const struct rescore_input *inputs, size_t count,
                            struct score_answer *scores, struct err_info *info)
{
    struct score_options options = {.bos = true, .eos = true, .oov = SCORE_OOV_UNK};
    struct span *texts = memory_new_array(count, sizeof *texts);
    if (!texts)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        texts[i] = inputs[i].text;
    enum err code = infer_score(target, &options, texts, count, scores, info);
    free(texts);
    return code;
}

/* Posteriors and the evidence from the scores. */
static void normalise(struct rescore_answer *answer)
{
    double largest = -INFINITY, sum = 0;
    for (size_t i = 0; i < answer->count; i++)
        largest = fmax(largest, answer->candidates[i].score);
    for (size_t i = 0; i < answer->count; i++)
        sum += exp(answer->candidates[i].score - largest);
    bool possible = largest > -INFINITY;
    answer->log_evidence = possible ? largest + log(sum) : -INFINITY;
    for (size_t i = 0; i < answer->count; i++) {
        struct rescore_candidate *candidate = &answer->candidates[i];
        candidate->posterior =
            possible ? exp(candidate->score - largest) / sum : (double)NAN;
    }
}

static int compare_candidates(const void *a, const void *b)
{
    const struct rescore_candidate *left = *(struct rescore_candidate *const *)a;
    const struct rescore_candidate *right = *(struct rescore_candidate *const *)b;
    if (left->score != right->score)
        return left->score > right->score ? -1 : 1;
    return left < right ? -1 : left > right; /* both lie in the given order */
}

static enum err rank(struct rescore_answer *answer)
{
    struct rescore_candidate **order = memory_new_array(answer->count, sizeof *order);
    if (!order)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < answer->count; i++)
        order[i] = &answer->candidates[i];
    qsort(order, answer->count, sizeof *order, compare_candidates);
    for (size_t i = 0; i < answer->count; i++)
        order[i]->rank = i + 1;
    answer->best = (size_t)(order[0] - answer->candidates);
    free(order);
    return ERR_OK;
}

enum err infer_rescore(const struct target *target, const struct rescore_input *inputs,
                       size_t count, double lm_weight, double word_bonus,
                       struct rescore_answer *answer, struct err_info *info)
{
    struct score_answer scores = {0};
    memset(answer, 0, sizeof *answer);
    enum err code = check(inputs, count, lm_weight, word_bonus, info);
    if (!code)
        code = score_texts(target, inputs, count, &scores, info);
    if (!code) {
        answer->candidates = memory_new_array(count, sizeof *answer->candidates);
        code = answer->candidates ? ERR_OK : ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < count && !code; i++) {
        const struct score_sums *sums = &scores.results[i].sums;
        struct rescore_candidate *candidate = &answer->candidates[answer->count++];
        candidate->lm_logprob = sums->logprob;
        candidate->channel_logprob = inputs[i].channel_logprob;
        candidate->words = sums->tokens_scored - 1;
        candidate->score = candidate->channel_logprob +
                           word_bonus * (double)candidate->words +
                           (lm_weight > 0 ? lm_weight * sums->logprob : 0);
    }
    if (!code) {
        normalise(answer);
        code = rank(answer);
    }
    score_answer_fini(&scores);
    if (code)
        rescore_answer_fini(answer);
    return err_finish(info, code);
}

void rescore_answer_fini(struct rescore_answer *answer)
{
    free(answer->candidates);
    memset(answer, 0, sizeof *answer);
}

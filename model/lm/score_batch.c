/* SPDX-License-Identifier: MIT */
/* Gathering inputs and adding up what they got. The tokens of all inputs lie in shared
 * arrays, so that an input costs no allocation and the model sees one long batch. */
#include "model/lm/score_batch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

void score_batch_init(struct score_batch *batch, const struct target *target,
                      const struct score_options *options)
{
    *batch = (struct score_batch){.target = target, .options = *options};
}

void score_batch_fini(struct score_batch *batch)
{
    free(batch->ids);
    free(batch->oov);
    free(batch->offsets);
    free(batch->logprobs);
    free(batch->orders);
    free(batch->places);
    free(batch->segments);
    token_list_fini(&batch->list);
}

void score_batch_clear(struct score_batch *batch)
{
    batch->count = batch->inputs = 0;
}

static enum err grow(struct score_batch *batch, size_t tokens)
{
    size_t needed = batch->count + tokens;
    enum err code =
        memory_grow(&batch->ids, &batch->ids_capacity, needed, sizeof *batch->ids);
    if (!code)
        code = memory_grow(&batch->oov, &batch->oov_capacity, needed, sizeof *batch->oov);
    if (!code && batch->options.tokens)
        code = memory_grow(&batch->offsets, &batch->offsets_capacity, needed,
                           sizeof *batch->offsets);
    if (!code)
        code = memory_grow(&batch->places, &batch->places_capacity, batch->inputs + 1,
                           sizeof *batch->places);
    return code;
}

static void put_end(struct score_batch *batch, size_t place, size_t offset)
{
    batch->ids[place] = VOCAB_EOS;
    batch->oov[place] = 0;
    if (batch->options.tokens)
        batch->offsets[place] = offset;
}

enum err score_batch_add(struct score_batch *batch, struct span text)
{
    struct token_list *list = &batch->list;
    enum err code =
        token_list_encode(list, batch->target->tokenizer, batch->target->vocab, text);
    if (!code)
        code = grow(batch, list->count + 1);
    if (code)
        return code;
    struct score_place *place = &batch->places[batch->inputs++];
    *place = (struct score_place){.first = batch->count, .count = list->count};
    for (size_t i = 0; i < list->count; i++)
        place->oov_count += list->oov[i];
    if (list->count > 0) {
        memcpy(batch->ids + batch->count, list->ids, list->count * sizeof *list->ids);
        memcpy(batch->oov + batch->count, list->oov, list->count);
        if (batch->options.tokens)
            memcpy(batch->offsets + batch->count, list->offsets,
                   list->count * sizeof *list->offsets);
    }
    if (batch->options.eos)
        put_end(batch, batch->count + place->count++, text.size);
    batch->count += place->count;
    return ERR_OK;
}

enum err score_batch_run(struct score_batch *batch)
{
    enum err code = memory_grow(&batch->logprobs, &batch->logprobs_capacity, batch->count,
                                sizeof *batch->logprobs);
    if (!code && batch->options.tokens)
        code = memory_grow(&batch->orders, &batch->orders_capacity, batch->count,
                           sizeof *batch->orders);
    if (!code)
        code = memory_grow(&batch->segments, &batch->segments_capacity, batch->inputs,
                           sizeof *batch->segments);
    if (code || batch->inputs == 0)
        return code;
    for (size_t i = 0; i < batch->inputs; i++) {
        size_t first = batch->places[i].first;
        batch->segments[i] = (struct lm_segment){
            .tokens = batch->ids + first,
            .count = batch->places[i].count,
            .bos = batch->options.bos,
            .logprobs = batch->logprobs + first,
            .orders = batch->options.tokens ? batch->orders + first : NULL};
    }
    const struct lm *lm = batch->target->lm;
    return lm->ops->score(lm, batch->segments, batch->inputs);
}

void score_batch_sums(const struct score_batch *batch, size_t input,
                      struct score_sums *sums)
{
    const struct score_place *place = &batch->places[input];
    const float *logprobs = batch->logprobs + place->first;
    double known = 0, unknown = 0;
    if (place->oov_count == 0) {
        for (size_t i = 0; i < place->count; i++)
            known += (double)logprobs[i];
    } else {
        for (size_t i = 0; i < place->count; i++)
            *(batch->oov[place->first + i] ? &unknown : &known) += (double)logprobs[i];
    }
    bool skip = batch->options.oov == SCORE_OOV_SKIP;
    *sums = (struct score_sums){.logprob = skip ? known : known + unknown,
                                .logprob_no_oov = known,
                                .tokens_scored = place->count,
                                .oov_count = place->oov_count};
    if (skip)
        sums->tokens_scored -= place->oov_count;
    sums->tokens_known = place->count - place->oov_count;
    score_sums_finish(sums);
}

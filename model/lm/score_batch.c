/* SPDX-License-Identifier: MIT */
/* Gathering inputs and adding up what they got. The tokens of all inputs lie in shared
 * arrays, so that an input costs no allocation and the model sees one long batch.
 *
 * Lines of a stream take the encoder's fast path, a block at once. It leaves out blank
 * lines and does not say which words are unknown; the first are put back here, and a line
 * with more <unk> than it spells out is encoded a second time. Where the encoder cuts
 * otherwise than at line ends, the lines are added one by one. */
#include "model/lm/score_batch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/lm/lm_stream.h"

enum err score_batch_init(struct score_batch *batch, const struct target *target,
                          const struct score_options *options)
{
    *batch = (struct score_batch){.target = target, .options = *options};
    return lm_stream_wanted(options->stream)
               ? lm_stream_open(target->lm, options->stream, &batch->stream)
               : ERR_OK;
}

void score_batch_fini(struct score_batch *batch)
{
    lm_stream_free(batch->stream);
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

static enum err grow(struct score_batch *batch, size_t tokens, size_t inputs)
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
        code = memory_grow(&batch->places, &batch->places_capacity,
                           batch->inputs + inputs, sizeof *batch->places);
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
        code = grow(batch, list->count + 1, 1);
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

/* ---- blocks of lines ---- */

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_blank(struct span line)
{
    size_t i = 0;
    while (i < line.size && is_space(line.bytes[i]))
        i++;
    return i == line.size;
}

/* How often "<unk>" stands between spaces in a line. */
static size_t count_spelled_out(struct span line)
{
    static const char unk[] = "<unk>";
    enum { SIZE = sizeof unk - 1 };
    const char *end = line.bytes + line.size, *at = line.bytes;
    size_t count = 0;
    while ((at = memmem(at, (size_t)(end - at), unk, SIZE)) != NULL) {
        bool left = at == line.bytes || is_space(at[-1]);
        at += SIZE;
        count += left && (at == end || is_space(*at));
    }
    return count;
}

/* Encodes a block behind the batch's ids; *end is where they end. */
static enum err encode_block(struct score_batch *batch, struct span block, size_t *end)
{
    struct encoder *encoder;
    size_t got = 1;
    *end = batch->count;
    enum err code =
        encoder_new(batch->target->tokenizer, batch->target->vocab, block, &encoder);
    while (!code && got > 0) {
        code = memory_grow(&batch->ids, &batch->ids_capacity, *end + 4096,
                           sizeof *batch->ids);
        if (!code)
            code = encoder_next(encoder, batch->ids + *end, batch->ids_capacity - *end,
                                &got);
        *end += code ? 0 : got;
    }
    encoder_free(encoder);
    return code;
}

/* Whether as many segments were encoded as there are lines with text. */
static bool one_segment_a_line(const struct score_batch *batch, size_t end,
                               const struct span *lines, size_t count)
{
    size_t segments = 0;
    for (size_t i = batch->count; i < end; i++)
        segments += batch->ids[i] == VOCAB_EOS;
    for (size_t i = 0; i < count; i++)
        segments -= !is_blank(lines[i]);
    return segments == 0;
}

/* Marks the unknown words of a line whose tokens are in place. */
static enum err mark_unknown(struct score_batch *batch, struct score_place *place,
                             struct span line)
{
    size_t unks = 0;
    for (size_t i = 0; i < place->count; i++)
        unks += batch->ids[place->first + i] == VOCAB_UNK;
    if (unks == 0 || unks == count_spelled_out(line))
        return ERR_OK;
    enum err code = token_list_encode(&batch->list, batch->target->tokenizer,
                                      batch->target->vocab, line);
    for (size_t i = 0; i < batch->list.count && i < place->count && !code; i++) {
        batch->oov[place->first + i] = batch->list.oov[i];
        place->oov_count += batch->list.oov[i];
    }
    return code;
}

/* Gives each line its tokens; `end` is where the encoded ones end. */
static enum err place_lines(struct score_batch *batch, size_t end,
                            const struct span *lines, size_t count)
{
    size_t next = batch->count;
    enum err code = ERR_OK;
    if (batch->oov)
        memset(batch->oov + next, 0, end - next + count);
    for (size_t i = 0; i < count && !code; i++) {
        struct score_place *place = &batch->places[batch->inputs++];
        *place = (struct score_place){.first = next};
        if (is_blank(lines[i])) { /* its </s> stands behind all others */
            place->first = end;
            place->count = batch->options.eos;
            batch->ids[end++] = VOCAB_EOS;
            continue;
        }
        while (batch->ids[next] != VOCAB_EOS)
            next++;
        place->count = next++ - place->first + batch->options.eos;
        code = mark_unknown(batch, place, lines[i]);
    }
    batch->count = end;
    return code;
}

static bool takes_fast_path(const struct score_batch *batch)
{
    const struct tokenizer_settings *settings =
        tokenizer_get_settings(batch->target->tokenizer);
    return settings->segment == SEGMENT_LINE && !batch->options.tokens &&
           (settings->unit == UNIT_WHITESPACE || settings->unit == UNIT_WORD);
}

enum err score_batch_add_lines(struct score_batch *batch, struct span block,
                               const struct span *lines, size_t count)
{
    size_t end;
    enum err code = ERR_OK;
    if (takes_fast_path(batch)) {
        code = encode_block(batch, block, &end);
        if (!code && one_segment_a_line(batch, end, lines, count)) {
            code = grow(batch, end - batch->count + count, count);
            return code ? code : place_lines(batch, end, lines, count);
        }
    }
    for (size_t i = 0; i < count && !code; i++)
        code = score_batch_add(batch, lines[i]);
    return code;
}

/* ---- running ---- */

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
    return batch->stream ? lm_stream_score(batch->stream, batch->segments, batch->inputs)
                         : lm->ops->score(lm, batch->segments, batch->inputs);
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

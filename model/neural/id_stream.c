/* SPDX-License-Identifier: MIT */
/* Mini-batches of a corpus. Recurrent models read as many places of it side by side as a
 * batch has rows and carry their state on; feed-forward models see its positions in a new
 * order each epoch, which is drawn anew from seed and epoch when training is resumed. */
#include "model/neural/id_stream.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static const double FRESH_SHARE = 0.1; /* of the chunks begin a text anew */

enum { BLOCK = 1 << 16 };

static enum err read_ids(struct id_stream *stream, struct encoder *encoder,
                         struct span text, const struct progress *progress)
{
    size_t capacity = 0, got;
    do {
        enum err code = memory_grow(&stream->ids, &capacity, stream->count + 1 + BLOCK,
                                    sizeof *stream->ids);
        if (!code)
            code = encoder_next(encoder, stream->ids + 1 + stream->count, BLOCK, &got);
        if (code)
            return code;
        stream->count += got;
        double part = (double)encoder_position(encoder) / (double)(text.size + 1);
        struct progress_report report = {.fraction = 0.01 * part, .phase = "counting"};
        if (progress_report(progress, &report) == PROGRESS_STOP)
            return ERR_CANCELLED;
    } while (got > 0);
    stream->ids[0] = VOCAB_EOS;
    return stream->count == 0                ? ERR_EMPTY_CORPUS
           : stream->count >= UINT32_MAX - 1 ? ERR_LIMIT
                                             : ERR_OK;
}

enum err id_stream_init(struct id_stream *stream, const struct tokenizer *tokenizer,
                        const struct vocab *vocab, struct span text,
                        const struct progress *progress)
{
    struct encoder *encoder;
    *stream = (struct id_stream){0};
    enum err code = encoder_new(tokenizer, vocab, text, &encoder);
    if (code)
        return code;
    code = read_ids(stream, encoder, text, progress);
    encoder_free(encoder);
    if (code)
        id_stream_fini(stream);
    return code;
}

void id_stream_fini(struct id_stream *stream)
{
    free(stream->ids);
    free(stream->positions);
    free(stream->order);
    *stream = (struct id_stream){0};
}

enum err id_stream_spread(struct id_stream *stream, size_t rows)
{
    stream->rows = rows;
    stream->positions = memory_new_array(rows, sizeof *stream->positions);
    if (!stream->positions)
        return ERR_NO_MEMORY;
    for (size_t row = 0; row < rows; row++)
        stream->positions[row] = (uint64_t)stream->count * row / rows;
    return ERR_OK;
}

/* Moves a sequence to the next place where a segment begins, if one is near. */
static bool skip_to_segment(const struct id_stream *stream, size_t most, uint64_t *at)
{
    for (size_t i = 0; i < most; i++) {
        uint64_t place = (*at + i) % stream->count;
        if (stream->ids[place] == VOCAB_EOS) {
            *at = place;
            return true;
        }
    }
    return false;
}

void id_stream_next(struct id_stream *stream, size_t steps, struct random *random,
                    uint32_t *inputs, uint32_t *targets, bool *fresh)
{
    for (size_t row = 0; row < stream->rows; row++) {
        uint64_t at = stream->positions[row];
        fresh[row] = random_uniform(random) < FRESH_SHARE &&
                     skip_to_segment(stream, 2 * steps, &at);
        for (size_t t = 0; t < steps; t++) {
            inputs[row * steps + t] = stream->ids[at];
            targets[row * steps + t] = stream->ids[at + 1];
            at = at + 1 == stream->count ? 0 : at + 1;
        }
        stream->positions[row] = at;
    }
}

static enum err draw_order(struct id_stream *stream, uint64_t seed, uint64_t epoch)
{
    struct random random;
    if (stream->order && stream->ordered_for == epoch + 1)
        return ERR_OK;
    if (!stream->order)
        stream->order = memory_new_array(stream->count, sizeof *stream->order);
    if (!stream->order)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < stream->count; i++)
        stream->order[i] = (uint32_t)i + 1;
    random_seed(&random, seed, 2000 + epoch);
    random_shuffle(&random, stream->order, stream->count);
    stream->ordered_for = epoch + 1;
    return ERR_OK;
}

static void fill_context(const struct id_stream *stream, size_t target, unsigned context,
                         uint32_t *input)
{
    bool inside = true;
    for (unsigned k = 1; k <= context; k++) {
        inside = inside && target >= k && stream->ids[target - k] != VOCAB_EOS;
        input[context - k] = inside ? stream->ids[target - k] : VOCAB_BOS;
    }
}

enum err id_stream_examples(struct id_stream *stream, uint64_t seed, uint64_t epoch,
                            uint64_t first, unsigned context, uint32_t *inputs,
                            uint32_t *targets)
{
    enum err code = draw_order(stream, seed, epoch);
    for (size_t row = 0; row < stream->rows && !code; row++) {
        size_t target = stream->order[(first + row) % stream->count];
        fill_context(stream, target, context, inputs + row * context);
        targets[row] = stream->ids[target];
    }
    return code;
}

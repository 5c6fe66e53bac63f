/* SPDX-License-Identifier: MIT */
/* Text to ids: blocks of words from the stream, looked up together. Ids that do not fit
 * the caller's block wait in the encoder. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/text/vocab_int.h"
#include "model/text/word_stream.h"

#define BLOCK_WORDS 512u

struct encoder {
    const struct vocab *vocab;
    struct word_stream *stream;
    size_t first, count; /* ready[first … count-1] wait to be taken */
    struct span words[BLOCK_WORDS];
    uint32_t ready[BLOCK_WORDS];
};

enum err encoder_new(const struct tokenizer *tokenizer, const struct vocab *vocab,
                     struct span text, struct encoder **out)
{
    *out = NULL;
    struct encoder *encoder = memory_new_array(1, sizeof *encoder);
    if (!encoder)
        return ERR_NO_MEMORY;
    encoder->vocab = vocab;
    enum err err = word_stream_new(tokenizer, text, &encoder->stream);
    if (err) {
        encoder_free(encoder);
        return err;
    }
    *out = encoder;
    return ERR_OK;
}

void encoder_free(struct encoder *encoder)
{
    if (!encoder)
        return;
    word_stream_free(encoder->stream);
    free(encoder);
}

enum err encoder_next(struct encoder *encoder, uint32_t *ids, size_t most, size_t *count)
{
    *count = 0;
    while (*count < most) {
        if (encoder->first == encoder->count) {
            encoder->first = 0;
            encoder->count =
                word_stream_next(encoder->stream, encoder->words, BLOCK_WORDS);
            if (encoder->count == 0)
                break;
            vocab_text_ids(encoder->vocab, encoder->words, encoder->count,
                           word_stream_limit(encoder->stream), encoder->ready);
        }
        size_t part = encoder->count - encoder->first;
        if (part > most - *count)
            part = most - *count;
        memcpy(ids + *count, encoder->ready + encoder->first, part * sizeof *ids);
        encoder->first += part;
        *count += part;
    }
    return ERR_OK;
}

size_t encoder_position(const struct encoder *encoder)
{
    return word_stream_position(encoder->stream);
}

/* SPDX-License-Identifier: MIT */
/* Fuzz target: any bytes are cut into tokens, counted, encoded and put together again
 * without harm, and any bytes are refused as a tokenizer or a vocabulary, or work as one.
 *
 * The first byte chooses the unit, the segments and lower case, its top two bits what the
 * rest is: a text, or a saved tokenizer or vocabulary. Beyond sanitizers this holds: a
 * token lies where it says, and char and bpe give the text back exactly. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "model/text/tokenizer.h"
#include "model/text/vocab.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TEXT_MAX ((size_t)1 << 16)

static void must(int holds)
{
    if (!holds)
        abort();
}

/* Walks the text as one segment and joins what comes. */
static void walk(const struct tokenizer *tokenizer, struct span text)
{
    const struct tokenizer_settings *settings = tokenizer_get_settings(tokenizer);
    bool exact = settings->unit == UNIT_CHAR || settings->unit == UNIT_BPE;
    struct token_cursor *cursor;
    struct token token;
    struct buffer joined;
    size_t end = 0;
    buffer_init(&joined, 4 * TEXT_MAX);
    if (token_cursor_new(tokenizer, text, true, &cursor) != ERR_OK)
        return;
    while (token_cursor_next(cursor, &token) == TOKEN_WORD) {
        must(token.text.size > 0 && token.offset >= end && token.offset < text.size);
        must(tokenizer_join(tokenizer, &token.text, 1, &joined) == ERR_OK);
        end = settings->lowercase ? token.offset : token.offset + token.text.size;
    }
    if (exact && !settings->lowercase)
        must(span_equal(text, span_of(joined.bytes, joined.size)));
    token_cursor_free(cursor);
    buffer_fini(&joined);
}

static void encode(const struct tokenizer *tokenizer, const struct vocab *vocab,
                   struct span text)
{
    struct encoder *encoder;
    struct token_list list = {0};
    uint32_t ids[256];
    size_t count = 1;
    if (encoder_new(tokenizer, vocab, text, &encoder) != ERR_OK)
        return;
    while (count > 0 && encoder_next(encoder, ids, 256, &count) == ERR_OK)
        for (size_t i = 0; i < count; i++)
            must(ids[i] < vocab_size(vocab));
    encoder_free(encoder);
    if (token_list_encode(&list, tokenizer, vocab, text) == ERR_OK && list.count > 0)
        must(list.offsets[list.count - 1] < text.size);
    token_list_fini(&list);
}

static void try_text(const struct tokenizer_settings *settings, struct span text)
{
    struct tokenizer *tokenizer;
    struct vocab *vocab;
    uint32_t near[3];
    if (tokenizer_train(settings, text, NULL, &tokenizer, NULL) != ERR_OK)
        return;
    walk(tokenizer, text);
    if (vocab_build(tokenizer, text, 1, NULL, &vocab, NULL) == ERR_OK) {
        encode(tokenizer, vocab, text);
        struct span start = span_of(text.bytes, text.size < 9 ? text.size : 9);
        must(vocab_near_spellings(vocab, start, near, 3) <= 3);
        vocab_free(vocab);
    }
    tokenizer_free(tokenizer);
}

static void try_tokenizer(struct span bytes)
{
    struct tokenizer *tokenizer;
    struct buffer saved;
    if (tokenizer_load(bytes, &tokenizer, NULL) != ERR_OK)
        return;
    buffer_init(&saved, bytes.size);
    must(tokenizer_save(tokenizer, &saved) == ERR_OK);
    must(span_equal(bytes, span_of(saved.bytes, saved.size)));
    walk(tokenizer, bytes);
    tokenizer_free(tokenizer);
    buffer_fini(&saved);
}

static void try_vocab(const struct tokenizer_settings *settings, struct span bytes)
{
    struct tokenizer *tokenizer;
    struct vocab *vocab;
    if (vocab_load(bytes, &vocab, NULL) != ERR_OK)
        return;
    for (uint32_t id = 0; id < vocab_size(vocab); id++)
        must(vocab_id(vocab, vocab_word(vocab, id)) == id);
    if (settings->unit != UNIT_BPE &&
        tokenizer_train(settings, bytes, NULL, &tokenizer, NULL) == ERR_OK) {
        encode(tokenizer, vocab, bytes);
        tokenizer_free(tokenizer);
    }
    vocab_free(vocab);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > TEXT_MAX)
        return 0;
    unsigned choice = data[0];
    struct tokenizer_settings settings = {
        .unit = (enum text_unit)(choice % 4),
        .segment = (enum text_segment)(choice / 4 % 4 % SEGMENT_COUNT),
        .lowercase = choice / 16 % 2,
        .min_count = 1 + choice / 32 % 2,
        .max_vocab = choice % 4 == UNIT_BPE ? 300 : 0,
    };
    char *copy = malloc(size); /* of its own size, so that a step beyond is seen */
    if (!copy)
        return 0;
    memcpy(copy, data + 1, size - 1);
    copy = realloc(copy, size > 1 ? size - 1 : 1);
    struct span bytes = span_of(copy, size - 1);
    if (choice < 128)
        try_text(&settings, bytes);
    else if (choice < 192)
        try_tokenizer(bytes);
    else
        try_vocab(&settings, bytes);
    free(copy);
    return 0;
}

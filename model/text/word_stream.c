/* SPDX-License-Identifier: MIT */
/* Blocks of words. White-space units run the scanner over one segment after the other;
 * the others ask a token cursor. Lower case is written into a block of the stream's own,
 * and a call ends early when that is full. */
#include "model/text/word_stream.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/text/lower.h"
#include "model/text/segment.h"
#include "model/text/tokenizer_int.h"
#include "model/text/whitespace.h"

#define LOWER_BLOCK ((size_t)1 << 17)
_Static_assert(LOWER_BLOCK >= WORD_STREAM_MIN * LOWER_SIZE(TOKEN_SIZE_MAX),
               "a smallest block of longest words fits");

struct word_stream {
    const struct tokenizer *tokenizer;
    struct span text;
    struct token_cursor *cursor; /* NULL for white space */
    struct whitespace_scanner scanner;
    size_t search; /* where the next segment is looked for */
    bool any;      /* the open segment gave a word */
    char *lower;   /* [LOWER_BLOCK] or NULL */
};

enum err word_stream_new(const struct tokenizer *tokenizer, struct span text,
                         struct word_stream **out)
{
    struct word_stream *stream = memory_new_array(1, sizeof *stream);
    enum err err = stream ? ERR_OK : ERR_NO_MEMORY;
    *out = NULL;
    if (err)
        return err;
    stream->tokenizer = tokenizer;
    stream->text = text.bytes ? text : span_of("", 0);
    if (tokenizer->settings.unit != UNIT_WHITESPACE)
        err = token_cursor_new(tokenizer, text, false, &stream->cursor);
    if (!err && tokenizer->settings.lowercase) {
        stream->lower = memory_new_array(LOWER_BLOCK, 1);
        err = stream->lower ? ERR_OK : ERR_NO_MEMORY;
    }
    if (err) {
        word_stream_free(stream);
        return err;
    }
    *out = stream;
    return ERR_OK;
}

void word_stream_free(struct word_stream *stream)
{
    if (!stream)
        return;
    token_cursor_free(stream->cursor);
    free(stream->lower);
    free(stream);
}

/* Words between white space, segment after segment. */
static size_t scan(struct word_stream *stream, struct span *words, size_t most)
{
    const char *limit = stream->text.bytes + stream->text.size;
    size_t count = 0;
    while (most - count > WHITESPACE_WORDS_MIN) {
        size_t got = whitespace_words(&stream->scanner, words + count, most - count - 1);
        count += got;
        stream->any |= got > 0;
        if (stream->scanner.next < stream->scanner.end)
            break; /* no room for another block */
        if (stream->any)
            words[count++] = span_of(NULL, 0);
        stream->any = false;
        struct span segment;
        if (!segment_next(stream->tokenizer->settings.segment, stream->text,
                          &stream->search, &segment))
            break;
        whitespace_start(&stream->scanner, segment, limit);
    }
    return count;
}

static size_t lower_words(struct word_stream *stream, struct span *words, size_t count)
{
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (words[i].size == 0)
            continue;
        char *place = stream->lower + used;
        size_t size = lower_token(words[i], place);
        words[i] = span_of(place, size);
        used += size;
    }
    return count;
}

/* Words of a cursor; those in lower case are copied before the next one overwrites. */
static size_t walk(struct word_stream *stream, struct span *words, size_t most)
{
    size_t count = 0, used = 0;
    struct token token;
    enum token_event event;
    while (count < most &&
           (event = token_cursor_next(stream->cursor, &token)) != TOKEN_TEXT_END) {
        if (event == TOKEN_SEGMENT_END) {
            words[count++] = span_of(NULL, 0);
            continue;
        }
        if (stream->lower) {
            memcpy(stream->lower + used, token.text.bytes, token.text.size);
            token.text.bytes = stream->lower + used;
            used += token.text.size;
        }
        words[count++] = token.text;
    }
    return count;
}

size_t word_stream_next(struct word_stream *stream, struct span *words, size_t most)
{
    size_t fits = LOWER_BLOCK / LOWER_SIZE(TOKEN_SIZE_MAX);
    if (stream->lower && most > fits)
        most = fits;
    if (stream->cursor)
        return walk(stream, words, most);
    size_t count = scan(stream, words, most);
    return stream->lower ? lower_words(stream, words, count) : count;
}

const char *word_stream_limit(const struct word_stream *stream)
{
    return stream->lower ? stream->lower + LOWER_BLOCK
                         : stream->text.bytes + stream->text.size;
}

size_t word_stream_position(const struct word_stream *stream)
{
    if (stream->cursor)
        return token_cursor_position(stream->cursor);
    return stream->scanner.next < stream->scanner.end
               ? (size_t)(stream->scanner.next - stream->text.bytes)
               : stream->search;
}

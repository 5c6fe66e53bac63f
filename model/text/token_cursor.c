/* SPDX-License-Identifier: MIT */
/* Walking a text token by token: segments from segment.c, and within a segment the rule
 * of the unit. The cursor has room of its own for one token or one piece in lower case;
 * it allocates nothing after its creation, so walking cannot fail. */
#include <stdlib.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "model/text/bpe_cache.h"
#include "model/text/lower.h"
#include "model/text/segment.h"
#include "model/text/tokenizer_int.h"
#include "model/text/whitespace.h"
#include "model/text/word_break.h"

/* From this size on a text repeats its pieces enough to remember them. */
#define CACHE_FROM ((size_t)1 << 15)

struct token_cursor {
    const struct tokenizer *tokenizer;
    struct span text;
    size_t search;    /* where the next segment is looked for */
    struct span rest; /* what is left of the open segment */
    bool whole, open, any;
    struct word_break breaks; /* UNIT_WORD */
    struct {                  /* UNIT_BPE: a piece and its tokens */
        struct span text;     /* in the text, or `lower` */
        size_t offset;        /* of the piece in the text */
        size_t at, next, count;
        uint8_t sizes[LOWER_SIZE(BPE_PIECE_MAX)];
        unsigned short origins[LOWER_SIZE(BPE_PIECE_MAX)];
    } piece;
    struct bpe_cache *cache; /* UNIT_BPE on long texts, else NULL */
    char lower[LOWER_SIZE(TOKEN_SIZE_MAX)];
};

enum err token_cursor_new(const struct tokenizer *tokenizer, struct span text, bool whole,
                          struct token_cursor **out)
{
    struct token_cursor *cursor = memory_new_array(1, sizeof *cursor);
    *out = cursor;
    if (!cursor)
        return ERR_NO_MEMORY;
    cursor->tokenizer = tokenizer;
    cursor->text = text.bytes ? text : span_of("", 0);
    cursor->whole = whole;
    if (tokenizer->bpe && text.size >= CACHE_FROM)
        cursor->cache = bpe_cache_new();
    return ERR_OK;
}

void token_cursor_free(struct token_cursor *cursor)
{
    if (cursor)
        bpe_cache_free(cursor->cache);
    free(cursor);
}

/* Opens the next segment. */
static bool open_segment(struct token_cursor *cursor)
{
    if (cursor->whole) {
        if (cursor->search > 0 || cursor->text.size == 0)
            return false;
        cursor->rest = cursor->text;
        cursor->search = cursor->text.size;
    } else if (!segment_next(cursor->tokenizer->settings.segment, cursor->text,
                             &cursor->search, &cursor->rest)) {
        return false;
    }
    cursor->open = true;
    cursor->any = false;
    word_break_start(&cursor->breaks);
    return true;
}

/* Takes `size` bytes off the front of the segment. */
static struct span take(struct token_cursor *cursor, size_t size)
{
    struct span taken = span_of(cursor->rest.bytes, size);
    cursor->rest.bytes += size;
    cursor->rest.size -= size;
    return taken;
}

static void skip_whitespace(struct token_cursor *cursor)
{
    size_t size;
    while ((size = whitespace_at(cursor->rest)) > 0)
        take(cursor, size);
}

static bool next_whitespace(struct token_cursor *cursor, struct span *token)
{
    skip_whitespace(cursor);
    if (cursor->rest.size == 0)
        return false;
    size_t size = 0, left = cursor->rest.size;
    while (size < left && size <= TOKEN_SIZE_MAX &&
           !whitespace_at(span_of(cursor->rest.bytes + size, left - size)))
        size++;
    if (size > TOKEN_SIZE_MAX)
        size = whitespace_cut(cursor->rest.bytes);
    *token = take(cursor, size);
    return true;
}

static bool next_char(struct token_cursor *cursor, struct span *token)
{
    uint32_t code_point;
    if (cursor->rest.size == 0)
        return false;
    size_t size = utf8_decode(cursor->rest, &code_point);
    *token = take(cursor, size ? size : 1);
    return true;
}

static bool next_word(struct token_cursor *cursor, struct span *token)
{
    skip_whitespace(cursor);
    if (cursor->rest.size == 0)
        return false;
    *token = take(cursor, word_break_next(&cursor->breaks, cursor->rest));
    return true;
}

/* Encodes the next piece of the segment. */
static bool next_piece(struct token_cursor *cursor)
{
    const struct tokenizer *tokenizer = cursor->tokenizer;
    if (cursor->rest.size == 0)
        return false;
    struct span piece = take(cursor, bpe_piece(cursor->rest));
    const char *limit = cursor->text.bytes + cursor->text.size;
    cursor->piece.offset = (size_t)(piece.bytes - cursor->text.bytes);
    if (tokenizer->settings.lowercase) {
        size_t size = lower_with_origins(piece, cursor->lower, cursor->piece.origins);
        piece = span_of(cursor->lower, size);
        limit = cursor->lower + sizeof cursor->lower;
    }
    cursor->piece.text = piece;
    cursor->piece.at = cursor->piece.next = 0;
    if (tokenizer->bpe) {
        cursor->piece.count = bpe_cache_encode(cursor->cache, tokenizer->bpe, piece,
                                               limit, cursor->piece.sizes);
    } else { /* before learning, a piece is one token */
        cursor->piece.sizes[0] = (uint8_t)piece.size;
        cursor->piece.count = 1;
    }
    return true;
}

static bool next_bpe(struct token_cursor *cursor, struct token *token)
{
    if (cursor->piece.next >= cursor->piece.count && !next_piece(cursor))
        return false;
    size_t size = cursor->piece.sizes[cursor->piece.next++], at = cursor->piece.at;
    token->text = span_of(cursor->piece.text.bytes + at, size);
    token->offset =
        cursor->piece.offset +
        (cursor->tokenizer->settings.lowercase ? cursor->piece.origins[at] : at);
    cursor->piece.at += size;
    return true;
}

static bool next_token(struct token_cursor *cursor, struct token *token)
{
    bool found;
    switch (cursor->tokenizer->settings.unit) {
    case UNIT_BPE:
        return next_bpe(cursor, token);
    case UNIT_WORD:
        found = next_word(cursor, &token->text);
        break;
    case UNIT_CHAR:
        found = next_char(cursor, &token->text);
        break;
    default:
        found = next_whitespace(cursor, &token->text);
        break;
    }
    if (!found)
        return false;
    token->offset = (size_t)(token->text.bytes - cursor->text.bytes);
    if (cursor->tokenizer->settings.lowercase) {
        size_t size = lower_token(token->text, cursor->lower);
        token->text = span_of(cursor->lower, size);
    }
    return true;
}

enum token_event token_cursor_next(struct token_cursor *cursor, struct token *token)
{
    *token = (struct token){{NULL, 0}, 0};
    while (cursor->open || open_segment(cursor)) {
        if (next_token(cursor, token)) {
            cursor->any = true;
            return TOKEN_WORD;
        }
        cursor->open = false;
        if (cursor->any) {
            token->offset = (size_t)(cursor->rest.bytes - cursor->text.bytes);
            return TOKEN_SEGMENT_END;
        }
    }
    token->offset = cursor->text.size;
    return TOKEN_TEXT_END;
}

size_t token_cursor_position(const struct token_cursor *cursor)
{
    return cursor->open ? (size_t)(cursor->rest.bytes - cursor->text.bytes)
                        : cursor->search;
}

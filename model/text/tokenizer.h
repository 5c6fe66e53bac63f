/* SPDX-License-Identifier: MIT */
/* From bytes to tokens and back. A tokenizer is immutable once made and may be shared by
 * threads. Text should be valid UTF-8 (base/utf8.h says where it is not); other bytes do
 * no harm and come back as they are. README.md says what the units make of a text. */
#ifndef FIRTH_MODEL_TEXT_TOKENIZER_H
#define FIRTH_MODEL_TEXT_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/progress.h"
#include "base/span.h"

/* No token has more bytes: a longer run is cut into several. */
#define TOKEN_SIZE_MAX 1024

enum text_unit { UNIT_WORD, UNIT_WHITESPACE, UNIT_CHAR, UNIT_BPE, UNIT_COUNT };
enum text_segment { SEGMENT_LINE, SEGMENT_SENTENCE, SEGMENT_DOCUMENT, SEGMENT_COUNT };

/* The "tokenizer" object of POST /train. */
struct tokenizer_settings {
    enum text_unit unit;
    enum text_segment segment;
    bool lowercase;
    uint32_t min_count; /* rarer words are <unk>; 1 keeps all */
    uint32_t max_vocab; /* words kept, the reserved not counted; 0: no limit. For bpe the
                           tokens learned, the 256 bytes included; 0: 8000 */
};

extern const char *const text_unit_names[]; /* in their order, then NULL */
extern const char *const text_segment_names[];

struct tokenizer;

/* New tokenizer learned from `text`: bpe learns its merges, the other units need no
 * learning and ignore the text. Free with tokenizer_free. */
MUST_CHECK enum err tokenizer_train(const struct tokenizer_settings *settings,
                                    struct span text, const struct progress *progress,
                                    struct tokenizer **out, struct err_info *info);
void tokenizer_free(struct tokenizer *tokenizer);

/* ERR_INVALID, and the field in `info`, where the settings do not go together. */
MUST_CHECK enum err tokenizer_check(const struct tokenizer_settings *settings,
                                    struct err_info *info);

const struct tokenizer_settings *
tokenizer_get_settings(const struct tokenizer *tokenizer);

/* The whole tokenizer as bytes for a model file, and back. The reader trusts nothing. */
struct buffer;
MUST_CHECK enum err tokenizer_save(const struct tokenizer *tokenizer,
                                   struct buffer *bytes);
MUST_CHECK enum err tokenizer_load(struct span bytes, struct tokenizer **out,
                                   struct err_info *info);

/* One token: a view into the text, or into the cursor's own small buffer when
 * lower-casing changed it; valid until the next call on the cursor. */
struct token {
    struct span text;
    size_t offset; /* byte offset of its first byte in the text given to the cursor */
};

enum token_event { TOKEN_WORD, TOKEN_SEGMENT_END, TOKEN_TEXT_END };

struct token_cursor;

/* New cursor over `text`. With `whole` the text is one segment however it is cut (an
 * inference input); otherwise segments end as the settings say. Empty segments are
 * skipped. Each segment ends with TOKEN_SEGMENT_END, the last one included. */
MUST_CHECK enum err token_cursor_new(const struct tokenizer *tokenizer, struct span text,
                                     bool whole, struct token_cursor **out);
void token_cursor_free(struct token_cursor *cursor);
enum token_event token_cursor_next(struct token_cursor *cursor, struct token *token);

/* Byte position reached in the text, for progress. */
size_t token_cursor_position(const struct token_cursor *cursor);

/* Joins tokens into text as the unit allows: char and bpe exactly, whitespace with one
 * space, word with the usual spacing of punctuation. Appends to `text`. More tokens only
 * add to the text of fewer. */
MUST_CHECK enum err tokenizer_join(const struct tokenizer *tokenizer,
                                   const struct span *tokens, size_t count,
                                   struct buffer *text);

#endif

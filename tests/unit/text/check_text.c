/* SPDX-License-Identifier: MIT */
/* What the tests of model/text share. */
#include "tests/unit/text/check_text.h"

#include <stdlib.h>

#include "base/utf8.h"
#include "tests/support/unit.h"

struct tokenizer *text_tokenizer(enum text_unit unit, enum text_segment segment,
                                 bool lowercase, struct span text)
{
    struct tokenizer_settings settings = {unit, segment, lowercase, 1, 0};
    struct tokenizer *tokenizer;
    if (unit == UNIT_BPE)
        settings.max_vocab = 300;
    ck_assert_int_eq(tokenizer_train(&settings, text, NULL, &tokenizer, NULL), ERR_OK);
    return tokenizer;
}

char *text_tokens(const struct tokenizer *tokenizer, struct span text, bool whole)
{
    struct buffer joined;
    struct token_cursor *cursor;
    struct token token;
    enum token_event event;
    bool first = true;
    buffer_init(&joined, 1u << 26);
    ck_assert_int_eq(token_cursor_new(tokenizer, text, whole, &cursor), ERR_OK);
    while ((event = token_cursor_next(cursor, &token)) != TOKEN_TEXT_END) {
        if (event == TOKEN_WORD && !first)
            buffer_append_char(&joined, '|');
        if (event == TOKEN_WORD)
            buffer_append(&joined, token.text.bytes, token.text.size);
        else
            buffer_append_char(&joined, '\n');
        first = event != TOKEN_WORD;
    }
    token_cursor_free(cursor);
    size_t size;
    char *result = buffer_release(&joined, &size);
    ck_assert_ptr_nonnull(result);
    return result;
}

char *text_tokens_of(enum text_unit unit, enum text_segment segment, bool lowercase,
                     const char *text)
{
    struct span span = span_of_text(text);
    struct tokenizer *tokenizer = text_tokenizer(unit, segment, lowercase, span);
    char *result = text_tokens(tokenizer, span, false);
    tokenizer_free(tokenizer);
    return result;
}

void text_random(struct random *random, size_t size, bool ascii, struct buffer *text)
{
    static const uint32_t special[] = {
        ' ',     ' ',    ' ',    '\n',   '\n',   '\t',   '\r',    '.',    ',',     '\'',
        '-',     ':',    '_',    '"',    '(',    '1',    '9',     0,      0x85,    0xa0,
        0x301,   0x1680, 0x2003, 0x2019, 0x2028, 0x3000, 0x4e2d,  0x3042, 0x1f600, 0x200d,
        0x1f1e9, 0x130,  0x23a,  0x3a3,  0x391,  0xe3,   0x10ffff};
    size_t specials = ascii ? 17 : sizeof special / sizeof *special;
    while (text->size < size) {
        char bytes[UTF8_SIZE_MAX];
        uint32_t code_point;
        uint64_t dice = random_below(random, 20);
        if (dice < 10)
            code_point = (uint32_t)('a' + random_below(random, 4));
        else if (dice < 12)
            code_point = (uint32_t)('A' + random_below(random, 26));
        else if (dice < 18 || ascii)
            code_point = special[random_below(random, specials)];
        else
            code_point = (uint32_t)(0x80 + random_below(random, 0xd000));
        buffer_append(text, bytes, utf8_encode(code_point, bytes));
    }
    ck_assert_int_eq(text->failed, ERR_OK);
}

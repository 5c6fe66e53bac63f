/* SPDX-License-Identifier: MIT */
#include "base/buffer.h"
#include "model/text/tokenizer_int.h"
enum err tokenizer_join(const struct tokenizer *tokenizer, const struct span *tokens,
                        size_t count, struct buffer *text)
{
    bool spaces = tokenizer->settings.unit == UNIT_WORD ||
                  tokenizer->settings.unit == UNIT_WHITESPACE;
    for (size_t i = 0; i < count; i++) {
        if (spaces && i > 0)
            buffer_append_char(text, ' ');
        buffer_append(text, tokens[i].bytes, tokens[i].size);
    }
    return text->failed;
}

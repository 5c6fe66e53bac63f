/* SPDX-License-Identifier: MIT */
/* Cutting a segment into the pieces within which bytes are merged. A piece is a run of
 * letters (with their marks), of digits, or of other characters, with the one space
 * before it; an apostrophe goes with the letters after it ("don", "'t"). White space
 * otherwise is a piece by itself and leaves its last space to what follows. Whatever the
 * bytes, pieces follow one another without a gap. */
#include "model/text/bpe.h"

#include <unictype.h>

#include "base/utf8.h"
#include "model/text/whitespace.h"

enum piece_class { LETTER, DIGIT, SPACE, OTHER };

static enum piece_class class_of_wide(uint32_t code_point)
{
    if (uc_is_general_category_withtable(code_point,
                                         UC_CATEGORY_MASK_L | UC_CATEGORY_MASK_M))
        return LETTER;
    return uc_is_general_category_withtable(code_point, UC_CATEGORY_MASK_N) ? DIGIT
                                                                            : OTHER;
}

/* The class of the character at the start of `text` (size > 0) and its size. */
static enum piece_class class_at(struct span text, size_t *size)
{
    unsigned char c = (unsigned char)text.bytes[0];
    uint32_t code_point;
    *size = 1;
    if ((unsigned char)((c | 32) - 'a') < 26)
        return LETTER;
    if ((unsigned char)(c - '0') < 10)
        return DIGIT;
    size_t space = whitespace_at(text);
    if (space > 0) {
        *size = space;
        return SPACE;
    }
    if (c < 0x80)
        return OTHER;
    *size = utf8_decode(text, &code_point);
    if (*size == 0) {
        *size = 1;
        return OTHER;
    }
    return class_of_wide(code_point);
}

static struct span after(struct span text, size_t size)
{
    return span_of(text.bytes + size, text.size - size);
}

/* The size of the run of one class at the start, no more than `most` bytes unless its
 * first character has more. */
static size_t run(struct span text, enum piece_class wanted, size_t most)
{
    size_t at = 0, size;
    while (at < text.size && class_at(after(text, at), &size) == wanted) {
        if (at > 0 && at + size > most)
            break;
        at += size;
    }
    return at;
}

size_t bpe_piece(struct span text)
{
    size_t first, size, prefix = 0;
    enum piece_class class = class_at(text, &first);
    if (class == SPACE) {
        size = run(text, SPACE, BPE_PIECE_MAX - UTF8_SIZE_MAX);
        if (size == text.size || text.bytes[size - 1] != ' ' ||
            class_at(after(text, size), &first) == SPACE)
            return size;
        if (size > 1)
            return size - 1;
        prefix = 1;
        class = class_at(after(text, 1), &first);
    } else if (text.bytes[0] == '\'' && text.size > 1 &&
               class_at(after(text, 1), &first) == LETTER) {
        prefix = 1;
        class = LETTER;
    }
    return prefix + run(after(text, prefix), class, BPE_PIECE_MAX - prefix);
}

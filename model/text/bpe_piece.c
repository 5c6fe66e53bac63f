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

enum piece_class { OTHER, LETTER, DIGIT, SPACE, WIDE };

/* Of single bytes; WIDE ones begin or continue a longer character. */
static const unsigned char classes[256] = {
    ['a' ... 'z'] = LETTER, ['A' ... 'Z'] = LETTER,  ['0' ... '9'] = DIGIT,
    [' '] = SPACE,          ['\t' ... '\r'] = SPACE, [0x80 ... 0xff] = WIDE,
};

static inline enum piece_class byte_class(struct span text, size_t at)
{
    return classes[(unsigned char)text.bytes[at]];
}

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
    uint32_t code_point;
    *size = 1;
    if (byte_class(text, 0) != WIDE)
        return byte_class(text, 0);
    size_t space = whitespace_at(text);
    if (space > 0) {
        *size = space;
        return SPACE;
    }
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
    size_t at = 0, size, end = text.size < most ? text.size : most;
    for (;;) {
        while (at < end && byte_class(text, at) == wanted)
            at++;
        if (at == text.size || byte_class(text, at) != WIDE ||
            class_at(after(text, at), &size) != wanted || (at > 0 && at + size > most))
            return at;
        at += size;
    }
}

/* The piece at the start where it is ASCII and ordinary, like almost all of English; 0
 * where it is not. */
static size_t plain_piece(struct span text)
{
    size_t at = text.bytes[0] == ' ', end = text.size;
    if (at == end || text.bytes[at] == '\'')
        return 0;
    enum piece_class class = byte_class(text, at);
    if (class == SPACE || class == WIDE)
        return 0;
    if (end > BPE_PIECE_MAX)
        end = BPE_PIECE_MAX;
    while (at < end && byte_class(text, at) == class)
        at++;
    return at == text.size || byte_class(text, at) != WIDE ? at : 0;
}

size_t bpe_piece(struct span text)
{
    size_t first, prefix = 0, size = plain_piece(text);
    if (size > 0)
        return size;
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

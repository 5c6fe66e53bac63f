/* SPDX-License-Identifier: MIT */
/* From tokens back to text. Characters and bpe tokens are put side by side, words between
 * white space get one space; only annex 29 words need judgement, because where spaces
 * were is not known any more. There each token has a class by its first character, and a
 * space is left out before what closes, after what opens, around what links, and between
 * the characters of scripts that are written without spaces. A straight quote opens and
 * closes in turn. */
#include <string.h>
#include <unictype.h>

#include "base/buffer.h"
#include "base/utf8.h"
#include "model/text/tokenizer_int.h"

enum shape {
    WORD,
    UNSPACED,
    OPENS,
    CLOSES,
    LINKS,
    HYPHEN,
    DASH,
    QUOTE,
    APOSTROPHE,
    APART
};

struct joint {
    enum shape shape;
    bool digit; /* a word that begins with a digit */
};

static bool in_range(uint32_t c, uint32_t low, uint32_t high)
{
    return c >= low && c <= high;
}

/* Han, kana and full-width forms; Thai, Lao, Myanmar, Khmer. */
static bool is_unspaced(uint32_t c)
{
    return in_range(c, 0x2e80, 0x30ff) || in_range(c, 0x3400, 0x9fff) ||
           in_range(c, 0xf900, 0xfaff) || in_range(c, 0xff00, 0xffef) ||
           in_range(c, 0x20000, 0x3ffff) || in_range(c, 0x0e00, 0x0eff) ||
           in_range(c, 0x1000, 0x109f) || in_range(c, 0x1780, 0x17ff);
}

static enum shape shape_of_ascii(char c, bool alone)
{
    if (c == '\'')
        return alone ? APOSTROPHE : CLOSES; /* "'s" belongs to the word before */
    if (c == '"')
        return QUOTE;
    if (c == '-')
        return alone ? HYPHEN : APART;
    if (c == '/' || c == '_')
        return LINKS;
    if (c != '\0' && strchr(".,!?;:)]}%", c))
        return CLOSES;
    if (c != '\0' && strchr("([{$#@", c))
        return OPENS;
    return (unsigned char)((c | 32) - 'a') < 26 || c == '<' ? WORD : APART;
}

static struct joint joint_of(struct span token)
{
    uint32_t c;
    size_t size = token.size ? utf8_decode(token, &c) : 0;
    if (size == 0)
        return (struct joint){APART, false};
    bool alone = size == token.size;
    if (in_range(c, '0', '9'))
        return (struct joint){WORD, true};
    if (c < 0x80)
        return (struct joint){shape_of_ascii((char)c, alone), false};
    if (c == 0x2019 && !alone)
        return (struct joint){CLOSES, false};
    if (c == 0x2010 || c == 0x2011)
        return (struct joint){HYPHEN, false};
    if (c == 0x2013)
        return (struct joint){DASH, false};
    if (is_unspaced(c))
        return (struct joint){UNSPACED, false};
    if (c == 0x2026 ||
        uc_is_general_category_withtable(c, UC_CATEGORY_MASK_Pe | UC_CATEGORY_MASK_Pf))
        return (struct joint){CLOSES, false};
    if (c == 0xbf || c == 0xa1 ||
        uc_is_general_category_withtable(c, UC_CATEGORY_MASK_Ps | UC_CATEGORY_MASK_Pi |
                                                UC_CATEGORY_MASK_Sc))
        return (struct joint){OPENS, false};
    return (struct joint){uc_is_property_alphabetic(c) ? WORD : APART, false};
}

/* Straight quotes become openers and closers in turn. */
static void turn(struct joint *joint, bool *double_open, bool *single_open)
{
    bool *open = joint->shape == QUOTE        ? double_open
                 : joint->shape == APOSTROPHE ? single_open
                                              : NULL;
    if (!open)
        return;
    joint->shape = *open ? CLOSES : OPENS;
    *open = !*open;
}

/* Does a space go between two tokens? `next` is what follows the second. */
static bool spaced(struct joint left, struct joint right, struct joint next)
{
    if (right.shape == CLOSES || right.shape == LINKS || left.shape == OPENS ||
        left.shape == LINKS)
        return false;
    if (right.shape == HYPHEN)
        return left.shape != WORD || next.shape != WORD;
    if (right.shape == DASH)
        return !left.digit || !next.digit;
    if (left.shape == DASH)
        return !right.digit;
    return left.shape != UNSPACED || right.shape != UNSPACED;
}

static enum err join_words(const struct span *tokens, size_t count, struct buffer *text)
{
    struct joint before = {APART, false}, left = {APART, false}, right, next;
    bool double_open = false, single_open = false;
    for (size_t i = 0; i < count; i++) {
        right = joint_of(tokens[i]);
        next = i + 1 < count ? joint_of(tokens[i + 1]) : (struct joint){APART, false};
        turn(&right, &double_open, &single_open);
        bool tight_hyphen =
            left.shape == HYPHEN && before.shape == WORD && right.shape == WORD;
        if (i > 0 && !tight_hyphen && spaced(left, right, next))
            buffer_append_char(text, ' ');
        buffer_append(text, tokens[i].bytes, tokens[i].size);
        before = left;
        left = right;
    }
    return text->failed;
}

enum err tokenizer_join(const struct tokenizer *tokenizer, const struct span *tokens,
                        size_t count, struct buffer *text)
{
    if (tokenizer->settings.unit == UNIT_WORD)
        return join_words(tokens, count, text);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && tokenizer->settings.unit == UNIT_WHITESPACE)
            buffer_append_char(text, ' ');
        buffer_append(text, tokens[i].bytes, tokens[i].size);
    }
    return text->failed;
}

/* SPDX-License-Identifier: MIT */
/* From tokens back to text. Characters and bpe tokens are put side by side, words between
 * white space get one space; only annex 29 words need judgement, because where spaces
 * were is not known any more. There each token has a shape by its first character, and a
 * space is left out before what closes, after what opens, around what links, and between
 * the characters of scripts that are written without spaces. A straight quote opens and
 * closes in turn; an apostrophe does too unless it ends a plural ("dogs'") or begins a
 * shortened word ("'tis").
 *
 * Nothing is judged by what follows, so that a text of more tokens always begins with the
 * text of fewer: an answer that is streamed depends on it. */
#include <string.h>
#include <strings.h>
#include <unictype.h>

#include "base/buffer.h"
#include "base/utf8.h"
#include "model/text/tokenizer_int.h"

enum shape {
    WORD,
    UNSPACED,
    OPENS,
    CLOSES,
    COLON,
    LINKS,
    HYPHEN,
    DASH,
    QUOTE,
    APOSTROPHE,
    APART
};

struct joint {
    enum shape shape;
    bool digit;  /* a word that begins with a digit */
    bool plural; /* a word that may be a plural: ends in s */
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
    if (c == ':')
        return COLON;
    if (c != '\0' && strchr(".,!?;)]}%", c))
        return CLOSES;
    if (c != '\0' && strchr("([{$#@", c))
        return OPENS;
    return (unsigned char)((c | 32) - 'a') < 26 || c == '<' ? WORD : APART;
}

static enum shape shape_of_wide(uint32_t c, bool alone)
{
    if (c == 0x2010 || c == 0x2011)
        return HYPHEN;
    if (c == 0x2013)
        return DASH;
    if (is_unspaced(c))
        return UNSPACED;
    if (c == 0x2026 || c == 0xb0 || (c == 0x2019 && !alone) ||
        uc_is_general_category_withtable(c, UC_CATEGORY_MASK_Pe | UC_CATEGORY_MASK_Pf))
        return CLOSES;
    if (c == 0xbf || c == 0xa1 ||
        uc_is_general_category_withtable(c, UC_CATEGORY_MASK_Ps | UC_CATEGORY_MASK_Pi |
                                                UC_CATEGORY_MASK_Sc))
        return OPENS;
    return uc_is_property_alphabetic(c) ? WORD : APART;
}

static struct joint joint_of(struct span token)
{
    uint32_t c;
    size_t size = token.size ? utf8_decode(token, &c) : 0;
    if (size == 0)
        return (struct joint){.shape = APART};
    bool alone = size == token.size;
    if (in_range(c, '0', '9'))
        return (struct joint){.shape = WORD, .digit = true};
    if (c >= 0x80)
        return (struct joint){.shape = shape_of_wide(c, alone)};
    return (struct joint){.shape = shape_of_ascii((char)c, alone),
                          .plural = !alone && token.bytes[token.size - 1] == 's'};
}

/* "'tis" and its like. */
static bool is_shortened(struct span word)
{
    static const char *const words[] = {"tis", "twas", "twere", "twill", "em", "til"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i]) == word.size &&
            strncasecmp(words[i], word.bytes, word.size) == 0)
            return true;
    return false;
}

/* What is remembered on the way through the tokens. */
struct joining {
    struct joint before, left; /* the last token but one, the last */
    bool double_open, single_open;
    bool apostrophe; /* the last token opened a single quote */
};

/* Straight quotes become openers and closers in turn. */
static void turn(struct joining *joining, struct joint *joint, struct span token)
{
    if (joining->apostrophe && is_shortened(token))
        joining->single_open = false;
    joining->apostrophe = false;
    if (joint->shape == QUOTE) {
        joint->shape = joining->double_open ? CLOSES : OPENS;
        joining->double_open = !joining->double_open;
    } else if (joint->shape == APOSTROPHE) {
        bool opens = !joining->single_open && !joining->left.plural;
        joint->shape = opens ? OPENS : CLOSES;
        joining->single_open = joining->apostrophe = opens;
    }
}

static bool holds_hyphen(struct joint joint)
{
    return joint.shape == WORD || joint.shape == HYPHEN;
}

/* Does a space go between the last token and the next, `right`? */
static bool spaced(const struct joining *joining, struct joint right)
{
    struct joint left = joining->left, before = joining->before;
    if (right.shape == CLOSES || right.shape == COLON || right.shape == LINKS ||
        left.shape == OPENS || left.shape == LINKS)
        return false;
    if (right.shape == HYPHEN) /* "well-", "--" */
        return !holds_hyphen(left);
    if (left.shape == HYPHEN) /* "well-known", "sir--I" */
        return !holds_hyphen(before) || right.shape != WORD;
    if (right.shape == DASH)
        return !left.digit;
    if (left.shape == DASH)
        return !before.digit;
    if (left.shape == COLON) /* "10:30" */
        return !before.digit || !right.digit;
    return left.shape != UNSPACED || right.shape != UNSPACED;
}

static enum err join_words(const struct span *tokens, size_t count, struct buffer *text)
{
    struct joining joining = {.before = {.shape = APART}, .left = {.shape = APART}};
    for (size_t i = 0; i < count; i++) {
        struct joint right = joint_of(tokens[i]);
        turn(&joining, &right, tokens[i]);
        if (i > 0 && spaced(&joining, right))
            buffer_append_char(text, ' ');
        buffer_append(text, tokens[i].bytes, tokens[i].size);
        joining.before = joining.left;
        joining.left = right;
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

/* SPDX-License-Identifier: MIT */
/* Lower-casing is code point by code point (the simple mapping of Unicode, through
 * libunistring), so that every byte of the result has one origin; the single rule with a
 * context is the Greek one: a capital sigma that ends a word becomes ς. ASCII, most of
 * most text, takes no look-up. */
#include "model/text/lower.h"

#include <stdbool.h>
#include <stdint.h>
#include <unicase.h>
#include <unictype.h>

#include "base/utf8.h"

#define CAPITAL_SIGMA 0x3a3u
#define SMALL_SIGMA 0x3c3u
#define FINAL_SIGMA 0x3c2u

static bool starts_with_letter(struct span text)
{
    uint32_t code_point;
    return text.size > 0 && utf8_decode(text, &code_point) > 0 &&
           uc_is_property_alphabetic(code_point);
}

static inline char lower_ascii(char c)
{
    return (unsigned char)(c - 'A') < 26 ? (char)(c + 32) : c;
}

/* Lower-cases the code point at `at`; `letter` says whether a letter came before. */
static size_t lower_one(struct span token, size_t at, bool *letter, char *bytes,
                        size_t *written)
{
    uint32_t code_point;
    size_t size = utf8_decode(span_of(token.bytes + at, token.size - at), &code_point);
    if (size == 0) {
        *bytes = token.bytes[at];
        *written = 1;
        return 1;
    }
    struct span rest = span_of(token.bytes + at + size, token.size - at - size);
    uint32_t lower = uc_tolower(code_point);
    if (code_point == CAPITAL_SIGMA)
        lower = *letter && !starts_with_letter(rest) ? FINAL_SIGMA : SMALL_SIGMA;
    *letter = uc_is_property_alphabetic(code_point);
    *written = utf8_encode(lower, bytes);
    return size;
}

size_t lower_token(struct span token, char *bytes)
{
    size_t at = 0, out = 0, written;
    bool letter = false;
    while (at < token.size) {
        char c = token.bytes[at];
        if ((unsigned char)c < 0x80) {
            bytes[out++] = lower_ascii(c);
            letter = (unsigned char)((c | 32) - 'a') < 26;
            at++;
            continue;
        }
        at += lower_one(token, at, &letter, bytes + out, &written);
        out += written;
    }
    return out;
}

size_t lower_with_origins(struct span token, char *bytes, unsigned short *origins)
{
    size_t at = 0, out = 0, written;
    bool letter = false;
    while (at < token.size) {
        size_t from = at;
        at += lower_one(token, at, &letter, bytes + out, &written);
        for (size_t i = 0; i < written; i++)
            origins[out + i] = (unsigned short)from;
        out += written;
    }
    return out;
}

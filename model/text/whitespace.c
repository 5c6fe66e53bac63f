/* SPDX-License-Identifier: MIT */
/* The scanner of the fast path. A block of 64 bytes becomes a mask with a bit for each
 * byte of white space; the mask shifted by one against itself gives the first byte of
 * each word and the first byte after each, and both are taken bit by bit: no decision is
 * made for a byte. Only blocks with bytes above ASCII are looked at for the seventeen
 * wider spaces, and only at the four lead bytes these have.
 *
 * A word that crosses blocks stays `open`. A run longer than TOKEN_SIZE_MAX is cut into
 * tokens of that size, so whoever takes words never meets an unbounded one. */
#include "model/text/whitespace.h"

#include <string.h>

#include "model/text/tokenizer.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define BLOCK 64u

static bool is_space(unsigned char c)
{
    return c == ' ' || (unsigned char)(c - '\t') < 5;
}

size_t whitespace_at(struct span text)
{
    const unsigned char *b = (const unsigned char *)text.bytes;
    if (text.size == 0)
        return 0;
    if (b[0] < 0x80)
        return is_space(b[0]);
    if (text.size >= 2 && b[0] == 0xc2)
        return b[1] == 0x85 || b[1] == 0xa0 ? 2 : 0;
    if (text.size < 3)
        return 0;
    bool space = false;
    if (b[0] == 0xe1)
        space = b[1] == 0x9a && b[2] == 0x80; /* ogham space mark */
    else if (b[0] == 0xe2 && b[1] == 0x80)    /* U+2000 … 200A, 2028, 2029, 202F */
        space = (b[2] >= 0x80 && b[2] <= 0x8a) || b[2] == 0xa8 || b[2] == 0xa9 ||
                b[2] == 0xaf;
    else if (b[0] == 0xe2)
        space = b[1] == 0x81 && b[2] == 0x9f; /* medium mathematical space */
    else if (b[0] == 0xe3)
        space = b[1] == 0x80 && b[2] == 0x80; /* ideographic space */
    return space ? 3 : 0;
}

size_t whitespace_cut(const char *bytes)
{
    size_t size = TOKEN_SIZE_MAX;
    while (size > TOKEN_SIZE_MAX - 3 && ((unsigned char)bytes[size] & 0xc0) == 0x80)
        size--;
    return size;
}

#if defined(__SSE2__)
/* Bit i of the results: byte i is ASCII white space; byte i may begin a wider space. */
static uint64_t block_spaces(const char *bytes, uint64_t *leads)
{
    const __m128i *at = (const __m128i *)(const void *)bytes;
    uint64_t spaces = 0, high = 0;
    *leads = 0;
    for (int i = 0; i < 4; i++) {
        __m128i block = _mm_loadu_si128(at + i);
        __m128i moved = _mm_sub_epi8(block, _mm_set1_epi8('\t'));
        __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(moved, _mm_set1_epi8(4)), moved);
        __m128i blank = _mm_cmpeq_epi8(block, _mm_set1_epi8(' '));
        unsigned found = (unsigned)_mm_movemask_epi8(_mm_or_si128(control, blank));
        spaces |= (uint64_t)found << (16 * i);
        high |= (uint64_t)(unsigned)_mm_movemask_epi8(block) << (16 * i);
    }
    if (high == 0)
        return spaces;
    for (int i = 0; i < 4; i++) {
        __m128i block = _mm_loadu_si128(at + i);
        /* 0xe1 … 0xe3, and 0xc2 */
        __m128i moved = _mm_sub_epi8(block, _mm_set1_epi8((char)0xe1));
        __m128i three = _mm_cmpeq_epi8(_mm_min_epu8(moved, _mm_set1_epi8(2)), moved);
        __m128i two = _mm_cmpeq_epi8(block, _mm_set1_epi8((char)0xc2));
        unsigned found = (unsigned)_mm_movemask_epi8(_mm_or_si128(two, three));
        *leads |= (uint64_t)found << (16 * i);
    }
    return spaces;
}
#else
static uint64_t block_spaces(const char *bytes, uint64_t *leads)
{
    uint64_t spaces = 0;
    *leads = 0;
    for (unsigned i = 0; i < BLOCK; i++) {
        unsigned char c = (unsigned char)bytes[i];
        spaces |= (uint64_t)is_space(c) << i;
        *leads |= (uint64_t)(c == 0xc2 || (c >= 0xe1 && c <= 0xe3)) << i;
    }
    return spaces;
}
#endif

/* Adds the wider spaces that begin in this block to its mask; what of the last one
 * reaches into the next block is kept in scanner->spill. */
static uint64_t wide_spaces(struct whitespace_scanner *scanner, uint64_t leads)
{
    uint64_t spaces = 0;
    for (; leads; leads &= leads - 1) {
        unsigned at = (unsigned)__builtin_ctzll(leads);
        if (scanner->next + at >= scanner->end)
            break;
        size_t left = (size_t)(scanner->end - scanner->next) - at;
        size_t size = whitespace_at(span_of(scanner->next + at, left));
        spaces |= ((UINT64_C(1) << size) - 1) << at;
        if (at + size > BLOCK)
            scanner->spill = (unsigned)(at + size - BLOCK);
    }
    return spaces;
}

/* The mask of white space in the block at scanner->next; bytes after the end count. */
static uint64_t next_block(struct whitespace_scanner *scanner)
{
    size_t left = (size_t)(scanner->end - scanner->next);
    uint64_t leads, spaces = (UINT64_C(1) << scanner->spill) - 1;
    scanner->spill = 0;
    if (__builtin_expect((size_t)(scanner->limit - scanner->next) >= BLOCK, 1)) {
        spaces |= block_spaces(scanner->next, &leads);
    } else {
        char padded[BLOCK];
        memset(padded, ' ', sizeof padded);
        memcpy(padded, scanner->next, left < BLOCK ? left : BLOCK);
        spaces |= block_spaces(padded, &leads);
    }
    if (__builtin_expect(leads != 0, 0))
        spaces |= wide_spaces(scanner, leads);
    if (left < BLOCK)
        spaces |= UINT64_MAX << left;
    return spaces;
}

void whitespace_start(struct whitespace_scanner *scanner, struct span text,
                      const char *limit)
{
    *scanner =
        (struct whitespace_scanner){text.bytes, text.bytes + text.size, limit, NULL, 0};
}

/* Stores the word from `start` to `end`, in two when it is too long. */
static inline struct span *put(struct span *words, const char *start, const char *end)
{
    size_t size = (size_t)(end - start);
    if (__builtin_expect(size > TOKEN_SIZE_MAX, 0)) {
        size_t first = whitespace_cut(start);
        *words++ = span_of(start, first);
        start += first;
        size -= first;
    }
    *words++ = span_of(start, size);
    return words;
}

size_t whitespace_words(struct whitespace_scanner *scanner, struct span *words,
                        size_t most)
{
    struct span *out = words;
    while (scanner->next < scanner->end &&
           most - (size_t)(out - words) >= WHITESPACE_WORDS_MIN) {
        const char *base = scanner->next;
        uint64_t spaces = next_block(scanner);
        uint64_t before = spaces << 1 | (scanner->open == NULL);
        uint64_t starts = ~spaces & before, ends = spaces & ~before;
        if (scanner->open && ends) {
            out = put(out, scanner->open, base + __builtin_ctzll(ends));
            scanner->open = NULL;
            ends &= ends - 1;
        }
        for (; ends; ends &= ends - 1, starts &= starts - 1)
            *out++ = span_of(base + __builtin_ctzll(starts),
                             (size_t)(__builtin_ctzll(ends) - __builtin_ctzll(starts)));
        if (starts)
            scanner->open = base + __builtin_ctzll(starts);
        scanner->next = base + BLOCK;
        if (scanner->next >= scanner->end) {
            scanner->next = scanner->end;
            if (scanner->open)
                out = put(out, scanner->open, scanner->end);
            scanner->open = NULL;
        } else if (scanner->open && scanner->next - scanner->open > TOKEN_SIZE_MAX) {
            size_t first = whitespace_cut(scanner->open);
            *out++ = span_of(scanner->open, first);
            scanner->open += first;
        }
    }
    return (size_t)(out - words);
}

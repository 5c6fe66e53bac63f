/* SPDX-License-Identifier: MIT */
/* Every corpus passes here on its way in, so the check must run at the speed of memory on
 * ordinary text: 64 bytes of ASCII are skipped at once; where other bytes are, sequences
 * are decided by their lead byte and the range its second byte may have (Unicode 15,
 * table 3-7), which leaves no room for overlong forms and surrogates.
 *
 * The stream form keeps at most three bytes between pieces: a sequence cut by the end of
 * a piece is put together with the first bytes of the next and judged there, so the
 * offset of an error is the same however the text was cut. */
#include "base/utf8.h"

#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* Is there a byte above 0x7f in bytes[64]? */
static bool has_high(const char *bytes)
{
#if defined(__SSE2__)
    const __m128i *block = (const __m128i *)(const void *)bytes;
    __m128i all = _mm_or_si128(
        _mm_or_si128(_mm_loadu_si128(block), _mm_loadu_si128(block + 1)),
        _mm_or_si128(_mm_loadu_si128(block + 2), _mm_loadu_si128(block + 3)));
    return _mm_movemask_epi8(all) != 0;
#else
    uint64_t words[8], all = 0;
    memcpy(words, bytes, sizeof words);
    for (int i = 0; i < 8; i++)
        all |= words[i];
    return (all & 0x8080808080808080u) != 0;
#endif
}

/* The size of a well-formed sequence at `next`; 0 when it is ill-formed; -1 when all
 * `left` bytes are a sound beginning of one that is cut off. left > 0. */
static int sequence(const unsigned char *next, size_t left)
{
    unsigned lead = next[0], low = 0x80, high = 0xbf;
    int size = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (size < 2 || lead > 0xf4)
        return size == 1;
    if (left < 2)
        return -1;
    if (lead == 0xe0)
        low = 0xa0;
    else if (lead == 0xed)
        high = 0x9f;
    else if (lead == 0xf0)
        low = 0x90;
    else if (lead == 0xf4)
        high = 0x8f;
    if (next[1] < low || next[1] > high)
        return 0;
    for (int i = 2; i < size; i++) {
        if ((size_t)i >= left)
            return -1;
        if ((next[i] & 0xc0) != 0x80)
            return 0;
    }
    return size;
}

/* As utf8_check, and says by *cut whether the bad bytes are a cut-off sequence. */
static size_t check(struct span text, bool *cut)
{
    const char *bytes = text.bytes;
    size_t at = 0;
    *cut = false;
    while (at < text.size) {
        if (text.size - at >= 64 && !has_high(bytes + at)) {
            at += 64;
            continue;
        }
        /* Up to 64 bytes one by one, then back to the blocks. */
        size_t stop = text.size - at > 64 ? at + 64 : text.size;
        while (at < stop) {
            int size = sequence((const unsigned char *)bytes + at, text.size - at);
            if (size <= 0) {
                *cut = size < 0;
                return at;
            }
            at += (size_t)size;
        }
    }
    return text.size;
}

size_t utf8_check(struct span text)
{
    bool cut;
    return check(text, &cut);
}

size_t utf8_complete(struct span text)
{
    size_t back = text.size < 3 ? text.size : 3;
    for (size_t i = 1; i <= back; i++) {
        const unsigned char *next = (const unsigned char *)text.bytes + text.size - i;
        if ((*next & 0xc0) == 0x80)
            continue;
        return sequence(next, i) < 0 ? text.size - i : text.size;
    }
    return text.size;
}

size_t utf8_decode(struct span text, uint32_t *code_point)
{
    const unsigned char *next = (const unsigned char *)text.bytes;
    int size = sequence(next, text.size);
    switch (size) {
    case 1:
        *code_point = next[0];
        return 1;
    case 2:
        *code_point = (uint32_t)(next[0] & 0x1f) << 6 | (next[1] & 0x3f);
        return 2;
    case 3:
        *code_point = (uint32_t)(next[0] & 0x0f) << 12 | (uint32_t)(next[1] & 0x3f) << 6 |
                      (next[2] & 0x3f);
        return 3;
    case 4:
        *code_point = (uint32_t)(next[0] & 0x07) << 18 |
                      (uint32_t)(next[1] & 0x3f) << 12 | (uint32_t)(next[2] & 0x3f) << 6 |
                      (next[3] & 0x3f);
        return 4;
    default:
        *code_point = 0xfffd;
        return 0;
    }
}

size_t utf8_encode(uint32_t code_point, char *bytes)
{
    if (code_point < 0x80) {
        bytes[0] = (char)code_point;
        return 1;
    }
    if (code_point < 0x800) {
        bytes[0] = (char)(0xc0 | code_point >> 6);
        bytes[1] = (char)(0x80 | (code_point & 0x3f));
        return 2;
    }
    if (code_point < 0x10000) {
        bytes[0] = (char)(0xe0 | code_point >> 12);
        bytes[1] = (char)(0x80 | (code_point >> 6 & 0x3f));
        bytes[2] = (char)(0x80 | (code_point & 0x3f));
        return 3;
    }
    bytes[0] = (char)(0xf0 | code_point >> 18);
    bytes[1] = (char)(0x80 | (code_point >> 12 & 0x3f));
    bytes[2] = (char)(0x80 | (code_point >> 6 & 0x3f));
    bytes[3] = (char)(0x80 | (code_point & 0x3f));
    return 4;
}

uint64_t utf8_line_ends(struct span text)
{
    uint64_t count = 0;
    size_t at = 0;
#if defined(__SSE2__)
    const __m128i feed = _mm_set1_epi8('\n');
    while (text.size - at >= 16) {
        /* Sixteen counters of a byte each, emptied before one can run over. */
        __m128i counters = _mm_setzero_si128();
        size_t stop = at + 16 * (size_t)255;
        for (; at < stop && text.size - at >= 16; at += 16) {
            __m128i block =
                _mm_loadu_si128((const __m128i *)(const void *)(text.bytes + at));
            counters = _mm_sub_epi8(counters, _mm_cmpeq_epi8(block, feed));
        }
        __m128i sums = _mm_sad_epu8(counters, _mm_setzero_si128());
        uint64_t halves[2];
        memcpy(halves, &sums, sizeof halves);
        count += halves[0] + halves[1];
    }
#endif
    for (; at < text.size; at++)
        count += text.bytes[at] == '\n';
    return count;
}

void utf8_stream_init(struct utf8_stream *stream)
{
    *stream = (struct utf8_stream){0};
}

static enum err fail_at(struct utf8_stream *stream, uint64_t offset)
{
    stream->failed = true;
    stream->bad = offset;
    return ERR_BAD_UTF8;
}

/* Completes a pending sequence from the head of `piece`; *taken bytes of it were used. */
static enum err finish_pending(struct utf8_stream *stream, struct span piece,
                               size_t *taken)
{
    *taken = 0;
    while (stream->pending_size > 0 && *taken < piece.size) {
        stream->pending[stream->pending_size++] = piece.bytes[(*taken)++];
        int size = sequence((const unsigned char *)stream->pending, stream->pending_size);
        if (size == 0)
            return fail_at(stream, stream->size + *taken - stream->pending_size);
        if (size > 0)
            stream->pending_size = 0;
    }
    return ERR_OK;
}

enum err utf8_stream_add(struct utf8_stream *stream, struct span piece)
{
    size_t taken;
    bool cut;
    if (stream->failed)
        return ERR_BAD_UTF8;
    if (piece.size == 0)
        return ERR_OK;
    enum err err = finish_pending(stream, piece, &taken);
    if (err)
        return err;
    struct span rest = span_of(piece.bytes + taken, piece.size - taken);
    size_t good = check(rest, &cut);
    if (good < rest.size) {
        if (!cut) {
            stream->line_ends += utf8_line_ends(span_of(piece.bytes, taken + good));
            return fail_at(stream, stream->size + taken + good);
        }
        stream->pending_size = (uint8_t)(rest.size - good);
        memcpy(stream->pending, rest.bytes + good, stream->pending_size);
    }
    stream->size += piece.size;
    stream->line_ends += utf8_line_ends(piece);
    stream->open_line = piece.bytes[piece.size - 1] != '\n';
    return ERR_OK;
}

enum err utf8_stream_finish(struct utf8_stream *stream)
{
    if (!stream->failed && stream->pending_size > 0)
        return fail_at(stream, stream->size - stream->pending_size);
    return stream->failed ? ERR_BAD_UTF8 : ERR_OK;
}

uint64_t utf8_stream_lines(const struct utf8_stream *stream)
{
    return stream->line_ends + stream->open_line;
}

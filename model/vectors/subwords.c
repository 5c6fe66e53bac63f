/* SPDX-License-Identifier: MIT */
/* Cutting words into character n-grams. A bucket is the 64-bit FNV-1a hash of the
 * n-gram's bytes, mixed, times the number of buckets, over 2⁶⁴. */
#include "model/vectors/subwords.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/text/lower.h"
#include "model/text/vocab.h"
#include "model/vectors/kernels.h"

enum { WORD_BYTES_MAX = 1024 };

enum err subwords_new(uint32_t minimum, uint32_t maximum, uint32_t buckets,
                      struct subwords **out)
{
    *out = NULL;
    if (minimum < 1 || maximum < minimum || maximum > SUBWORDS_LENGTH_MAX ||
        buckets < 1 || buckets > SUBWORDS_BUCKETS_MAX)
        return ERR_INVALID;
    struct subwords *subwords = *out = memory_new_array(1, sizeof *subwords);
    if (!subwords)
        return ERR_NO_MEMORY;
    subwords->minimum = minimum;
    subwords->maximum = maximum;
    subwords->buckets = buckets;
    return ERR_OK;
}

void subwords_free(struct subwords *subwords)
{
    if (!subwords)
        return;
    free(subwords->starts);
    free(subwords->ids);
    free(subwords);
}

static uint32_t bucket_of(const struct subwords *subwords, const char *bytes, size_t size)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3u;
    hash = (hash ^ (hash >> 32)) * 0x9e3779b97f4a7c15u;
    return (uint32_t)(((hash >> 32) * subwords->buckets) >> 32);
}

static bool starts_character(char byte)
{
    return ((unsigned char)byte & 0xc0) != 0x80;
}

size_t subwords_of(const struct subwords *subwords, struct span word, uint32_t *buckets)
{
    char marked[WORD_BYTES_MAX + 2];
    size_t size = word.size < WORD_BYTES_MAX ? word.size : WORD_BYTES_MAX, count = 0;
    marked[0] = '<';
    memcpy(marked + 1, word.bytes, size);
    marked[size + 1] = '>';
    size += 2;
    for (size_t first = 0; first < size; first++) {
        if (!starts_character(marked[first]))
            continue;
        size_t end = first;
        for (uint32_t length = 1; end < size && length <= subwords->maximum; length++) {
            do
                end++;
            while (end < size && !starts_character(marked[end]));
            bool mark_only = length == 1 && (first == 0 || end == size);
            if (length < subwords->minimum || mark_only)
                continue;
            if (count == SUBWORDS_PER_WORD_MAX)
                return count;
            buckets[count++] = bucket_of(subwords, marked + first, end - first);
        }
    }
    return count;
}

enum err subwords_index(struct subwords *subwords, const struct vocab *vocab,
                        uint32_t first_id)
{
    uint32_t words = vocab_size(vocab) - first_id, buckets[SUBWORDS_PER_WORD_MAX];
    size_t capacity = 0, used = 0;
    free(subwords->starts);
    subwords->starts = memory_new_array((size_t)words + 1, sizeof *subwords->starts);
    enum err code = subwords->starts ? ERR_OK : ERR_NO_MEMORY;
    for (uint32_t i = 0; i < words && !code; i++) {
        size_t count = subwords_of(subwords, vocab_word(vocab, first_id + i), buckets);
        code = memory_grow(&subwords->ids, &capacity, used + count + 1,
                           sizeof *subwords->ids);
        if (!code && count)
            memcpy(subwords->ids + used, buckets, count * sizeof *buckets);
        used += count;
        subwords->starts[i + 1] = used;
    }
    return code;
}

/* The buckets of a word that was never seen; 0 before the rows are trained. */
static size_t buckets_of_unseen(const struct subwords *subwords, struct span word,
                                uint32_t *buckets)
{
    char lower[LOWER_SIZE(WORD_BYTES_MAX)];
    if (!subwords->rows)
        return 0;
    if (word.size > WORD_BYTES_MAX)
        word.size = WORD_BYTES_MAX;
    if (subwords->lowercase)
        word = span_of(lower, lower_token(word, lower));
    return subwords_of(subwords, word, buckets);
}

bool subwords_cover(const struct subwords *subwords, struct span word)
{
    uint32_t buckets[SUBWORDS_PER_WORD_MAX];
    return buckets_of_unseen(subwords, word, buckets) > 0;
}

bool subwords_vector(const struct subwords *subwords, struct span word, size_t stride,
                     float *to)
{
    uint32_t buckets[SUBWORDS_PER_WORD_MAX];
    size_t count = buckets_of_unseen(subwords, word, buckets);
    if (count == 0)
        return false;
    memset(to, 0, stride * sizeof *to);
    for (size_t i = 0; i < count; i++)
        kernels_best()->add(to, 1, subwords->rows + buckets[i] * stride, stride);
    for (size_t d = 0; d < stride; d++)
        to[d] /= (float)count;
    return true;
}

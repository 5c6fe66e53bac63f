/* SPDX-License-Identifier: MIT */
/* "Did you mean": the words of the vocabulary within two edits of a word (insertion,
 * deletion, replacement, exchange of neighbours), one edit for short words. Nearest
 * first, then the more frequent, which come first in the vocabulary. The search goes over
 * the most frequent words only and compares only words of like length that begin or end
 * alike, so it takes milliseconds whatever the vocabulary. */
#include "base/utf8.h"
#include "model/text/vocab.h"

#define WORDS_MAX (1u << 19) /* words looked at */
#define LETTERS_MAX 40u      /* code points of a word that is compared */
#define FAR 3u

struct letters {
    size_t count;
    uint32_t points[LETTERS_MAX];
};

/* False when the word is too long to be compared. */
static bool spell(struct span word, struct letters *letters)
{
    size_t at = 0;
    letters->count = 0;
    while (at < word.size) {
        uint32_t point;
        size_t size = utf8_decode(span_of(word.bytes + at, word.size - at), &point);
        if (letters->count == LETTERS_MAX)
            return false;
        letters->points[letters->count++] = point;
        at += size ? size : 1;
    }
    return true;
}

static unsigned smaller(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* The number of edits between two words; FAR when there are more than two. Rows of the
 * usual table, three kept for the exchange of neighbours. */
static unsigned distance(const struct letters *a, const struct letters *b)
{
    unsigned rows[3][LETTERS_MAX + 1];
    for (unsigned j = 0; j <= b->count; j++)
        rows[0][j] = j;
    for (unsigned i = 1; i <= a->count; i++) {
        unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3], least = i;
        const unsigned *second = rows[(i + 1) % 3];
        row[0] = i;
        for (unsigned j = 1; j <= b->count; j++) {
            bool same = a->points[i - 1] == b->points[j - 1];
            unsigned edits =
                smaller(smaller(row[j - 1], above[j]) + 1, above[j - 1] + !same);
            if (i > 1 && j > 1 && a->points[i - 1] == b->points[j - 2] &&
                a->points[i - 2] == b->points[j - 1])
                edits = smaller(edits, second[j - 2] + 1);
            row[j] = edits;
            least = smaller(least, edits);
        }
        if (least >= FAR)
            return FAR;
    }
    return smaller(rows[a->count % 3][b->count], FAR);
}

/* Two edits leave the first two bytes, the last two, or little alone: a cheap test that
 * most words fail. */
static bool may_be_near(struct span a, struct span b)
{
    size_t longer = a.size > b.size ? a.size : b.size;
    size_t difference = a.size > b.size ? a.size - b.size : b.size - a.size;
    if (difference > 6 || a.size == 0 || b.size == 0)
        return false;
    if (longer <= 6)
        return true;
    return a.bytes[0] == b.bytes[0] || a.bytes[1 % a.size] == b.bytes[1 % b.size] ||
           a.bytes[a.size - 1] == b.bytes[b.size - 1];
}

size_t vocab_near_spellings(const struct vocab *vocab, struct span word, uint32_t *ids,
                            size_t most)
{
    struct letters wanted, letters;
    size_t found = 0, at[FAR + 1] = {0}; /* ids[0 … at[d]) are within d edits */
    if (most == 0 || !spell(word, &wanted) || wanted.count == 0)
        return 0;
    unsigned edits = wanted.count > 4 ? 2 : 1;
    uint32_t last = vocab_size(vocab) < WORDS_MAX ? vocab_size(vocab) : WORDS_MAX;
    for (uint32_t id = VOCAB_RESERVED; id < last && at[0] < most; id++) {
        struct span other = vocab_word(vocab, id);
        if (!may_be_near(word, other) || !spell(other, &letters))
            continue;
        unsigned d = distance(&wanted, &letters);
        if (d > edits || at[d] == most)
            continue;
        if (found == most)
            found--;
        memmove(ids + at[d] + 1, ids + at[d], (found - at[d]) * sizeof *ids);
        ids[at[d]] = id;
        found++;
        for (unsigned e = d; e <= FAR; e++)
            at[e] = at[e] + 1 < found ? at[e] + 1 : found;
    }
    return found;
}

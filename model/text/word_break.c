/* SPDX-License-Identifier: MIT */
/* Annex 29 twice: for ASCII a few lines of our own, for the rest libunistring.
 *
 * In ASCII the rules come to this. Letters, digits and '_' hold together. "'" and "."
 * hold between two letters or two digits, ":" between two letters, "," and ";" between
 * two digits. Every other character is a word of its own; so is a hyphen. As soon as a
 * byte above ASCII is met, within the word or where the rules look ahead, the run up to
 * the next space is given to libunistring and its boundaries are kept for the words that
 * follow. A run that is longer than the buffer is taken in parts that end at a boundary.
 */
#include "model/text/word_break.h"

#include <stdbool.h>
#include <stdint.h>
#include <uniwbrk.h>

#include "model/text/whitespace.h"

enum ascii_class { OTHER, LETTER, DIGIT, JOINER, MID_LETTER, MID_NUMBER, MID_BOTH, HIGH };

static enum ascii_class class_of(unsigned char c)
{
    if ((unsigned char)((c | 32) - 'a') < 26)
        return LETTER;
    if ((unsigned char)(c - '0') < 10)
        return DIGIT;
    switch (c) {
    case '_':
        return JOINER;
    case ':':
        return MID_LETTER;
    case ',':
    case ';':
        return MID_NUMBER;
    case '.':
    case '\'':
        return MID_BOTH;
    default:
        return c < 0x80 ? OTHER : HIGH;
    }
}

static enum ascii_class class_at(struct span text, size_t at)
{
    return at < text.size ? class_of((unsigned char)text.bytes[at]) : OTHER;
}

/* Does `middle` hold together what stands on its two sides? */
static bool holds(enum ascii_class before, enum ascii_class middle,
                  enum ascii_class after)
{
    if (before != after)
        return false;
    return (before == LETTER && (middle == MID_LETTER || middle == MID_BOTH)) ||
           (before == DIGIT && (middle == MID_NUMBER || middle == MID_BOTH));
}

/* The size of the ASCII word at the start; 0 when other bytes have a say in it. */
static size_t ascii_word(struct span rest)
{
    size_t size = 1;
    enum ascii_class last = class_at(rest, 0), next = class_at(rest, 1), after;
    if (last == HIGH || next == HIGH)
        return 0;
    if (last != LETTER && last != DIGIT && last != JOINER)
        return 1;
    while (size <= TOKEN_SIZE_MAX) {
        if (next == LETTER || next == DIGIT || next == JOINER) {
            last = next;
            next = class_at(rest, ++size);
            continue;
        }
        if (next == HIGH)
            return 0;
        after = class_at(rest, size + 1);
        if (next != OTHER && after == HIGH)
            return 0;
        if (!holds(last, next, after))
            break;
        last = after;
        size += 2;
        next = class_at(rest, size);
    }
    return size < TOKEN_SIZE_MAX ? size : TOKEN_SIZE_MAX;
}

/* Has libunistring find the boundaries of the run at the start of `rest`. */
static void find_marks(struct word_break *breaks, struct span rest)
{
    size_t size = 0, known;
    while (size < rest.size && size <= TOKEN_SIZE_MAX &&
           ((unsigned char)rest.bytes[size] >= 0x80 ||
            !whitespace_at(span_of(rest.bytes + size, 1))))
        size++;
    known = size;
    if (size > TOKEN_SIZE_MAX)
        known = size = whitespace_cut(rest.bytes);
    u8_wordbreaks((const uint8_t *)rest.bytes, size, breaks->marks);
    if (size >= TOKEN_SIZE_MAX - 3) {
        /* The last word may go on: it is looked at again from its start. */
        while (known > 1 && !breaks->marks[known - 1])
            known--;
        known = known > 1 ? known - 1 : size;
    }
    breaks->base = rest.bytes;
    breaks->size = known;
}

void word_break_start(struct word_break *breaks)
{
    breaks->base = NULL;
    breaks->size = 0;
}

size_t word_break_next(struct word_break *breaks, struct span rest)
{
    bool known = breaks->base && rest.bytes < breaks->base + breaks->size;
    if (!known) {
        size_t size = ascii_word(rest);
        if (size > 0)
            return size;
        find_marks(breaks, rest);
    }
    size_t at = (size_t)(rest.bytes - breaks->base), size = 1;
    while (at + size < breaks->size && !breaks->marks[at + size])
        size++;
    return size;
}

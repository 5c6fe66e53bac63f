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

/* From LETTER on they hold together. */
enum ascii_class { OTHER, HIGH, MID_LETTER, MID_NUMBER, MID_BOTH, LETTER, DIGIT, JOINER };

static const unsigned char classes[256] = {
    ['a' ... 'z'] = LETTER, ['A' ... 'Z'] = LETTER, ['0' ... '9'] = DIGIT,
    ['_'] = JOINER,         [':'] = MID_LETTER,     [','] = MID_NUMBER,
    [';'] = MID_NUMBER,     ['.'] = MID_BOTH,       ['\''] = MID_BOTH,
    [0x80 ... 0xff] = HIGH,
};

static enum ascii_class class_at(struct span text, size_t at)
{
    return at < text.size ? classes[(unsigned char)text.bytes[at]] : OTHER;
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

/* The end of the run of letters, digits and '_' that goes on at `at`. */
static size_t run_end(struct span rest, size_t at)
{
    size_t end = rest.size < TOKEN_SIZE_MAX ? rest.size : TOKEN_SIZE_MAX;
    while (at < end && classes[(unsigned char)rest.bytes[at]] >= LETTER)
        at++;
    return at;
}

/* The size of the ASCII word at the start; 0 when other bytes have a say in it. */
static size_t ascii_word(struct span rest)
{
    enum ascii_class first = class_at(rest, 0), next, after;
    if (first < LETTER)
        return first != HIGH && class_at(rest, 1) != HIGH;
    for (size_t size = 1;; size += 2) {
        size = run_end(rest, size);
        if (size >= TOKEN_SIZE_MAX)
            return TOKEN_SIZE_MAX;
        next = class_at(rest, size);
        if (next == OTHER)
            return size;
        after = class_at(rest, size + 1);
        if (next == HIGH || after == HIGH)
            return 0;
        if (!holds(class_at(rest, size - 1), next, after))
            return size;
    }
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

/* SPDX-License-Identifier: MIT */
/* Sentences by rules. A sentence may end after . ! ? … and their relatives in other
 * scripts, with the quotes and brackets that close there, where white space follows
 * (after ideographic marks nothing need follow), and it ends at a blank line. A line
 * break alone ends nothing, so hard-wrapped text is joined.
 *
 * A full stop is doubted: it ends no sentence after a title ("Mr."), after "No." before a
 * number, in "e.g."; after an initial or "U.S." or "Inc." only where a word follows that
 * commonly opens a sentence; and not before a small letter, unless the sentence itself
 * began with one (text without capitals); nor after a number that is all there is of the
 * sentence ("1. Introduction").
 *
 * The last two look at the beginning of the sentence. All else is judged from the bytes
 * around the place, and only such places are used to cut a text for several threads:
 * whatever part of the text one starts from, the same sentences come out. */
#include "model/text/sentence.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <unictype.h>

#include "base/utf8.h"
#include "model/text/whitespace.h"

enum mark { NO_MARK, STOP, STRONG, ELLIPSIS, WIDE };

enum verdict {
    GOES_ON,
    ENDS,
    ENDS_IF_SMALL,    /* when the sentence began with a small letter */
    ENDS_IF_NOT_FIRST /* when the number before is not all of the sentence */
};

#define WORD_MAX 24u /* bytes of a word that is looked up */
#define RUN_MAX 64u  /* bytes looked back over for the start of a run */

/* Never at the end of a sentence. */
static const char *const titles[] = {
    "mr",   "mrs",  "ms",   "dr",  "prof", "st",  "gen",    "col",  "maj",
    "capt", "cpt",  "lt",   "sgt", "cpl",  "pvt", "adm",    "cmdr", "rev",
    "fr",   "hon",  "pres", "gov", "sen",  "rep", "amb",    "sec",  "supt",
    "det",  "insp", "mt",   "ft",  "vs",   "cf",  "viz",    "mme",  "mlle",
    "mm",   "hr",   "sra",  "dra", "e.g",  "i.e", "messrs", "esp",  "approx"};
/* Not before a number. */
static const char *const numbered[] = {
    "no",  "nos", "vol", "vols", "pp",  "p",   "fig", "figs", "ch",  "chap", "art",
    "eq",  "eqs", "ca",  "c",    "op",  "nr",  "jan", "feb",  "mar", "apr",  "jun",
    "jul", "aug", "sep", "sept", "oct", "nov", "dec", "ver",  "v"};
/* Only before a word that commonly opens a sentence. */
static const char *const companies[] = {
    "inc",  "ltd", "co",   "corp", "bros", "jr",  "sr",  "al",  "dept", "univ",
    "assn", "ave", "blvd", "rd",   "gmbh", "plc", "u.s", "d.c", "ph.d"};
static const char *const openers[] = {
    "the",     "a",      "an",    "he",    "she",     "it",        "they",     "we",
    "you",     "i",      "in",    "on",    "at",      "by",        "for",      "from",
    "this",    "that",   "these", "those", "there",   "then",      "but",      "and",
    "or",      "so",     "if",    "when",  "while",   "as",        "after",    "before",
    "however", "his",    "her",   "its",   "their",   "our",       "my",       "your",
    "what",    "who",    "where", "why",   "how",     "not",       "some",     "many",
    "most",    "all",    "each",  "both",  "another", "since",     "although", "though",
    "because", "during", "until", "once",  "here",    "with",      "under",    "to",
    "one",     "no",     "yes",   "now",   "today",   "meanwhile", "also"};

#define IN_LIST(word, list) is_in(word, list, sizeof(list) / sizeof *(list))

static bool is_in(struct span word, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(list[i]) == word.size &&
            strncasecmp(list[i], word.bytes, word.size) == 0)
            return true;
    return false;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_ascii_letter(char c)
{
    return (unsigned char)((c | 32) - 'a') < 26;
}

static struct span from(struct span text, size_t at)
{
    return span_of(text.bytes + at, text.size - at);
}

/* The mark at the start of `text`, and its size. */
static enum mark mark_at(struct span text, size_t *size)
{
    uint32_t code_point;
    if (text.size == 0)
        return NO_MARK;
    *size = 1;
    if (text.bytes[0] == '.')
        return STOP;
    if (text.bytes[0] == '!' || text.bytes[0] == '?')
        return STRONG;
    if ((unsigned char)text.bytes[0] < 0xd8)
        return NO_MARK;
    *size = utf8_decode(text, &code_point);
    switch (code_point) {
    case 0x2026:
        return ELLIPSIS;
    case 0x203c: /* double exclamation and question marks */
    case 0x2047:
    case 0x2048:
    case 0x2049:
    case 0x061f: /* Arabic question mark and full stop */
    case 0x06d4:
    case 0x0964: /* danda */
    case 0x0965:
        return STRONG;
    case 0x3002: /* ideographic full stop, full-width marks */
    case 0xff01:
    case 0xff1f:
    case 0xff61:
        return WIDE;
    default:
        return NO_MARK;
    }
}

/* The size of a closing (or opening) quote or bracket at the start of `text`, or 0. */
static size_t quote_at(struct span text, bool closing)
{
    uint32_t code_point;
    if (text.size == 0)
        return 0;
    if ((unsigned char)text.bytes[0] < 0x80)
        return text.bytes[0] != '\0' &&
               strchr(closing ? "\"')]}" : "\"'([{-*", text.bytes[0]) != NULL;
    size_t size = utf8_decode(text, &code_point);
    if (size == 0)
        return 0;
    if (code_point == 0xbf || code_point == 0xa1) /* inverted marks */
        return closing ? 0 : size;
    if (code_point == 0x2013 || code_point == 0x2014 || code_point == 0x2022)
        return closing ? 0 : size; /* dashes, bullet */
    unsigned sides =
        closing ? UC_CATEGORY_MASK_Pe | UC_CATEGORY_MASK_Pf | UC_CATEGORY_MASK_Pi
                : UC_CATEGORY_MASK_Ps | UC_CATEGORY_MASK_Pi | UC_CATEGORY_MASK_Pf;
    return uc_is_general_category_withtable(code_point, sides) ? size : 0;
}

/* Skips white space from *at; true when there is a blank line in it. */
static bool skip_space(struct span text, size_t *at)
{
    size_t size;
    unsigned feeds = 0;
    while ((size = whitespace_at(from(text, *at))) > 0) {
        feeds += text.bytes[*at] == '\n';
        *at += size;
    }
    return feeds > 1;
}

/* The word that ends at `end`, with its inner dots; empty when there is none. */
static struct span word_before(struct span text, size_t end)
{
    size_t at = end;
    while (at > 0 && end - at < RUN_MAX) {
        unsigned char c = (unsigned char)text.bytes[at - 1];
        bool letter = is_ascii_letter((char)c) || is_digit((char)c) || c == '.' ||
                      c == '\'' || c == '-';
        /* Continuation bytes, and the leads of alphabets; not those of punctuation. */
        if (!letter && (c < 0x80 || c == 0xc2 || c >= 0xe2))
            break;
        at--;
    }
    while (at < end && ((unsigned char)text.bytes[at] & 0xc0) == 0x80)
        at++;
    return span_of(text.bytes + at, end - at);
}

/* The ASCII word at `at`. */
static struct span word_after(struct span text, size_t at)
{
    size_t size = 0;
    while (at + size < text.size && size < WORD_MAX &&
           is_ascii_letter(text.bytes[at + size]))
        size++;
    return span_of(text.bytes + at, size);
}

/* Does a word follow at `at` that commonly opens a sentence? "A." does not. */
static bool opener_follows(struct span text, size_t at)
{
    struct span word = word_after(text, at);
    size_t end = at + word.size;
    return !(end < text.size && text.bytes[end] == '.') && IN_LIST(word, openers);
}

/* "U.S", "J", "a.m", "J.R.R": single letters with dots between. */
static bool is_initials(struct span word)
{
    for (size_t i = 0; i < word.size; i++)
        if (i % 2 == 0 ? !is_ascii_letter(word.bytes[i]) : word.bytes[i] != '.')
            return false;
    return word.size % 2 == 1;
}

static bool is_number(struct span word)
{
    for (size_t i = 0; i < word.size; i++)
        if (!is_digit(word.bytes[i]))
            return false;
    return word.size > 0 && word.size <= 3;
}

/* Judges one full stop after `word`; what follows it begins at `next`. */
static enum verdict judge_stop(struct span text, struct span word, size_t next)
{
    if (IN_LIST(word, titles))
        return GOES_ON;
    if (IN_LIST(word, numbered) && is_digit(text.bytes[next]))
        return GOES_ON;
    if (IN_LIST(word, companies) || is_initials(word))
        return opener_follows(text, next) ? ENDS : GOES_ON;
    return is_number(word) ? ENDS_IF_NOT_FIRST : ENDS;
}

static bool small_letter_at(struct span text, size_t at)
{
    uint32_t code_point;
    if (at >= text.size)
        return false;
    if ((unsigned char)text.bytes[at] < 0x80)
        return text.bytes[at] >= 'a' && text.bytes[at] <= 'z';
    return utf8_decode(from(text, at), &code_point) > 0 &&
           uc_is_property_lowercase(code_point);
}

/* Judges the marks that begin at `at`; *after is where the sentence would end. */
static enum verdict judge(struct span text, size_t at, size_t *after)
{
    size_t end = at, size, marks = 0, next;
    enum mark kind = NO_MARK, mark;
    while ((mark = mark_at(from(text, end), &size)) != NO_MARK) {
        kind = mark > kind ? mark : kind;
        end += size;
        marks++;
    }
    if (kind == STOP && marks > 1)
        kind = ELLIPSIS;
    size_t closed = end;
    while ((size = quote_at(from(text, closed), true)) > 0)
        closed += size;
    *after = next = closed;
    bool blank_line = skip_space(text, &next);
    if (blank_line || next == text.size || kind == WIDE)
        return ENDS;
    if (next == closed || mark_at(from(text, next), &size) != NO_MARK)
        return GOES_ON;
    while ((size = quote_at(from(text, next), false)) > 0)
        next += size;
    if (next == text.size || text.bytes[next] == '\n')
        return ENDS;
    enum verdict verdict =
        kind == STOP ? judge_stop(text, word_before(text, at), next) : ENDS;
    if (verdict == GOES_ON || !small_letter_at(text, next))
        return verdict;
    return kind != STOP && closed > end ? GOES_ON : ENDS_IF_SMALL;
}

/* First bytes at which next_place has to look: marks, line feeds, wide characters that
 * might be marks. */
static const unsigned char remarkable[256] = {
    ['\n'] = 1, ['.'] = 1, ['!'] = 1, ['?'] = 1, [0xd8 ... 0xff] = 1,
};

/* Finds the next place at or after *at where a sentence may end: marks or a blank line.
 * *after is the end of the sentence there; *at moves on behind what was judged. */
static enum verdict next_place(struct span text, size_t *at, size_t *after)
{
    size_t size;
    for (; *at < text.size; ++*at) {
        char c = text.bytes[*at];
        if (!remarkable[(unsigned char)c])
            continue;
        if (c == '\n') {
            size_t next = *at;
            *after = *at;
            bool blank_line = skip_space(text, &next);
            *at = next - 1;
            if (blank_line)
                return *at = next, ENDS;
        } else if (mark_at(from(text, *at), &size) != NO_MARK) {
            enum verdict verdict = judge(text, *at, after);
            *at = *after;
            return verdict;
        }
    }
    *after = *at = text.size;
    return ENDS;
}

/* Did the sentence that begins at the start of `sentence` begin with a small letter? */
static bool begins_small(struct span sentence)
{
    size_t at = 0, size;
    while (at < RUN_MAX && (size = quote_at(from(sentence, at), false)) > 0)
        at += size;
    return small_letter_at(sentence, at);
}

static bool really_ends(enum verdict verdict, struct span sentence)
{
    if (verdict == ENDS_IF_SMALL)
        return begins_small(sentence);
    if (verdict == ENDS_IF_NOT_FIRST)
        return sentence.size > 4 ||
               !is_number(span_of(sentence.bytes, sentence.size - 1));
    return verdict == ENDS;
}

static struct span without_end_space(struct span text)
{
    while (text.size > 0 && text.bytes[text.size - 1] != '\0' &&
           strchr(" \t\r\n\v\f", text.bytes[text.size - 1]))
        text.size--;
    return text;
}

bool sentence_next(struct span text, size_t *at, struct span *sentence)
{
    size_t start = *at, search, after;
    if (start < text.size)
        skip_space(text, &start);
    *at = text.size;
    if (start >= text.size)
        return false;
    search = start;
    for (;;) {
        enum verdict verdict = next_place(text, &search, &after);
        struct span found = span_of(text.bytes + start, after - start);
        if (after == text.size || really_ends(verdict, found)) {
            *sentence = without_end_space(found);
            *at = after;
            return true;
        }
    }
}

size_t sentence_boundary(struct span text, size_t from_here)
{
    size_t at = from_here, after, size;
    while (at > 0 && from_here - at < RUN_MAX && !strchr(" \t\r\n", text.bytes[at - 1]))
        at--;
    while (at < text.size && ((unsigned char)text.bytes[at] & 0xc0) == 0x80)
        at++;
    while (mark_at(from(text, at), &size) != NO_MARK ||
           (size = quote_at(from(text, at), true)) > 0)
        at += size;
    while (at < text.size) {
        if (next_place(text, &at, &after) == ENDS && after >= from_here)
            return after;
    }
    return text.size;
}

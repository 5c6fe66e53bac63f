/* SPDX-License-Identifier: MIT */
/* The numbers of each smoothing method.
 *
 * Additive (Lidstone): every word of the vocabulary gets delta more, whatever the
 * context. Witten–Bell: a context gives its shorter one as many occurrences as it has
 * different continuations. Modified Kneser–Ney (Chen and Goodman 1998, eq. 26): three
 * discounts a level from the number of n-grams counted once, twice, …; lower levels count
 * different words before instead of occurrences. Katz (1987): Good–Turing discounts for
 * counts up to 5, the rest kept.
 *
 * The latter two divide by counts of counts, which small or odd corpora do not have; each
 * then falls back to a simpler discount that the data do allow, and says so. */
#include "model/ngram/smoothing.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/text/vocab.h"

enum { KATZ_MOST = 5 };

void rules_init(struct rules *rules, enum smoothing smoothing)
{
    memset(rules, 0, sizeof *rules);
    rules->smoothing = smoothing;
    rules->remainder = REMAINDER_UNSEEN;
    for (unsigned k = 0; k <= NGRAM_ORDER_MAX; k++) {
        for (unsigned c = 0; c < COUNT_CLASSES; c++)
            rules->at[k].scale[c] = 1;
        for (unsigned b = 0; b < WEIGHT_BUCKETS; b++)
            rules->at[k].weight[b] = 1;
    }
}

void rules_additive(struct rules *rules, const struct levels *levels, double delta)
{
    rules->remainder = REMAINDER_UNIFORM;
    for (unsigned k = 1; k <= levels->order; k++)
        rules->at[k].extra = delta * (levels->vocab_size - 1.0);
}

void rules_witten_bell(struct rules *rules, const struct levels *levels)
{
    rules->remainder = REMAINDER_INTERPOLATED;
    for (unsigned k = 1; k <= levels->order; k++)
        rules->at[k].extra_by_type = 1;
}

/* numbers[c] of a level's n-grams are counted c times, for c below COUNT_CLASSES. */
static void counts_of_counts(const struct rules *rules, const struct levels *levels,
                             unsigned k, uint64_t numbers[COUNT_CLASSES])
{
    const uint32_t *counts = rules_counts(rules, levels, k);
    memset(numbers, 0, COUNT_CLASSES * sizeof *numbers);
    for (size_t i = 0; i < levels->at[k].count; i++)
        if (counts[i] < COUNT_CLASSES && !(k == 1 && i == VOCAB_BOS))
            numbers[counts[i]]++;
}

static void set_discounts(struct level_rule *rule, double one, double two, double more)
{
    for (unsigned c = 1; c < COUNT_CLASSES; c++)
        rule->subtract[c] = c == 1 ? one : c == 2 ? two : more;
}

/* One discount for all counts (Ney, Essen and Kneser 1994), or fixed ones where even that
 * cannot be had. */
static void simple_discounts(struct level_rule *rule, unsigned k, const char *method,
                             const uint64_t *numbers, const struct note *note)
{
    char text[200];
    if (numbers[1] > 0 && numbers[2] > 0) {
        double one = (double)numbers[1] / ((double)numbers[1] + 2.0 * (double)numbers[2]);
        set_discounts(rule, one, one, one);
        snprintf(text, sizeof text,
                 "%s discounts of order %u fell back to the single discount %.4f: the "
                 "corpus has too few n-grams of some small count",
                 method, k, one);
    } else {
        set_discounts(rule, 0.5, 1, 1.5);
        snprintf(text, sizeof text,
                 "%s discounts of order %u fell back to 0.5, 1 and 1.5: the corpus has "
                 "no n-grams that occur once or none that occur twice",
                 method, k);
    }
    note->say(note->context, text);
}

void rules_kneser_ney(struct rules *rules, const struct levels *levels,
                      const struct note *note)
{
    rules->remainder = REMAINDER_INTERPOLATED;
    rules->distinct = true;
    for (unsigned k = 1; k <= levels->order; k++) {
        uint64_t numbers[COUNT_CLASSES];
        double discount[4] = {0};
        bool usable = true;
        counts_of_counts(rules, levels, k, numbers);
        double y = (double)numbers[1] / ((double)numbers[1] + 2.0 * (double)numbers[2]);
        for (unsigned c = 1; c <= 3; c++) {
            discount[c] = c - (c + 1) * y * (double)numbers[c + 1] / (double)numbers[c];
            usable = usable && numbers[c] > 0 && discount[c] >= 0 && discount[c] <= c;
        }
        if (usable)
            set_discounts(&rules->at[k], discount[1], discount[2], discount[3]);
        else
            simple_discounts(&rules->at[k], k, "Kneser–Ney", numbers, note);
    }
}

/* Good–Turing discounts of counts 1 … most; false when they make no sense. */
static bool good_turing(struct level_rule *rule, const uint64_t *numbers, unsigned most)
{
    double ratio[COUNT_CLASSES];
    if (numbers[1] == 0)
        return false;
    double common = (most + 1) * (double)numbers[most + 1] / (double)numbers[1];
    for (unsigned c = 1; c <= most; c++) {
        if (numbers[c] == 0)
            return false;
        ratio[c] = (c + 1) * (double)numbers[c + 1] / (c * (double)numbers[c]);
        ratio[c] = (ratio[c] - common) / (1 - common);
        if (!(ratio[c] > 0 && ratio[c] < 1))
            return false;
    }
    for (unsigned c = 1; c <= most; c++)
        rule->scale[c] = ratio[c];
    return true;
}

static bool has_unseen_word(const struct levels *levels)
{
    for (size_t word = 0; word < levels->at[1].count; word++)
        if (word != VOCAB_BOS && levels->at[1].raw[word] == 0)
            return true;
    return false;
}

void rules_katz(struct rules *rules, const struct levels *levels, const struct note *note)
{
    for (unsigned k = 1; k <= levels->order; k++) {
        uint64_t numbers[COUNT_CLASSES];
        rules->at[k].extra_if_spent = k > 1;
        if (k == 1 && !has_unseen_word(levels))
            continue; /* nobody to give the words' probability to */
        counts_of_counts(rules, levels, k, numbers);
        unsigned most = KATZ_MOST;
        while (most > 0 && !good_turing(&rules->at[k], numbers, most))
            most--;
        if (most == 0) {
            simple_discounts(&rules->at[k], k, "Katz", numbers, note);
        } else if (most < KATZ_MOST) {
            char text[160];
            snprintf(text, sizeof text,
                     "Katz discounts of order %u cover counts up to %u only: the corpus "
                     "has too few n-grams of larger counts",
                     k, most);
            note->say(note->context, text);
        }
    }
}

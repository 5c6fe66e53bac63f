/* SPDX-License-Identifier: MIT */
/* A language model small enough to calculate by hand: a table of bigrams over a few
 * words. Rows are tempered with by the tests. */
#ifndef FIRTH_TESTS_UNIT_LM_TOY_H
#define FIRTH_TESTS_UNIT_LM_TOY_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/buffer.h"
#include "model/lm/lm.h"
#include "model/lm/target.h"
#include "model/text/tokenizer.h"
#include "model/text/vocab.h"

struct toy {
    struct lm lm; /* first: this is an lm */
    struct target target;
    struct tokenizer *tokenizer;
    struct vocab *vocab;
    double *table;     /* [vocab_size + 1][vocab_size]; the last row is of no context */
    atomic_int scored; /* calls of score */
    atomic_uint most_at_once; /* most states seen by one call of distribution */
};

/* New model over the given words (separated by "|") and the reserved three; every row
 * is uniform over all but <s>. With `tricks` it has a logprob of its own. */
struct toy *toy_new(enum text_unit unit, const char *words, bool tricks);
void toy_free(struct toy *toy);

uint32_t toy_id(const struct toy *toy, const char *word);

/* Sets a whole row: "a 0.5 b 0.25 </s> 0.25"; the rest is 0. `from` NULL: no context. */
void toy_row(struct toy *toy, const char *from, const char *row);

/* p(to | from). */
double toy_p(const struct toy *toy, const char *from, const char *to);

/* Appends `lines` lines of up to `longest` words, the same ones each time; one in nine is
 * `rare`, the others "a ". */
void toy_random_lines(struct buffer *text, size_t lines, unsigned longest,
                      const char *rare);

#define near_to(a, b, tolerance) ck_assert_double_eq_tol((a), (b), (tolerance))

#endif

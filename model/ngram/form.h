/* SPDX-License-Identifier: MIT */
/* What the query forms of an n-gram model have in common: the first section of the file,
 * and how each is written from levels and read back. */
#ifndef FIRTH_MODEL_NGRAM_FORM_H
#define FIRTH_MODEL_NGRAM_FORM_H

#include <stdbool.h>

#include "model/artefact.h"
#include "model/lm/lm.h"
#include "model/ngram/levels.h"

enum form { FORM_FAST, FORM_COMPACT, FORM_COUNT };

/* The section "ngram.shape", as u64 in this order. */
struct shape {
    uint64_t form;
    uint64_t order;
    uint64_t vocab_size;
    uint64_t uniform_remainder; /* 1: what a context leaves goes to all words alike */
    uint64_t counts[NGRAM_ORDER_MAX]; /* n-grams of each order, from order 1 */
};

MUST_CHECK enum err shape_write(struct artefact_writer *writer,
                                const struct levels *levels, enum form form,
                                bool uniform_remainder);
/* Reads and checks; what is left unchecked is whether the other sections fit. */
MUST_CHECK enum err shape_read(const struct artefact *artefact, struct shape *shape,
                               struct err_info *info);

/* Writes levels with probabilities in the fast form. */
MUST_CHECK enum err fast_write(struct artefact_writer *writer,
                               const struct levels *levels);

/* New lm over the sections of `artefact` (borrowed, must outlive it). Every index in it
 * is checked first. */
MUST_CHECK enum err fast_load(const struct artefact *artefact, const struct shape *shape,
                              struct lm **out, struct err_info *info);

/* The same for the compact form. */
MUST_CHECK enum err compact_load(const struct artefact *artefact,
                                 const struct shape *shape, struct lm **out,
                                 struct err_info *info);

/* Every n-gram of a loaded model of either form, by level and index, for exports. */
struct grams {
    const struct lm *lm;
    unsigned order;
    bool uniform_remainder;
    size_t counts[NGRAM_ORDER_MAX + 1]; /* [level] */
    /* Its last word; the first of its continuations (index may be the level's count). */
    uint32_t (*word)(const struct lm *lm, unsigned level, size_t index);
    size_t (*begin)(const struct lm *lm, unsigned level, size_t index);
    /* Its probability and back-off weight; words[level] are its words. */
    void (*values)(const struct lm *lm, unsigned level, size_t index,
                   const uint32_t *words, double *prob, double *backoff);
};
void grams_of(const struct lm *lm, struct grams *grams);
void fast_grams(const struct lm *lm, struct grams *grams);
void compact_grams(const struct lm *lm, struct grams *grams);
bool fast_is(const struct lm *lm); /* whether it is of the fast form */

#endif

/* SPDX-License-Identifier: MIT */
/* How good word vectors are: by analogy questions, and by people's judgements of how
 * alike two words are. */
#ifndef FIRTH_MODEL_VECTORS_MEASURES_H
#define FIRTH_MODEL_VECTORS_MEASURES_H

#include "base/progress.h"
#include "model/vectors/queries.h"

#define MEASURES_SECTIONS_MAX 256u
#define MEASURES_NAME_SIZE 64

struct measures_options {
    enum analogy_method method;
    uint32_t rows;  /* only the most frequent words ask and answer; 0: all */
    bool lowercase; /* the file's words are lower-cased first */
    unsigned threads;
};

struct measures_section {
    char name[MEASURES_NAME_SIZE];
    size_t asked, right, skipped; /* skipped: a word is unknown or too rare */
};

struct measures_analogies {
    struct measures_section sections[MEASURES_SECTIONS_MAX];
    size_t section_count;
    /* Sections named "gram…" are syntactic, the others semantic. */
    struct measures_section semantic, syntactic, total;
};

/* Answers a file in the format of questions-words.txt: lines of four words, sections
 * begun by ": name". A question is right when the first answer is the fourth word.
 * ERR_INVALID names a line that is neither. ERR_CANCELLED. */
MUST_CHECK enum err measures_analogies(const struct vectors *vectors, struct span text,
                                       const struct measures_options *options,
                                       const struct progress *progress,
                                       struct measures_analogies *result,
                                       struct err_info *info);

struct measures_pairs {
    size_t pairs, skipped;
    double spearman, pearson; /* of the cosine; NAN when it cannot be said */
};

/* Reads lines of two words and a number (separated by spaces, tabs or commas; blank lines
 * and those that begin with # do not count). ERR_INVALID names a bad line. */
MUST_CHECK enum err measures_pairs(const struct vectors *vectors, struct span text,
                                   const struct measures_options *options,
                                   struct measures_pairs *result, struct err_info *info);

#endif

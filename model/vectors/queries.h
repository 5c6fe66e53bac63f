/* SPDX-License-Identifier: MIT */
/* What clients ask of word vectors: neighbours, analogies, similarities, the odd one out,
 * the vector of a text. Vectors passed in and out are [vectors->stride] floats, padded
 * with zeros and 64-byte aligned. All may be called by many threads at once. */
#ifndef FIRTH_MODEL_VECTORS_QUERIES_H
#define FIRTH_MODEL_VECTORS_QUERIES_H

#include "model/text/tokenizer.h"
#include "model/vectors/search.h"

#define QUERIES_ANALOGY_WORDS_MAX 32u /* positive and negative together */

/* Whether an index could answer this search: by cosine, among all rows, each question one
 * vector, and not for a large part of the rows. */
bool queries_suit_index(const struct vectors *vectors, const struct search *search);

/* As search_exact; where `exact` is false, the vectors have an index and the search suits
 * it, the index answers. */
MUST_CHECK enum err queries_nearest(const struct vectors *vectors,
                                    const struct search *search, bool exact,
                                    struct neighbour *results, size_t *found);

enum analogy_method { ANALOGY_ADD, ANALOGY_MULTIPLY, ANALOGY_METHOD_COUNT };
extern const char *const analogy_method_names[]; /* "3cosadd", …, NULL */

/* Words that the answer is like and unlike. "a is to b as c is to ?": positive b and c,
 * negative a. */
struct analogy {
    const struct span *positive; /* [positive_count], at least 1 */
    const struct span *negative; /* [negative_count] */
    size_t positive_count, negative_count;
};

struct analogy_options {
    enum analogy_method method;
    size_t k;
    bool exclude_inputs; /* the words asked with are no answers */
    uint32_t rows;       /* only the first so many answer; 0: all */
    unsigned threads;    /* 0: as many as pay */
    bool approximate;    /* 3CosAdd only: an index may answer, as in queries_nearest */
};

/* Fills results[count][k] and found[count]: by 3CosAdd the rows nearest in cosine to the
 * sum of the unit vectors, by 3CosMul (Levy and Goldberg 2014) those of the greatest
 * product of shifted cosines. ERR_UNKNOWN_WORDS names the first word without a vector. */
MUST_CHECK enum err queries_analogy(const struct vectors *vectors,
                                    const struct analogy *analogies, size_t count,
                                    const struct analogy_options *options,
                                    struct neighbour *results, size_t *found,
                                    struct err_info *info);

struct similarity {
    double cosine, dot, euclidean;
    bool has_cosine; /* false, and 0, when one of the two is zero */
};
struct similarity queries_similarity(const struct vectors *vectors, const float *a,
                                     const float *b);

/* Whether the words' unit vectors cancel out, so that there is no direction for 3CosAdd
 * to look in. ERR_UNKNOWN_WORDS. */
MUST_CHECK enum err queries_cancel(const struct vectors *vectors,
                                   const struct analogy *analogy, bool *cancel,
                                   struct err_info *info);

/* Which of count ≥ 2 words is least like the mean of their unit vectors. *odd is its
 * index, similarities[count] their cosines with the mean. ERR_UNKNOWN_WORDS; ERR_INVALID
 * where the mean is zero. */
MUST_CHECK enum err queries_odd_one_out(const struct vectors *vectors,
                                        const struct span *words, size_t count,
                                        size_t *odd, float *similarities,
                                        struct err_info *info);

/* to[stride] = the mean vector of the known words of `text`; *known says how many they
 * were, *unknown how many were not. All zeros when none is known. */
MUST_CHECK enum err queries_text(const struct vectors *vectors,
                                 const struct tokenizer *tokenizer, struct span text,
                                 float *to, size_t *known, size_t *unknown);

#endif

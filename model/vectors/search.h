/* SPDX-License-Identifier: MIT */
/* Exact search: the k best rows for many questions in one pass over the matrix. */
#ifndef FIRTH_MODEL_VECTORS_SEARCH_H
#define FIRTH_MODEL_VECTORS_SEARCH_H

#include "model/vectors/best.h"
#include "model/vectors/vectors.h"

enum metric { METRIC_COSINE, METRIC_DOT, METRIC_EUCLIDEAN, METRIC_COUNT };
extern const char *const metric_names[]; /* "cosine", …, NULL */

/* A question asks for the rows nearest to one vector, or, where it has several, for
 * those of the greatest product of (1 + cos)/2 over the first `positives` vectors,
 * divided by that (plus 0.001) over the other `negatives`. */
struct search_question {
    size_t first;                  /* its first row in search.vectors */
    uint32_t positives, negatives; /* 1 and 0: plain nearest neighbours */
    const uint32_t *exclude;       /* [exclude_count] rows never to be answered */
    size_t exclude_count;
};

struct search {
    const float *vectors; /* [vector_count][stride], 64-byte aligned, padded with 0 */
    size_t vector_count;
    const struct search_question *questions; /* [question_count] */
    size_t question_count;
    enum metric metric; /* questions with several vectors need METRIC_COSINE */
    size_t k;
    uint32_t rows;    /* only the first so many; 0: all */
    unsigned threads; /* 0: as many as pay */
};

/* Fills results[question_count][k] in falling similarity or rising distance, and
 * found[question_count] with how many there are, which is less than k when there are no
 * more rows. Under cosine a zero vector is as near as a perpendicular one: 0. */
MUST_CHECK enum err search_exact(const struct vectors *vectors,
                                 const struct search *search, struct neighbour *results,
                                 size_t *found);

#endif

/* SPDX-License-Identifier: MIT */
/* Answers of word vectors as JSON, for HTTP and for --json on the command line. Each
 * function prints members into an object that is open already, or, if its comment says
 * so, one whole value. */
#ifndef FIRTH_API_PRINT_VECTORS_H
#define FIRTH_API_PRINT_VECTORS_H

#include "api/printer.h"
#include "model/vectors/measures.h"
#include "model/vectors/queries.h"

/* "neighbors": [...]; distances under the euclidean metric, similarities otherwise. */
void print_neighbors(struct printer *p, const struct vectors *vectors, enum metric metric,
                     const struct neighbour *found, size_t count);
/* "answers": [...] */
void print_analogy_answers(struct printer *p, const struct vectors *vectors,
                           const struct neighbour *found, size_t count);
/* "cosine", "dot", "euclidean" */
void print_similarity(struct printer *p, const struct similarity *similarity);
/* The vector's numbers as one value: an array, or base64 of little-endian floats. */
void print_vector(struct printer *p, const float *vector, uint32_t dim, bool base64);
/* "sections", "semantic", "syntactic", "total" */
void print_measured_analogies(struct printer *p,
                              const struct measures_analogies *measured);
/* "pairs", "skipped", "spearman", "pearson" */
void print_measured_pairs(struct printer *p, const struct measures_pairs *measured);

#endif

/* SPDX-License-Identifier: MIT */
/* Approximate nearest neighbours by cosine: hierarchical navigable small worlds (Malkov
 * and Yashunin 2020). Immutable once built; any number of threads may search. */
#ifndef FIRTH_MODEL_VECTORS_HNSW_H
#define FIRTH_MODEL_VECTORS_HNSW_H

#include "base/progress.h"
#include "model/artefact.h"
#include "model/vectors/best.h"
#include "model/vectors/vectors.h"

struct hnsw;

struct hnsw_settings {
    uint32_t links; /* of a node on each upper level, twice that on the lowest; 2 … 64 */
    uint32_t width; /* candidates kept while a node is inserted */
    uint64_t seed;
    unsigned threads; /* 1: the same index each time */
};

/* 16 links, width 200. */
struct hnsw_settings hnsw_defaults(void);

/* New index over the rows of `vectors`, which must outlive it. ERR_CANCELLED. */
MUST_CHECK enum err hnsw_build(const struct vectors *vectors,
                               const struct hnsw_settings *settings,
                               const struct progress *progress, struct hnsw **out);
void hnsw_free(struct hnsw *hnsw);
/* Bytes it holds of its own: little where it lies in a model's file. */
size_t hnsw_memory(const struct hnsw *hnsw);
/* About the bytes that building an index over so many rows takes. */
uint64_t hnsw_memory_needed(uint32_t count, const struct hnsw_settings *settings);

/* Up to k rows of greatest cosine with query[stride], in falling order; `width` ≥ k
 * candidates are kept on the way (0: the default), more find more. */
MUST_CHECK enum err hnsw_search(const struct hnsw *hnsw, const float *query, size_t k,
                                size_t width, struct neighbour *results, size_t *found);

/* Sections "hnsw" u32, "hnsw.starts" u64, "hnsw.base" u32 and "hnsw.upper" u32. */
MUST_CHECK enum err hnsw_write(const struct hnsw *hnsw, struct artefact_writer *writer);
/* New index in place of the artefact, every link checked; *out NULL without sections. */
MUST_CHECK enum err hnsw_load(const struct vectors *vectors,
                              const struct artefact *artefact, struct hnsw **out,
                              struct err_info *info);

/* The same sections as a file of their own, an artefact of the kind "hnsw". */
MUST_CHECK enum err hnsw_write_file(const struct hnsw *hnsw, const struct writer *to);
/* Takes `bytes` (from memory_new_aligned) in every case; the index uses them in place.
 * ERR_BAD_MODEL_FILE when they are no index of as many rows. */
MUST_CHECK enum err hnsw_load_file_take(const struct vectors *vectors, void *bytes,
                                        size_t size, struct hnsw **out,
                                        struct err_info *info);

#endif

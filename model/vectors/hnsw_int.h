/* SPDX-License-Identifier: MIT */
/* The index's inside, shared by hnsw.c (searching, files) and hnsw_build.c. */
#ifndef FIRTH_MODEL_VECTORS_HNSW_INT_H
#define FIRTH_MODEL_VECTORS_HNSW_INT_H

#include <stdatomic.h>

#include "model/vectors/hnsw.h"
#include "model/vectors/kernels.h"

#define HNSW_LINKS_MAX 64u
#define HNSW_LEVELS_MAX 32u

/* A list of links is {count, link, link, …}. */
struct hnsw {
    const struct vectors *vectors;
    const struct kernels *kernels;
    uint32_t links;         /* most on an upper level; 2 × links on the lowest */
    uint32_t entry;         /* the node on the highest level */
    uint32_t top;           /* its level */
    const uint64_t *starts; /* [count + 1] where a node's upper lists begin in `upper` */
    uint32_t *base;         /* [count][2 links + 1] */
    uint32_t *upper;        /* lists of levels 1 … of each node, links + 1 each */
    void *owned[3];         /* starts, base, upper when not views into a file */
    void *file;             /* the file they are views into, when it is its own */
    size_t file_size;
    atomic_flag *locks; /* [count] while it is built, else NULL */
};

struct hnsw_candidate {
    float distance; /* 1 − cosine */
    uint32_t node;  /* the top bit is set once it has been expanded */
};
#define HNSW_EXPANDED 0x80000000u

/* A search's room: the nearest so far in rising distance, and who has been seen. */
struct hnsw_pool {
    struct hnsw_candidate *items; /* [width + 1] */
    size_t count, width;
    uint64_t *seen; /* a bit for each node */
    size_t seen_words;
    uint32_t *fresh; /* [2 links max] */
    float *scores;   /* the same */
};

MUST_CHECK enum err hnsw_pool_init(struct hnsw_pool *pool, const struct hnsw *hnsw,
                                   size_t width);
void hnsw_pool_fini(struct hnsw_pool *pool);

static inline uint32_t *hnsw_list(const struct hnsw *hnsw, uint32_t node, uint32_t level)
{
    if (level == 0)
        return hnsw->base + (size_t)node * (2 * hnsw->links + 1);
    return hnsw->upper + hnsw->starts[node] + (size_t)(level - 1) * (hnsw->links + 1);
}

static inline uint32_t hnsw_level(const struct hnsw *hnsw, uint32_t node)
{
    return (uint32_t)((hnsw->starts[node + 1] - hnsw->starts[node]) / (hnsw->links + 1));
}

/* 1 − cosine of a unit vector and a row. */
float hnsw_distance(const struct hnsw *hnsw, const float *unit, uint32_t node);

/* Goes from `from` at its own level down to `level`, each time to the nearest. */
struct hnsw_candidate hnsw_descend(const struct hnsw *hnsw, const float *unit,
                                   uint32_t level, struct hnsw_pool *pool);

/* Fills the pool with the nearest nodes to `unit` found on a level, from what it has. */
void hnsw_explore(const struct hnsw *hnsw, const float *unit, uint32_t level,
                  struct hnsw_pool *pool, struct hnsw_candidate start);

#endif

/* SPDX-License-Identifier: MIT */
/* A loaded model: what a model file becomes in memory. Counted references, because
 * requests may still use a version that the registry has already replaced. */
#ifndef FIRTH_MODEL_MODEL_H
#define FIRTH_MODEL_MODEL_H

#include <stdatomic.h>

#include "model/artefact.h"
#include "model/kinds.h"
#include "model/train.h"

struct lm;
struct vectors;
struct vocab;
struct tokenizer;

struct model {
    atomic_uint references;
    const struct kind *kind;
    void *bytes; /* the model file, 64-byte aligned, owned; NULL for a component */
    size_t size;
    struct artefact *artefact;
    struct tokenizer *tokenizer;
    struct vocab *vocab;
    struct lm *lm;           /* NULL when it cannot score */
    struct vectors *vectors; /* NULL when it has none */
    struct train_spec spec;  /* how it was trained */
    struct train_result result;
    void (*free_vectors)(struct vectors *vectors);
    unsigned depth; /* 0; one more for each mixture this is a component of */
};

/* Common sections every trainer writes first: "spec", "tokenizer", "vocab". */
MUST_CHECK enum err model_write_head(struct artefact_writer *writer,
                                     const struct train_spec *spec,
                                     const struct tokenizer *tokenizer,
                                     const struct vocab *vocab);
/* And last: "result". */
MUST_CHECK enum err model_write_result(struct artefact_writer *writer,
                                       const struct train_result *result);

/* Makes a model of a model file. Takes `bytes` (from memory_new_aligned) in every case,
 * also on failure. One reference. */
MUST_CHECK enum err model_load_take(void *bytes, size_t size, struct model **out,
                                    struct err_info *info);

/* A model of a model file that lies inside another one (a mixture's component). The bytes
 * are borrowed and 64-byte aligned; ERR_BAD_MODEL_FILE deeper than MODEL_DEPTH_MAX. */
#define MODEL_DEPTH_MAX 4
MUST_CHECK enum err model_load_component(struct span bytes, unsigned depth,
                                         struct model **out, struct err_info *info);

struct model *model_retain(struct model *model);
void model_release(struct model *model);

/* ERR_NOT_ABLE when it has no vectors, naming the kinds that have some. */
MUST_CHECK enum err model_need_vectors(const struct model *model, struct err_info *info);

/* Bytes of memory it holds. */
size_t model_memory(const struct model *model);

#endif

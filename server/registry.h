/* SPDX-License-Identifier: MIT */
/* Loaded models by name or alias. Loads on demand, keeps within the memory setting by
 * dropping the least recently used, and lets requests finish on a version that has been
 * replaced meanwhile. */
#ifndef FIRTH_SERVER_REGISTRY_H
#define FIRTH_SERVER_REGISTRY_H

#include <stdbool.h>

#include "base/err.h"
#include "model/model.h"
#include "storage/store.h"

struct batcher;
struct registry;
struct metrics;

/* A model in use; give it back with registry_release. */
struct lease {
    struct model *model;
    struct batcher *batcher;    /* NULL: not worth it, ask the model itself */
    char name[STORE_NAME_SIZE]; /* the model's own name, also when asked by alias */
    char digest[STORE_DIGEST_SIZE];
};

/* What is said of a name that no model and no alias has. */
#define REGISTRY_NO_MODEL "There is no model '%.64s'; GET /models lists them."

enum model_state { MODEL_UNLOADED, MODEL_LOADING, MODEL_READY, MODEL_FAILED };

MUST_CHECK enum err registry_new(struct store *store, struct metrics *metrics,
                                 uint64_t memory_bytes, struct registry **out);
void registry_free(struct registry *registry);

/* Loads when needed; may block on the disk. ERR_MODEL_NOT_FOUND, ERR_INTEGRITY, … */
MUST_CHECK enum err registry_acquire(struct registry *registry, const char *name,
                                     struct lease *lease, struct err_info *info);
/* Only if it is in memory already; never blocks on the disk. */
MUST_CHECK bool registry_try_acquire(struct registry *registry, const char *name,
                                     struct lease *lease);
void registry_release(struct lease *lease);

/* Reserves memory for something that is to be added to a loaded model, dropping idle
 * models where it must. ERR_LIMIT when it can never be had, ERR_UNAVAILABLE when it is
 * taken by models in use, ERR_CONFLICT when this copy of the model is loaded no more. */
MUST_CHECK enum err registry_reserve(struct registry *registry, const struct lease *lease,
                                     uint64_t bytes, struct err_info *info);
/* Counts anew what a loaded model holds, in the place of what was reserved. */
void registry_measure(struct registry *registry, const struct lease *lease);

enum model_state registry_state(struct registry *registry, const char *name);
/* Drops the loaded copy of the model with this name or alias (unload, or after a replace
 * or delete); requests that hold a lease finish on it. */
void registry_forget(struct registry *registry, const char *name);
/* After a change of aliases: resolves names anew, keeps the loaded copies. */
void registry_forget_names(struct registry *registry);

#endif

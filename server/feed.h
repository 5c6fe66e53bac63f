/* SPDX-License-Identifier: MIT */
/* What a training reads, taken out of the store into unnamed files: the corpus, the
 * validation corpus, a checkpoint to go on from, the components of a mixture. A trainer
 * process inherits them as read-only descriptors; a local training maps them. */
#ifndef FIRTH_SERVER_FEED_H
#define FIRTH_SERVER_FEED_H

#include <stdbool.h>

#include "base/err.h"
#include "base/spill.h"
#include "model/train.h"
#include "storage/store.h"

struct feed {
    struct spill *corpus, *valid, *resume; /* valid and resume may be NULL */
    struct spill *components[PARAM_LIST_MAX];
    size_t component_count;
};

/* Whether to give up copying: asked between pieces of a MiB. */
struct feed_stop {
    bool (*wanted)(void *context);
    void *context;
};

/* Copies everything the spec names; no corpus when it names none. `job` is the id whose
 * own checkpoint comes before the one of spec->resume_from; NULL for none. `scratch` is
 * the folder of the files. ERR_CANCELLED when `stop` (may be NULL) says so. */
MUST_CHECK enum err feed_open(struct store *store, const struct train_spec *spec,
                              const char *job, const char *scratch,
                              const struct feed_stop *stop, struct feed *feed,
                              struct err_info *info);
void feed_close(struct feed *feed);

/* Maps the files into `input`, which is valid until feed_close. */
MUST_CHECK enum err feed_map(struct feed *feed, struct train_input *input);

/* Copies the first `most` bytes of one object. */
MUST_CHECK enum err feed_copy(struct store *store, int64_t object, uint64_t most,
                              const char *scratch, const struct feed_stop *stop,
                              struct spill **out);

/* The component models a spec names, in order; at most PARAM_LIST_MAX. */
size_t feed_components(const struct train_spec *spec, const char *names[PARAM_LIST_MAX]);

#endif

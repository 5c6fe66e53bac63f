/* SPDX-License-Identifier: MIT */
/* What a job reads, taken out of the store into unnamed files: the corpus or the text it
 * was given, the validation corpus, a checkpoint to go on from, models. A trainer process
 * inherits them as read-only descriptors; a local training maps them. */
#ifndef FIRTH_SERVER_FEED_H
#define FIRTH_SERVER_FEED_H

#include <stdbool.h>

#include "base/err.h"
#include "base/spill.h"
#include "model/train.h"
#include "storage/store.h"

/* What is to be copied; texts are borrowed. */
struct feed_needs {
    const char *corpus, *valid; /* names; NULL or "": none */
    bool given;                 /* the job's own text takes the corpus's place */
    bool resumes;               /* from the job's own last checkpoint, or from that of */
    const char *resume_from;    /* this job; NULL or "": none */
    const char *models[PARAM_LIST_MAX];
    size_t model_count;
};
/* A training needs its corpora, its checkpoint and the components of a mixture. */
void feed_needs_of_training(const struct train_spec *spec, struct feed_needs *needs);

struct feed {
    struct spill *corpus, *valid, *resume; /* NULL: none */
    struct spill *components[PARAM_LIST_MAX];
    size_t component_count;
    /* What exactly was read: the corpus, and the first model; "" for none. */
    char corpus_sha256[STORE_DIGEST_SIZE], model_digest[STORE_DIGEST_SIZE];
};

/* Whether to give up copying: asked between pieces of a MiB. */
struct feed_stop {
    bool (*wanted)(void *context);
    void *context;
};

/* Copies everything needed. `job` is the id of the job; NULL when there is none.
 * `scratch` is the folder of the files. ERR_CANCELLED when `stop` (may be NULL) says so.
 */
MUST_CHECK enum err feed_open(struct store *store, const struct feed_needs *needs,
                              const char *job, const char *scratch,
                              const struct feed_stop *stop, struct feed *feed,
                              struct err_info *info);
/* Closes the files; the digests stay. */
void feed_close(struct feed *feed);

/* Maps the files into `input`, which is valid until feed_close. */
MUST_CHECK enum err feed_map(struct feed *feed, struct train_input *input);

/* Copies the first `most` bytes of one object. */
MUST_CHECK enum err feed_copy(struct store *store, int64_t object, uint64_t most,
                              const char *scratch, const struct feed_stop *stop,
                              struct spill **out);

/* The component models a spec names, in order; at most PARAM_LIST_MAX. */
size_t feed_components(const struct train_spec *spec, const char *names[PARAM_LIST_MAX]);

/* A model made of others reads texts as they do: the spec takes its first component's
 * tokenizer. Where there is none, or its row does not tell, the spec stays as it is. */
MUST_CHECK enum err feed_settle_tokenizer(struct store *store, struct train_spec *spec);

#endif

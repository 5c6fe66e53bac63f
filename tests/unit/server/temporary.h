/* SPDX-License-Identifier: MIT */
/* A store in a temporary folder, and the few things most tests put into one. */
#ifndef FIRTH_TESTS_TEMPORARY_H
#define FIRTH_TESTS_TEMPORARY_H

#include "model/train.h"
#include "storage/store.h"

struct temporary {
    char folder[64], path[96];
    struct store *store;
};

/* New folder and store; the log is silent from then on. */
void temporary_open(struct temporary *temporary);
/* Closes the store unless somebody did (store NULL) and removes the folder. */
void temporary_close(struct temporary *temporary);

void temporary_put_corpus(struct temporary *temporary, const char *name,
                          const char *text);
/* A small n-gram model of the corpus, trained in this process. */
void temporary_train(struct temporary *temporary, const char *model, const char *corpus);
/* A model of this name whose file is these bytes. */
void temporary_put_model(struct temporary *temporary, const char *name,
                         const char *bytes);
struct train_spec temporary_spec(const char *model, const char *corpus);

#endif

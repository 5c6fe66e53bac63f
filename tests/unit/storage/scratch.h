/* SPDX-License-Identifier: MIT */
/* A store in a temporary folder of its own, and shorthand for filling it. */
#ifndef FIRTH_TESTS_STORAGE_SCRATCH_H
#define FIRTH_TESTS_STORAGE_SCRATCH_H

#include "storage/store.h"
#include "tests/support/unit.h"

struct scratch {
    char folder[64], path[96];
    struct store_settings settings;
    struct store *store;
};

/* Opens a new store; checks that it worked. */
void scratch_open(struct scratch *scratch);
/* Closes and opens the same file again. */
void scratch_reopen(struct scratch *scratch);
/* Closes (when open) and removes the folder. */
void scratch_close(struct scratch *scratch);

/* A corpus of the given bytes; the row is for the caller when not NULL. */
void scratch_corpus(struct store *store, const char *name, const void *bytes, size_t size,
                    struct corpus_row *row);
/* A model whose file is `text`. */
enum err scratch_model(struct store *store, const char *name, const char *text,
                       bool replace);
/* An index beside the model, which is taken to be the one of this text. */
enum err scratch_index(struct store *store, const char *model, const char *text,
                       const char *index);
/* A queued training job; its id goes into id. */
enum err scratch_job(struct store *store, const char *model, const char *corpus,
                     char id[STORE_ID_SIZE]);
/* The whole object, as new memory. */
char *scratch_object(struct store *store, int64_t object, size_t *size);
/* Waits (bounded) until `done` says so. */
bool scratch_until(bool (*done)(void *context), void *context);

/* Closes the store and changes the file through a connection of its own. */
void scratch_sql(struct scratch *scratch, const char *sql);
/* Reads one number, whether the store is open or not. */
int64_t scratch_integer(struct scratch *scratch, const char *sql);

#endif

/* SPDX-License-Identifier: MIT */
/* A script of operations on a store, and what must be found in it after each. */
#ifndef FIRTH_TESTS_FAULT_STORE_SCRIPT_H
#define FIRTH_TESTS_FAULT_STORE_SCRIPT_H

#include "storage/store.h"

/* Where the store is. */
extern char store_script_folder[64], store_script_path[96];

/* What went wrong first in the run at hand; "" while all is well. */
extern char store_script_problem[500];
void store_script_fail(const char *format, ...) PRINTF_LIKE(1, 2);

struct store_script_state {
    unsigned text, big;  /* version of the corpus, 0: not there */
    unsigned model;      /* version of the model file */
    int job;             /* state of the job, -1: not there */
    uint64_t checkpoint; /* step of the newest, 0: none */
    int64_t events;      /* id of the last */
    bool alias, key;
    uint64_t fence;
};

#define store_script_nothing ((struct store_script_state){.job = -1})

/* Does one thing and changes the state accordingly, whether it worked or not. */
typedef enum err store_script_operation(struct store *store,
                                        struct store_script_state *state);
enum { STORE_SCRIPT_LENGTH = 20 };
extern store_script_operation *const store_script[];
enum err store_script_text(struct store *store, struct store_script_state *state);
enum err store_script_backup(struct store *store, struct store_script_state *state);

/* What is in the store; contents are compared, differences are a problem. */
struct store_script_state store_script_look(struct store *store);
/* The version of a corpus, 0 when it is not there. */
unsigned store_script_corpus(struct store *store, const char *name);
bool store_script_same(struct store_script_state a, struct store_script_state b);

/* Opens what a fault has left and compares it with what `answered` operations make, or
 * one more. */
void store_script_check(unsigned answered);

#endif

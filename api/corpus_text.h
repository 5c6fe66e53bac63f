/* SPDX-License-Identifier: MIT */
/* A stored corpus as one view of memory: copied to a temporary file and mapped, so that
 * its size is bounded by the disk and not by memory. */
#ifndef FIRTH_API_CORPUS_TEXT_H
#define FIRTH_API_CORPUS_TEXT_H

#include "base/err.h"
#include "base/span.h"
#include "base/spill.h"
#include "storage/store.h"

struct corpus_text {
    struct corpus_row row;
    struct span text; /* valid until _fini */
    struct spill *spill;
};

/* `scratch` is the folder for temporary files, "" for the system's. Blocks on the disk.
 * ERR_CORPUS_NOT_FOUND. */
MUST_CHECK enum err corpus_text_open(struct corpus_text *corpus, struct store *store,
                                     const char *name, const char *scratch,
                                     struct err_info *info);
void corpus_text_fini(struct corpus_text *corpus);

/* Appends a whole stored object to a spill and maps it. */
MUST_CHECK enum err corpus_text_spill_object(struct store *store, int64_t object,
                                             struct spill *spill, struct span *content);

#endif

/* SPDX-License-Identifier: MIT */
/* Training in this process, for the command line: no queue, no job, no second process. */
#ifndef FIRTH_SERVER_LOCAL_H
#define FIRTH_SERVER_LOCAL_H

#include "base/progress.h"
#include "model/train.h"
#include "storage/store.h"

/* Trains what `spec` says (a mixture takes its parts' tokenizer) and puts the model into
 * the store, in the same moment visible as finished. `input` gives the texts; NULL takes
 * the spec's corpora from the store. The models of a mixture and a checkpoint always come
 * from there. `metadata` (may be NULL) is a JSON object as text. Fills `row` (free it
 * with model_row_fini, also after a failure) and `result`. ERR_EXISTS before any work
 * when the model's name is taken and not spec->replace; ERR_CANCELLED when `progress`
 * says stop. */
MUST_CHECK enum err train_local(struct store *store, struct train_spec *spec,
                                const struct train_input *input, const char *scratch,
                                const char *metadata, const struct progress *progress,
                                struct model_row *row, struct train_result *result,
                                struct err_info *info);

#endif

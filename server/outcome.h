/* SPDX-License-Identifier: MIT */
/* What a finished job leaves in the store's rows. */
#ifndef FIRTH_SERVER_OUTCOME_H
#define FIRTH_SERVER_OUTCOME_H

#include "base/err.h"
#include "model/train.h"
#include "server/feed.h"
#include "storage/store.h"

/* "name value" lines: parameters, vocab_size, then the metrics of the result; new. */
MUST_CHECK char *outcome_result_text(const struct train_result *result);

/* "name value" lines of an answer: model_digest and, where a corpus was read,
 * corpus_sha256; new. */
MUST_CHECK char *outcome_sources_text(const struct feed *feed);

/* Fills the model row of a training: name, kind, sizes, spec and metrics (copied). `job`
 * and `metadata` may be NULL. Free with model_row_fini, also after a failure. */
MUST_CHECK enum err outcome_model_row(const struct train_spec *spec,
                                      const struct train_result *result, const char *job,
                                      const char *metadata, struct model_row *row);

#endif

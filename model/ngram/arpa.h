/* SPDX-License-Identifier: MIT */
/* ARPA files: the text form of back-off n-gram models that KenLM, SRILM and irstlm share.
 */
#ifndef FIRTH_MODEL_NGRAM_ARPA_H
#define FIRTH_MODEL_NGRAM_ARPA_H

#include "base/stream.h"
#include "model/model.h"
#include "model/train.h"

/* Writes an n-gram model as an ARPA file; numbers have 8 digits behind the point, so the
 * file reads back to the same scores within 1e-6. ERR_NOT_ABLE where the format cannot
 * say it: other kinds, and additive smoothing over order 1. */
MUST_CHECK enum err arpa_export(const struct model *model, const struct writer *to,
                                struct err_info *info);

/* Reads an ARPA file and writes a model file of kind "ngram" in the fast form. `spec`
 * (NULL: defaults) names the model; its kind must be kind_ngram, its tokenizer says how
 * texts will be cut (ARPA files do not), its order becomes the file's. A malformed
 * file is ERR_BAD_MODEL_FILE with line and byte offset. `result` gets parameters, sizes
 * and notes. */
MUST_CHECK enum err arpa_import(const struct reader *from, struct train_spec *spec,
                                const struct writer *artefact,
                                struct train_result *result, struct err_info *info);

#endif

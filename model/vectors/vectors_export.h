/* SPDX-License-Identifier: MIT */
/* Word vectors for other programs. */
#ifndef FIRTH_MODEL_VECTORS_VECTORS_EXPORT_H
#define FIRTH_MODEL_VECTORS_VECTORS_EXPORT_H

#include "base/stream.h"
#include "model/vectors/vectors.h"
#include "model/vectors/vectors_import.h"

/* Writes the rows in order of frequency. Text numbers read back as the same floats. Words
 * with spaces, which those programs cannot read in the word2vec formats, have them
 * replaced by underscores there. Rows whose word cannot be read back from such a file are
 * left out. */
MUST_CHECK enum err vectors_export(const struct vectors *vectors,
                                   enum vectors_format format, const struct writer *to);

#endif

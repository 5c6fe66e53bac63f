/* SPDX-License-Identifier: MIT */
/* Word vectors from other programs' files, and to them. */
#ifndef FIRTH_MODEL_VECTORS_VECTORS_IMPORT_H
#define FIRTH_MODEL_VECTORS_VECTORS_IMPORT_H

#include "base/stream.h"
#include "model/train.h"

enum vectors_format {
    VECTORS_WORD2VEC,     /* "count dim" line, then "word number … number" lines */
    VECTORS_WORD2VEC_BIN, /* the same line, then word, space, dim little-endian floats */
    VECTORS_GLOVE,        /* lines only; the first one sets dim; or as VECTORS_WORD2VEC */
    VECTORS_FORMAT_COUNT
};
extern const char *const vectors_format_names[VECTORS_FORMAT_COUNT]; /* "word2vec" … */

#define VECTORS_TOKEN_MAX 1024u /* bytes of a word in a file */

/* Reads a file and writes a model file of the kind "vectors" under the name `model`.
 * Words may contain spaces. ERR_BAD_MODEL_FILE with record number and byte offset for
 * whatever is malformed: counts that do not fit, rows of other lengths, numbers that are
 * not finite decimals, words that repeat, are empty, too long or not UTF-8, compressed
 * files. Memory grows with what was received, never with what a header promises. The rows
 * of <unk>, <s> and </s> are left out and noted in `result`. */
MUST_CHECK enum err vectors_import(enum vectors_format format, const struct reader *from,
                                   const char *model, const struct progress *progress,
                                   const struct writer *artefact,
                                   struct train_result *result, struct err_info *info);

#endif

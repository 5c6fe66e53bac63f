/* SPDX-License-Identifier: MIT */
/* Model files on their way into a store and out of it, for HTTP and the command line. */
#ifndef FIRTH_API_MODEL_TRANSFER_H
#define FIRTH_API_MODEL_TRANSFER_H

#include <stdbool.h>

#include "base/err.h"
#include "base/stream.h"
#include "model/model.h"
#include "storage/store.h"

enum model_format {
    MODEL_FORMAT_CHECKPOINT,
    MODEL_FORMAT_ARPA,
    MODEL_FORMAT_WORD2VEC,
    MODEL_FORMAT_WORD2VEC_BIN,
    MODEL_FORMAT_GLOVE,
    MODEL_FORMAT_COUNT
};
extern const char *const model_transfer_formats[MODEL_FORMAT_COUNT];
/* The media type of a file of this format. */
const char *model_transfer_type(enum model_format format);
#define MODEL_TRANSFER_FORMATS "arpa, word2vec, word2vec-bin, glove or checkpoint"
/* False when there is no such format. */
bool model_transfer_format(const char *name, enum model_format *format);

struct model_transfer {
    enum model_format format;
    const char *name; /* the model's new name */
    bool replace;
    struct tokenizer_settings tokenizer; /* of formats that have none of their own */
    uint64_t most_bytes;                 /* of the file; 0: no limit */
    const char *scratch; /* folder of temporary files, NULL: the system's */
};

/* Reads the file to its end, checks it and puts it into the store; nothing is kept
 * unless all is well. Fills `row` (model_row_fini it, also after a failure) and whether
 * there was a model of this name. ERR_BAD_MODEL_FILE with line and byte offset,
 * ERR_EXISTS before anything is read. */
MUST_CHECK enum err model_transfer_in(struct store *store,
                                      const struct model_transfer *transfer,
                                      const struct reader *from, struct model_row *row,
                                      bool *replaced, struct err_info *info);

/* Writes a model in a format other than checkpoint. ERR_NOT_ABLE when its kind cannot. */
MUST_CHECK enum err model_transfer_out(const struct model *model,
                                       enum model_format format, const struct writer *to,
                                       struct err_info *info);

#endif

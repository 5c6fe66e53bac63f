/* SPDX-License-Identifier: MIT */
/* Vectors in the model file. Sections: "vectors" f32 [count · stride], rows with zeros
 * behind the dimensions; "vectors.dim" u32 [1]; with subwords "subwords" u32 [3]
 * {minimum, maximum, buckets} and "subwords.rows" f32 [buckets · stride]; with an index
 * those of hnsw.h. */
#ifndef FIRTH_MODEL_VECTORS_VECTORS_FILE_H
#define FIRTH_MODEL_VECTORS_VECTORS_FILE_H

#include "model/artefact.h"
#include "model/model.h"
#include "model/vectors/subwords.h"
#include "model/vectors/vectors.h"

#define VECTORS_DIM_MAX 16384u

/* Writes the sections; `matrix` is [count][vectors_stride(dim)], `subwords` may be NULL
 * and has its rows set otherwise. */
MUST_CHECK enum err vectors_file_write(struct artefact_writer *writer,
                                       const float *matrix, uint32_t count, uint32_t dim,
                                       const struct subwords *subwords);

/* The whole model file of a trainer: head, vectors, the index if the spec's parameter
 * "index" asks for one, result. */
struct id_corpus;
MUST_CHECK enum err vectors_file_write_model(const struct writer *to,
                                             const struct train_spec *spec,
                                             const struct id_corpus *corpus,
                                             const float *matrix, uint32_t dim,
                                             const struct subwords *subwords,
                                             const struct progress *progress,
                                             const struct train_result *result);

/* The load function of every kind of word vectors: sets model->vectors. */
MUST_CHECK enum err vectors_file_load(struct model *model,
                                      const struct artefact *artefact,
                                      struct err_info *info);

#endif

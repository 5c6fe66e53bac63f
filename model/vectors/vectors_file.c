/* SPDX-License-Identifier: MIT */
/* Writing vectors into a model file and using them in place from it: the matrix and the
 * n-gram rows are views into the file, only the lengths of the rows are computed. */
#include "model/vectors/vectors_file.h"

#include "base/memory.h"
#include "model/text/vocab.h"
#include "model/vectors/hnsw.h"
#include "model/vectors/id_corpus.h"

enum err vectors_file_write(struct artefact_writer *writer, const float *matrix,
                            uint32_t count, uint32_t dim, const struct subwords *subwords)
{
    uint64_t floats = (uint64_t)count * vectors_stride(dim), one = 1, three = 3;
    enum err code = artefact_put(writer, "vectors", ARTEFACT_F32, 1, &floats, matrix);
    if (!code)
        code = artefact_put(writer, "vectors.dim", ARTEFACT_U32, 1, &one, &dim);
    if (code || !subwords)
        return code;
    uint32_t sizes[3] = {subwords->minimum, subwords->maximum, subwords->buckets};
    code = artefact_put(writer, "subwords", ARTEFACT_U32, 1, &three, sizes);
    floats = (uint64_t)subwords->buckets * vectors_stride(dim);
    if (!code)
        code = artefact_put(writer, "subwords.rows", ARTEFACT_F32, 1, &floats,
                            subwords->rows);
    return code;
}

static enum err put_new_index(struct artefact_writer *writer,
                              const struct train_spec *spec,
                              const struct id_corpus *corpus, const float *matrix,
                              uint32_t dim, const struct progress *progress)
{
    struct vectors *vectors;
    struct hnsw *index = NULL;
    struct hnsw_settings settings = hnsw_defaults();
    settings.seed = spec->seed;
    settings.threads = id_corpus_threads(spec);
    enum err code = vectors_new(corpus->vocab, VOCAB_RESERVED, matrix, corpus->words, dim,
                                vectors_stride(dim), &vectors, NULL);
    if (!code)
        code = hnsw_build(vectors, &settings, progress, &index);
    if (!code)
        code = hnsw_write(index, writer);
    hnsw_free(index);
    vectors_free(vectors);
    return code;
}

enum err vectors_file_write_model(const struct writer *to, const struct train_spec *spec,
                                  const struct id_corpus *corpus, const float *matrix,
                                  uint32_t dim, const struct subwords *subwords,
                                  const struct progress *progress,
                                  const struct train_result *result)
{
    struct artefact_writer *writer = NULL;
    enum err code = artefact_begin(to, spec->kind->name, &writer);
    if (!code)
        code = model_write_head(writer, spec, corpus->tokenizer, corpus->vocab);
    if (!code)
        code = vectors_file_write(writer, matrix, corpus->words, dim, subwords);
    if (!code && params_boolean(&spec->params, "index"))
        code = put_new_index(writer, spec, corpus, matrix, dim, progress);
    if (!code)
        code = model_write_result(writer, result);
    if (!code)
        code = artefact_finish(writer);
    artefact_writer_free(writer);
    return code;
}

static enum err bad_file(struct err_info *info)
{
    return err_set(info, ERR_BAD_MODEL_FILE,
                   "The model file's vectors do not fit its vocabulary");
}

static enum err load_subwords(struct vectors *vectors, const struct artefact *artefact,
                              bool lowercase, struct err_info *info)
{
    const struct artefact_section *sizes, *rows;
    struct subwords *subwords;
    if (!artefact_find(artefact, "subwords"))
        return ERR_OK;
    enum err code = artefact_need(artefact, "subwords", ARTEFACT_U32, 1, &sizes, info);
    if (!code)
        code = artefact_need(artefact, "subwords.rows", ARTEFACT_F32, 1, &rows, info);
    if (code)
        return code;
    const uint32_t *size = (const void *)sizes->content.bytes;
    if (sizes->shape[0] != 3 || rows->shape[0] != (uint64_t)size[2] * vectors->stride)
        return bad_file(info);
    code = subwords_new(size[0], size[1], size[2], &subwords);
    if (code)
        return code == ERR_INVALID ? bad_file(info) : code;
    subwords->rows = (const void *)rows->content.bytes;
    subwords->lowercase = lowercase;
    vectors->subwords = subwords;
    return ERR_OK;
}

enum err vectors_file_load(struct model *model, const struct artefact *artefact,
                           struct err_info *info)
{
    const struct artefact_section *matrix, *dims;
    enum err code = artefact_need(artefact, "vectors", ARTEFACT_F32, 1, &matrix, info);
    if (!code)
        code = artefact_need(artefact, "vectors.dim", ARTEFACT_U32, 1, &dims, info);
    if (code)
        return code;
    uint32_t dim =
        dims->shape[0] == 1 ? *(const uint32_t *)(const void *)dims->content.bytes : 0;
    uint32_t words = vocab_size(model->vocab) - VOCAB_RESERVED;
    if (dim < 1 || dim > VECTORS_DIM_MAX ||
        matrix->shape[0] != (uint64_t)words * vectors_stride(dim))
        return bad_file(info);
    struct vectors *vectors;
    code = vectors_new(model->vocab, VOCAB_RESERVED, (const void *)matrix->content.bytes,
                       words, dim, vectors_stride(dim), &vectors, info);
    if (!code) {
        struct hnsw *index;
        code = load_subwords(vectors, artefact, model->spec.tokenizer.lowercase, info);
        if (!code)
            code = hnsw_load(vectors, artefact, &index, info);
        if (!code)
            vectors->index = index;
        if (code)
            vectors_free(vectors);
    }
    if (!code) {
        model->vectors = vectors;
        model->free_vectors = vectors_free;
    }
    return code;
}

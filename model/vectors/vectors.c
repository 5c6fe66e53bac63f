/* SPDX-License-Identifier: MIT */
/* Making a set of vectors: rows padded with zeros to whole cache lines, so that every
 * kernel reads aligned and never looks at `dim`, and the inverse of each row's length. */
#include "model/vectors/vectors.h"

#include <assert.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/text/vocab.h"
#include "model/vectors/hnsw.h"
#include "model/vectors/kernels.h"
#include "model/vectors/subwords.h"

size_t vectors_stride(uint32_t dim)
{
    return ((size_t)dim + KERNELS_WIDTH - 1) / KERNELS_WIDTH * KERNELS_WIDTH;
}

static bool is_padded(const float *matrix, uint32_t count, uint32_t dim, size_t stride)
{
    if ((uintptr_t)matrix % MEMORY_ALIGNMENT != 0 || stride != vectors_stride(dim))
        return false;
    for (uint32_t row = 0; row < count; row++)
        for (size_t d = dim; d < stride; d++)
            if (matrix[row * stride + d] != 0)
                return false;
    return true;
}

static enum err copy_padded(struct vectors *vectors, const float *matrix, size_t stride)
{
    size_t floats;
    if (!memory_multiply(vectors->count, vectors->stride, &floats))
        return ERR_NO_MEMORY;
    vectors->owned_matrix = memory_new_aligned(floats, sizeof(float));
    if (!vectors->owned_matrix)
        return ERR_NO_MEMORY;
    for (uint32_t row = 0; row < vectors->count; row++)
        memcpy(vectors->owned_matrix + row * vectors->stride, matrix + row * stride,
               vectors->dim * sizeof(float));
    vectors->matrix = vectors->owned_matrix;
    return ERR_OK;
}

static enum err measure_rows(struct vectors *vectors, struct err_info *info)
{
    vectors->owned_norms = memory_new_aligned(vectors->count, sizeof(float));
    if (!vectors->owned_norms)
        return ERR_NO_MEMORY;
    vectors->inverse_norm = vectors->owned_norms;
    for (uint32_t row = 0; row < vectors->count; row++) {
        const float *from = vectors_row(vectors, row);
        double sum = 0;
        for (uint32_t d = 0; d < vectors->dim; d++)
            sum += (double)from[d] * from[d];
        if (!(sum <= VECTORS_LENGTH_MAX * VECTORS_LENGTH_MAX))
            return err_set(info, ERR_INVALID,
                           "the vector in row %u is not finite or longer than 1e15",
                           row + 1);
        double inverse = 1 / sqrt(sum);
        vectors->owned_norms[row] = inverse < 1e30 ? (float)inverse : 0;
    }
    return ERR_OK;
}

static enum err fill(struct vectors *vectors, const float *matrix, size_t stride,
                     struct err_info *info)
{
    enum err code = ERR_OK;
    if (is_padded(matrix, vectors->count, vectors->dim, stride))
        vectors->matrix = matrix;
    else
        code = copy_padded(vectors, matrix, stride);
    return code ? code : measure_rows(vectors, info);
}

enum err vectors_new(const struct vocab *vocab, uint32_t first_id, const float *matrix,
                     uint32_t count, uint32_t dim, size_t stride, struct vectors **out,
                     struct err_info *info)
{
    *out = NULL;
    struct vectors *vectors = memory_new_array(1, sizeof *vectors);
    if (!vectors)
        return ERR_NO_MEMORY;
    vectors->vocab = vocab;
    vectors->first_id = first_id;
    vectors->count = count;
    vectors->dim = dim;
    vectors->stride = vectors_stride(dim);
    enum err code = fill(vectors, matrix, stride, info);
    if (code)
        vectors_free(vectors);
    else
        *out = vectors;
    return code;
}

enum err vectors_new_take(const struct vocab *vocab, uint32_t first_id, float *matrix,
                          uint32_t count, uint32_t dim, struct vectors **out,
                          struct err_info *info)
{
    enum err code =
        vectors_new(vocab, first_id, matrix, count, dim, vectors_stride(dim), out, info);
    if (!code && !(*out)->owned_matrix)
        (*out)->owned_matrix = matrix;
    else
        free(matrix);
    return code;
}

void vectors_free(struct vectors *vectors)
{
    if (!vectors)
        return;
    subwords_free((struct subwords *)vectors->subwords);
    hnsw_free((struct hnsw *)(uintptr_t)atomic_load(&vectors->index));
    free(vectors->owned_matrix);
    free(vectors->owned_norms);
    free(vectors);
}

bool vectors_attach_index(struct vectors *vectors, const struct hnsw *index)
{
    const struct hnsw *none = NULL;
    return atomic_compare_exchange_strong(&vectors->index, &none, index);
}

uint32_t vectors_row_of(const struct vectors *vectors, struct span word)
{
    uint32_t id = vocab_id(vectors->vocab, word);
    if (id < vectors->first_id || id - vectors->first_id >= vectors->count)
        return VECTORS_NO_ROW;
    if (id == VOCAB_UNK && !span_equal(word, vocab_word(vectors->vocab, id)))
        return VECTORS_NO_ROW;
    return id - vectors->first_id;
}

const float *vectors_row(const struct vectors *vectors, uint32_t row)
{
    assert(row < vectors->count);
    return vectors->matrix + row * vectors->stride;
}

struct span vectors_word(const struct vectors *vectors, uint32_t row)
{
    return vocab_word(vectors->vocab, vectors->first_id + row);
}

uint64_t vectors_count_of(const struct vectors *vectors, uint32_t row)
{
    return vocab_count(vectors->vocab, vectors->first_id + row);
}

bool vectors_know(const struct vectors *vectors, struct span word)
{
    return vectors_row_of(vectors, word) != VECTORS_NO_ROW ||
           (vectors->subwords && subwords_cover(vectors->subwords, word));
}

bool vectors_of_word(const struct vectors *vectors, struct span word, float *to)
{
    uint32_t row = vectors_row_of(vectors, word);
    if (row != VECTORS_NO_ROW) {
        memcpy(to, vectors_row(vectors, row), vectors->stride * sizeof *to);
        return true;
    }
    return vectors->subwords &&
           subwords_vector(vectors->subwords, word, vectors->stride, to);
}

size_t vectors_memory(const struct vectors *vectors)
{
    size_t bytes = sizeof *vectors + vectors->count * sizeof(float);
    if (vectors->owned_matrix)
        bytes += vectors->count * vectors->stride * sizeof(float);
    return bytes + vectors_index_memory(vectors);
}

size_t vectors_index_memory(const struct vectors *vectors)
{
    const struct hnsw *index = atomic_load(&vectors->index);
    return index ? hnsw_memory(index) : 0;
}

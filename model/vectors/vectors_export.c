/* SPDX-License-Identifier: MIT */
/* The three file formats, written through one buffer. Spaces separate in word2vec's, so
 * that one within a word becomes `_`. A row is left out when its word cannot be read
 * back: when it has a line feed, a zero byte or bytes that are not UTF-8, as the pieces
 * of a byte-pair encoding may, or when the word with `_` is there already. */
#include "model/vectors/vectors_export.h"

#include <string.h>

#include "base/buffer.h"
#include "base/utf8.h"
#include "model/vectors/number.h"
#include "model/vectors/vectors_import.h"

enum { FLUSH_AT = 1 << 18 };
static const size_t buffer_most = (size_t)1 << 24;

static void write_word(struct span word, bool spaces, char *to)
{
    for (size_t i = 0; i < word.size; i++)
        to[i] = word.bytes[i] == ' ' && !spaces ? '_' : word.bytes[i];
}

static bool can_stand(const struct vectors *vectors, enum vectors_format format,
                      uint32_t row)
{
    char written[VECTORS_TOKEN_MAX];
    struct span word = vectors_word(vectors, row);
    if (word.size > VECTORS_TOKEN_MAX || utf8_check(word) < word.size ||
        memchr(word.bytes, '\n', word.size) || memchr(word.bytes, 0, word.size))
        return false;
    if (format == VECTORS_GLOVE || !memchr(word.bytes, ' ', word.size))
        return true;
    write_word(word, false, written);
    return vectors_row_of(vectors, span_of(written, word.size)) == VECTORS_NO_ROW;
}

static enum err put_word(struct buffer *buffer, struct span word, bool spaces)
{
    char *to = buffer_reserve(buffer, word.size + 1);
    if (!to)
        return buffer->failed;
    write_word(word, spaces, to);
    to[word.size] = ' ';
    buffer_wrote(buffer, word.size + 1);
    return ERR_OK;
}

static enum err put_numbers(struct buffer *buffer, const float *row, uint32_t dim)
{
    char *to = buffer_reserve(buffer, (size_t)dim * (NUMBER_SIZE_MAX + 1));
    if (!to)
        return buffer->failed;
    size_t size = 0;
    for (uint32_t d = 0; d < dim; d++) {
        size += number_write(row[d], to + size);
        to[size++] = d + 1 < dim ? ' ' : '\n';
    }
    buffer_wrote(buffer, size);
    return ERR_OK;
}

static enum err put_row(struct buffer *buffer, const struct vectors *vectors,
                        enum vectors_format format, uint32_t row)
{
    enum err code = put_word(buffer, vectors_word(vectors, row), format == VECTORS_GLOVE);
    if (code)
        return code;
    const float *numbers = vectors_row(vectors, row);
    if (format != VECTORS_WORD2VEC_BIN)
        return put_numbers(buffer, numbers, vectors->dim);
    code = buffer_append(buffer, numbers, vectors->dim * sizeof *numbers);
    return code ? code : buffer_append_char(buffer, '\n');
}

static enum err flush(struct buffer *buffer, const struct writer *to)
{
    enum err code = to->write(to->context, buffer->bytes, buffer->size);
    buffer_clear(buffer);
    return code;
}

enum err vectors_export(const struct vectors *vectors, enum vectors_format format,
                        const struct writer *to)
{
    struct buffer buffer;
    buffer_init(&buffer, buffer_most);
    enum err code = ERR_OK;
    uint32_t rows = 0;
    for (uint32_t row = 0; row < vectors->count; row++)
        rows += can_stand(vectors, format, row);
    if (format != VECTORS_GLOVE)
        code = buffer_printf(&buffer, "%u %u\n", rows, vectors->dim);
    for (uint32_t row = 0; row < vectors->count && !code; row++) {
        if (can_stand(vectors, format, row))
            code = put_row(&buffer, vectors, format, row);
        if (!code && buffer.size >= FLUSH_AT)
            code = flush(&buffer, to);
    }
    if (!code && buffer.size)
        code = flush(&buffer, to);
    buffer_fini(&buffer);
    return code;
}

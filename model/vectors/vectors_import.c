/* SPDX-License-Identifier: MIT */
/* Reading vector files as a stream: records are parsed out of one buffer of at most a
 * long line, words go into a table that knows repetitions, numbers into one tight array
 * that grows as they come. Only when the whole file has proved well-formed is the model
 * file begun. */
#include "model/vectors/vectors_import.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "model/model.h"
#include "model/text/vocab.h"
#include "model/text/word_table.h"
#include "model/vectors/number.h"
#include "model/vectors/vectors_file.h"
#include "model/vectors/vectors_kinds.h"

const char *const vectors_format_names[VECTORS_FORMAT_COUNT] = {"word2vec",
                                                                "word2vec-bin", "glove"};

enum { BUFFER = 1 << 20, REPORT_EVERY = 4096 };

struct import {
    const struct reader *from;
    char *buffer; /* [BUFFER], of which start … end is not yet used */
    size_t start, end;
    uint64_t offset; /* of buffer[start] in the file */
    uint64_t record; /* being read, from 1 */
    bool ended;
    uint64_t announced; /* rows, from the header; 0: none */
    uint32_t dim;       /* 0: not known yet */
    struct word_table words;
    float *numbers; /* [rows][dim], tight */
    size_t capacity, rows;
    struct err_info *info;
};

static enum err bad(struct import *import, size_t at, const char *what)
{
    return err_set_place(import->info, ERR_BAD_MODEL_FILE, import->offset + at,
                         import->record, "Record %llu at byte %llu: %s",
                         (unsigned long long)import->record,
                         (unsigned long long)(import->offset + at), what);
}

/* ---- the stream ---- */

/* Moves what is left to the front and reads more; ERR_OK with nothing new at the end. */
static enum err fill(struct import *import)
{
    memmove(import->buffer, import->buffer + import->start, import->end - import->start);
    import->end -= import->start;
    import->start = 0;
    size_t got;
    enum err code = reader_fill(import->from, import->buffer + import->end,
                                BUFFER - import->end, &got);
    import->end += got;
    import->ended = !code && import->end < BUFFER;
    return code;
}

/* Makes `size` bytes available if the file has them. */
static enum err want(struct import *import, size_t size)
{
    return import->end - import->start >= size || import->ended ? ERR_OK : fill(import);
}

static void take(struct import *import, size_t size)
{
    import->start += size;
    import->offset += size;
}

static size_t available(const struct import *import)
{
    return import->end - import->start;
}

/* The next line without its line feed; `taken` includes it. A line must fit the buffer.
 */
static enum err next_line(struct import *import, struct span *line, size_t *taken)
{
    const char *feed = memchr(import->buffer + import->start, '\n', available(import));
    if (!feed && !import->ended) {
        enum err code = fill(import);
        if (code)
            return code;
        feed = memchr(import->buffer, '\n', available(import));
        if (!feed && !import->ended)
            return bad(import, 0, "the line is longer than any vector");
    }
    const char *first = import->buffer + import->start;
    line->bytes = first;
    line->size = feed ? (size_t)(feed - first) : available(import);
    *taken = line->size + (feed != NULL);
    return ERR_OK;
}

/* ---- the header ---- */

static bool read_count(struct span text, uint64_t most, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.bytes[i] < '0' || text.bytes[i] > '9' || *value > most)
            return false;
        *value = *value * 10 + (uint64_t)(text.bytes[i] - '0');
    }
    return text.size > 0 && *value >= 1 && *value <= most;
}

static enum err check_start(struct import *import)
{
    enum err code = want(import, 2);
    if (code)
        return code;
    const unsigned char *first = (const void *)(import->buffer + import->start);
    if (available(import) == 0)
        return bad(import, 0, "the file is empty");
    if (available(import) >= 2 && first[0] == 0x1f && first[1] == 0x8b)
        return bad(import, 0,
                   "the file is compressed: send it with Content-Encoding: gzip");
    if (available(import) >= 2 && first[0] == 0x28 && first[1] == 0xb5)
        return bad(import, 0,
                   "the file is compressed: send it with Content-Encoding: zstd");
    return ERR_OK;
}

static enum err read_header(struct import *import)
{
    struct span line;
    size_t taken;
    uint64_t rows, dim;
    enum err code = next_line(import, &line, &taken);
    if (code)
        return code;
    const char *space = memchr(line.bytes, ' ', line.size);
    if (!space)
        return bad(import, 0, "the file must begin with a line \"count dimensions\"");
    struct span first = span_of(line.bytes, (size_t)(space - line.bytes));
    struct span second = span_of(space + 1, line.size - first.size - 1);
    if (!read_count(first, VOCAB_SIZE_MAX - VOCAB_RESERVED, &rows))
        return bad(import, 0, "the count of words must be from 1 to 1073741821");
    if (!read_count(second, VECTORS_DIM_MAX, &dim))
        return bad(import, first.size + 1,
                   "the number of dimensions must be from 1 to 16384");
    import->announced = rows;
    import->dim = (uint32_t)dim;
    take(import, taken);
    return ERR_OK;
}

/* ---- records ---- */

static enum err add_word(struct import *import, struct span word)
{
    uint32_t index;
    if (word.size == 0)
        return bad(import, 0, "the word is empty");
    if (word.size > VECTORS_TOKEN_MAX)
        return bad(import, 0, "the word is longer than 1024 bytes");
    size_t wrong = utf8_check(word);
    if (wrong < word.size)
        return bad(import, wrong, "the word is not valid UTF-8");
    if (memchr(word.bytes, '\n', word.size) || memchr(word.bytes, 0, word.size))
        return bad(import, 0, "the word contains a line feed or a zero byte");
    if (import->words.count >= VOCAB_SIZE_MAX - VOCAB_RESERVED)
        return bad(import, 0, "there are more words than a vocabulary can hold");
    uint32_t before = import->words.count;
    enum err code = word_table_add(&import->words, word, &index);
    if (!code && index < before)
        return bad(import, 0, "the word stands in the file twice");
    return code;
}

static enum err new_row(struct import *import, float **row)
{
    size_t needed, used;
    if (!memory_multiply(import->rows, import->dim, &used) ||
        !memory_add(used, import->dim, &needed))
        return ERR_NO_MEMORY;
    enum err code =
        memory_grow(&import->numbers, &import->capacity, needed, sizeof(float));
    *row = import->numbers + used;
    return code;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* The word2vec program ends its lines with a space, and its header is easily cut off. */
static struct span without_blanks(struct span line)
{
    while (line.size > 1 && is_space(line.bytes[line.size - 1]))
        line.size--;
    return line;
}

/* Finds the number that ends at `end`; *first is where it begins, its separator before
 * it. False at the line's beginning. */
static bool last_field(struct span line, size_t end, size_t *first)
{
    size_t at = end;
    while (at > 0 && !is_space(line.bytes[at - 1]))
        at--;
    *first = at;
    return at > 0;
}

/* Dimensions of the first GloVe line: its fields but one. */
static uint32_t count_numbers(struct span line)
{
    uint32_t count = 0;
    float value;
    for (size_t end = line.size, first; end > 0 && count <= VECTORS_DIM_MAX; count++) {
        if (!last_field(line, end, &first) ||
            !number_read(span_of(line.bytes + first, end - first), &value))
            break;
        end = first - 1;
    }
    return count;
}

/* A whole number without a point: a word may be one, a number of a vector hardly is. */
static bool is_whole(struct span field)
{
    size_t i = 0;
    while (i < field.size && field.bytes[i] >= '0' && field.bytes[i] <= '9')
        i++;
    return field.size > 0 && i == field.size;
}

/* The line of `text` at `at`; false when there is none or it is not all there. */
static bool line_at(struct span text, size_t at, bool ended, struct span *line)
{
    if (at >= text.size)
        return false;
    const char *feed = memchr(text.bytes + at, '\n', text.size - at);
    *line = span_of(text.bytes + at,
                    feed ? (size_t)(feed - text.bytes) - at : text.size - at);
    return feed || ended;
}

/* Dimensions of a file whose first row has `most` fields behind its first one and whose
 * second row has `fewer` numbers: fewer where all that is too much in the first row are
 * whole numbers, so that the word is one of several fields ("7 11 0.2 0.3"). */
static uint32_t dimensions_of(struct span line, uint32_t most, uint32_t fewer)
{
    size_t end = line.size, first;
    for (uint32_t d = most; fewer > 0 && fewer < most && d > 0; d--, end = first - 1) {
        if (!last_field(line, end, &first))
            return most;
        bool whole = is_whole(span_of(line.bytes + first, end - first));
        if (whole != (d <= most - fewer))
            return most;
    }
    return fewer > 0 && fewer < most ? fewer : most;
}

/* Whether the GloVe file begins with a line "count dimensions", as its program writes on
 * demand, and if not, its dimensions as far as two lines tell. Two whole numbers might
 * also be the row of a word that is a number: they are a header where the second line has
 * as many numbers as they say, and more than one. */
static enum err look_at_glove(struct import *import, bool *header)
{
    struct span line, second;
    *header = false;
    enum err code = want(import, BUFFER);
    struct span text = span_of(import->buffer + import->start, available(import));
    if (code || !line_at(text, 0, import->ended, &line))
        return code;
    bool more = line_at(text, line.size + 1, import->ended, &second);
    line = without_blanks(line);
    uint32_t numbers = count_numbers(line);
    uint32_t others = more ? count_numbers(without_blanks(second)) : 0;
    const char *space = memchr(line.bytes, ' ', line.size);
    size_t before = space ? (size_t)(space - line.bytes) : 0;
    uint64_t rows, dim = 0;
    if (numbers == 1 && others > 1 &&
        read_count(span_of(line.bytes, before), VOCAB_SIZE_MAX, &rows) &&
        read_count(span_of(space + 1, line.size - before - 1), VECTORS_DIM_MAX, &dim))
        *header = dim == others;
    if (!*header && numbers <= VECTORS_DIM_MAX)
        import->dim = dimensions_of(line, numbers, others);
    return ERR_OK;
}

/* What is left of the word when the numbers have been taken off a line must not end in
 * another number: that would be a row too long. Nor, in the first row of a GloVe file,
 * which says how many there are, in what was meant as one (1,5 or nan): it would become
 * part of every word. */
static enum err check_word_end(struct import *import, struct span word)
{
    size_t first;
    float value;
    if (!last_field(word, word.size, &first))
        return ERR_OK;
    struct span field = span_of(word.bytes + first, word.size - first);
    if (number_read(field, &value) && memchr(field.bytes, '.', field.size))
        return bad(import, 0, "the row has too many numbers");
    if (import->rows == 0 && !import->announced && number_meant(field))
        return bad(import, first, "not a finite decimal number");
    return ERR_OK;
}

static enum err read_numbers(struct import *import, struct span line, float *row,
                             size_t *word_size)
{
    size_t end = line.size, first;
    for (uint32_t d = import->dim; d-- > 0; end = first - 1) {
        if (end == 0 || !last_field(line, end, &first))
            return bad(import, 0, "the row has too few numbers");
        if (!number_read(span_of(line.bytes + first, end - first), &row[d]))
            return bad(import, first, "not a finite decimal number");
    }
    *word_size = end;
    return ERR_OK;
}

static enum err check_length(struct import *import, const float *row)
{
    double sum = 0;
    for (uint32_t d = 0; d < import->dim; d++)
        sum += (double)row[d] * (double)row[d];
    return sum <= VECTORS_LENGTH_MAX * VECTORS_LENGTH_MAX
               ? ERR_OK
               : bad(import, 0, "the vector is longer than 1e15");
}

static enum err read_text_record(struct import *import, bool *done)
{
    struct span line;
    size_t taken, word_size = 0;
    float *row;
    enum err code = next_line(import, &line, &taken);
    *done = !code && taken == 0;
    if (code || *done)
        return code;
    if (line.size == 0)
        return bad(import, 0, "the line is empty");
    if (line.bytes[line.size - 1] == '\r')
        return bad(import, line.size - 1, "the line ends in a carriage return");
    line = without_blanks(line);
    if (import->dim == 0)
        return bad(import, 0, "the first row must be a word and 1 to 16384 numbers");
    code = new_row(import, &row);
    if (!code)
        code = read_numbers(import, line, row, &word_size);
    if (!code)
        code = check_length(import, row);
    if (!code)
        code = check_word_end(import, span_of(line.bytes, word_size));
    if (!code)
        code = add_word(import, span_of(line.bytes, word_size));
    if (!code)
        take(import, taken);
    return code;
}

static enum err check_finite(struct import *import, const float *row, size_t at)
{
    for (uint32_t d = 0; d < import->dim; d++)
        if (!isfinite(row[d]))
            return bad(import, at + 4 * (size_t)d, "a number is not finite");
    return ERR_OK;
}

static enum err read_binary_record(struct import *import, bool *done)
{
    float *row;
    size_t bytes = import->dim * sizeof(float);
    enum err code = want(import, VECTORS_TOKEN_MAX + 2 + bytes);
    if (!code && available(import) && import->buffer[import->start] == '\n')
        take(import, 1); /* the word2vec program ends its rows so, gensim does not */
    *done = !code && available(import) == 0;
    if (code || *done)
        return code;
    const char *first = import->buffer + import->start;
    const char *space =
        memchr(first, ' ',
               available(import) < VECTORS_TOKEN_MAX + 1 ? available(import)
                                                         : VECTORS_TOKEN_MAX + 1);
    if (!space)
        return bad(import, 0, "no space ends the word within 1024 bytes");
    size_t word_size = (size_t)(space - first);
    if (available(import) - word_size - 1 < bytes)
        return bad(import, available(import), "the file ends within a vector");
    code = new_row(import, &row);
    if (!code) {
        memcpy(row, space + 1, bytes);
        code = check_finite(import, row, word_size + 1);
    }
    if (!code)
        code = check_length(import, row);
    if (!code)
        code = add_word(import, span_of(first, word_size));
    if (!code)
        take(import, word_size + 1 + bytes);
    return code;
}

static enum err report(struct import *import, const struct progress *progress)
{
    struct progress_report now = {
        .fraction =
            import->announced ? (double)import->rows / (double)import->announced : 0,
        .step = import->rows,
        .steps_total = import->announced,
        .phase = "counting",
    };
    return progress_report(progress, &now) == PROGRESS_STOP ? ERR_CANCELLED : ERR_OK;
}

static enum err read_records(struct import *import, enum vectors_format format,
                             const struct progress *progress)
{
    for (;;) {
        bool done;
        import->record = import->rows + 1;
        enum err code = format == VECTORS_WORD2VEC_BIN ? read_binary_record(import, &done)
                                                       : read_text_record(import, &done);
        if (code)
            return code;
        if (done && import->rows < import->announced)
            return bad(import, 0, "the file ends before its last row");
        if (done)
            return import->rows ? ERR_OK : bad(import, 0, "the file has no rows");
        if (import->announced && import->rows == import->announced)
            return bad(import, 0, "there are more rows than the first line says");
        import->rows++;
        if (import->rows % REPORT_EVERY == 0 && (code = report(import, progress)))
            return code;
    }
}

/* ---- the model file ---- */

static bool is_reserved(struct span word)
{
    return span_equal(word, span_of_text("<unk>")) ||
           span_equal(word, span_of_text("<s>")) ||
           span_equal(word, span_of_text("</s>"));
}

static enum err make_vocab(struct import *import, struct vocab **vocab,
                           struct train_result *result)
{
    *vocab = NULL;
    struct span *words = memory_new_array(import->rows, sizeof *words);
    if (!words)
        return ERR_NO_MEMORY;
    size_t kept = 0;
    for (size_t i = 0; i < import->rows; i++) {
        struct span word = word_table_word(&import->words, (uint32_t)i);
        if (!is_reserved(word))
            words[kept++] = word;
    }
    if (kept < import->rows)
        train_result_note(result,
                          "%zu rows of reserved words (<unk>, <s>, </s>) were "
                          "left out",
                          import->rows - kept);
    import->record = 1;
    enum err code = kept ? vocab_from_words(words, NULL, kept, vocab, import->info)
                         : bad(import, 0, "there is no word but reserved ones");
    free(words);
    return code;
}

static enum err write_rows(struct import *import, struct artefact_writer *writer)
{
    size_t stride = vectors_stride(import->dim);
    float *padded = memory_new_aligned(stride, sizeof *padded);
    enum err code =
        padded ? artefact_open_section(writer, "vectors", ARTEFACT_F32) : ERR_NO_MEMORY;
    for (size_t i = 0; i < import->rows && !code; i++) {
        if (is_reserved(word_table_word(&import->words, (uint32_t)i)))
            continue;
        memcpy(padded, import->numbers + i * import->dim, import->dim * sizeof *padded);
        code = artefact_append(writer, padded, stride * sizeof *padded);
    }
    free(padded);
    uint64_t one = 1;
    if (!code)
        code = artefact_close_section(writer);
    return code
               ? code
               : artefact_put(writer, "vectors.dim", ARTEFACT_U32, 1, &one, &import->dim);
}

static enum err write_model(struct import *import, const char *model,
                            const struct vocab *vocab, const struct writer *artefact,
                            struct train_result *result)
{
    struct train_spec *spec = memory_new_array(1, sizeof *spec);
    struct tokenizer *tokenizer = NULL;
    struct artefact_writer *writer = NULL;
    if (!spec)
        return ERR_NO_MEMORY;
    train_spec_init(spec, &kind_vectors);
    snprintf(spec->model, sizeof spec->model, "%s", model);
    result->vocab_size = vocab_size(vocab);
    result->parameters = (uint64_t)(result->vocab_size - VOCAB_RESERVED) * import->dim;
    enum err code =
        tokenizer_train(&spec->tokenizer, span_of("", 0), NULL, &tokenizer, import->info);
    if (!code)
        code = artefact_begin(artefact, spec->kind->name, &writer);
    if (!code)
        code = model_write_head(writer, spec, tokenizer, vocab);
    if (!code)
        code = write_rows(import, writer);
    if (!code)
        code = model_write_result(writer, result);
    if (!code)
        code = artefact_finish(writer);
    artefact_writer_free(writer);
    tokenizer_free(tokenizer);
    free(spec);
    return code;
}

static enum err read_file(struct import *import, enum vectors_format format,
                          const struct progress *progress)
{
    import->record = 1;
    import->buffer = malloc(BUFFER);
    enum err code = import->buffer ? word_table_init(&import->words) : ERR_NO_MEMORY;
    if (!code)
        code = check_start(import);
    bool header = format != VECTORS_GLOVE;
    if (!code && !header)
        code = look_at_glove(import, &header);
    if (!code && header)
        code = read_header(import);
    if (!code)
        code = read_records(import, format, progress);
    free(import->buffer);
    return code;
}

enum err vectors_import(enum vectors_format format, const struct reader *from,
                        const char *model, const struct progress *progress,
                        const struct writer *artefact, struct train_result *result,
                        struct err_info *info)
{
    struct import *import = memory_new_array(1, sizeof *import);
    struct vocab *vocab = NULL;
    memset(result, 0, sizeof *result);
    if (!import)
        return ERR_NO_MEMORY;
    import->from = from;
    import->info = info;
    enum err code = read_file(import, format, progress);
    if (!code)
        code = make_vocab(import, &vocab, result);
    if (!code)
        code = write_model(import, model, vocab, artefact, result);
    vocab_free(vocab);
    word_table_fini(&import->words);
    free(import->numbers);
    free(import);
    return err_finish(info, code);
}

static enum err refuse_training(const struct train_spec *spec,
                                const struct train_input *input,
                                const struct progress *progress,
                                const struct writer *artefact,
                                struct train_result *result, struct err_info *info)
{
    (void)spec;
    (void)input;
    (void)progress;
    (void)artefact;
    (void)result;
    return err_set_field(info, ERR_INVALID, "/kind",
                         "Models of the kind \"vectors\" are imported; to train vectors "
                         "use skipgram, cbow, glove or svd");
}

static const struct param no_params[] = {{NULL, PARAM_INTEGER, 0, 0, NULL, NULL, NULL}};

const struct kind kind_vectors = {
    .name = "vectors",
    .help = "Word vectors imported from a word2vec or GloVe file; not to be trained",
    .params = no_params,
    .can = CAN_VECTORS,
    .tokenizer = {.unit = UNIT_WORD, .segment = SEGMENT_LINE, .min_count = 1},
    .train = refuse_training,
    .load = vectors_file_load,
};

/* SPDX-License-Identifier: MIT */
/* The grammar of ARPA files.
 *
 *   file     = {blank | comment} "\data\" counts {section} "\end\" {blank}
 *   counts   = "ngram K=N" for K = 1, 2, … in turn
 *   section  = "\K-grams:" and N lines: log10 probability, K words, and below the highest
 *              order a log10 back-off weight that may be left out when it is 0
 *
 * Fields are separated by spaces or tabs, lines by LF or CRLF; blank lines may stand
 * between sections or be missing. All words must be in the first section. -99 and less
 * stand for a probability of 0, as in SRILM. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "model/counting.h"
#include "model/ngram/arpa_file.h"
#include "model/text/vocab.h"

#define LOG_ZERO (-99.0)
#define LOG_MOST 37.0 /* 10 to it still fits a float */

struct arpa_reader {
    struct arpa_file *file;
    struct arpa_lines lines;
    struct err_info *info;
    bool more;
    struct buffer words; /* the unigrams' words one after another */
    uint64_t *ends;      /* [rows[1].count] where each ends in it */
    size_t ends_capacity;
};

#define BAD(reader, ...)                                                                 \
    err_set_place((reader)->info, ERR_BAD_MODEL_FILE, (reader)->lines.offset,            \
                  (reader)->lines.number, __VA_ARGS__)

static bool line_is_blank(const struct arpa_reader *reader)
{
    struct span text = reader->lines.line;
    return arpa_field(&text).size == 0;
}

/* Whether the current line holds `text` and nothing else. */
static bool line_is(const struct arpa_reader *reader, const char *text)
{
    struct span line = reader->lines.line;
    struct span field = arpa_field(&line);
    return span_equal(field, span_of_text(text)) && arpa_field(&line).size == 0;
}

static bool line_starts(const struct arpa_reader *reader, const char *text, size_t size)
{
    struct span line = reader->lines.line;
    return line.size >= size && memcmp(line.bytes, text, size) == 0;
}

static enum err next_line(struct arpa_reader *reader)
{
    return arpa_lines_next(&reader->lines, &reader->more, reader->info);
}

/* The next line that is not blank. */
static enum err next_filled_line(struct arpa_reader *reader)
{
    enum err code = next_line(reader);
    while (!code && reader->more && line_is_blank(reader))
        code = next_line(reader);
    return code;
}

/* ---- the head ---- */

static enum err wrong_start(struct arpa_reader *reader)
{
    if (line_starts(reader, "\x1f\x8b", 2) ||
        line_starts(reader, "\x28\xb5\x2f\xfd", 4) || line_starts(reader, "BZh", 3))
        return BAD(reader, "The file is compressed: send the text itself");
    if (line_is(reader, "iARPA") || line_starts(reader, "blmt", 4))
        return BAD(reader, "The file has irstlm's own format: convert it with "
                           "\"compile-lm --text=yes\" first");
    if (line_starts(reader, "mmap lm", 7))
        return BAD(reader,
                   "The file is a KenLM binary: send the ARPA file it was made of");
    return BAD(reader, "The file does not start with \\data\\: it is no ARPA file");
}

static enum err read_start(struct arpa_reader *reader)
{
    enum err code = next_filled_line(reader);
    while (!code && reader->more && line_starts(reader, "#", 1))
        code = next_filled_line(reader);
    if (code)
        return code;
    if (!reader->more)
        return BAD(reader, "The file is empty");
    return line_is(reader, "\\data\\") ? ERR_OK : wrong_start(reader);
}

/* "ngram K=N", also with spaces around the sign. */
static bool parse_count(struct span line, uint64_t *order, uint64_t *count)
{
    char text[64], rest;
    if (line.size >= sizeof text)
        return false;
    memcpy(text, line.bytes, line.size);
    text[line.size] = 0;
    if (strchr(text, '-'))
        return false;
    return sscanf(text, "ngram %5" SCNu64 " = %19" SCNu64 " %c", order, count, &rest) ==
           2;
}

static enum err read_counts(struct arpa_reader *reader)
{
    struct arpa_file *file = reader->file;
    enum err code = next_filled_line(reader);
    for (; !code && reader->more && line_starts(reader, "ngram", 5);
         code = next_filled_line(reader)) {
        uint64_t order, count;
        if (!parse_count(reader->lines.line, &order, &count))
            return BAD(reader, "A line like \"ngram 1=1000\" was expected");
        if (order != file->order + 1u)
            return BAD(reader, "The orders in \\data\\ must be 1, 2, 3 and so on");
        if (order > NGRAM_ORDER_MAX)
            return BAD(reader, "The model's order is over %u", NGRAM_ORDER_MAX);
        if (count > NGRAM_COUNT_MAX || (order == 1 && count > VOCAB_SIZE_MAX - 3))
            return BAD(reader, "There are more n-grams than a model can have");
        file->order = (unsigned)order;
        file->declared[order] = count;
    }
    if (!code && file->order == 0)
        return BAD(reader, "\\data\\ must be followed by lines like \"ngram 1=1000\"");
    return code;
}

/* ---- a section ---- */

/* The word of a higher-order n-gram. */
static enum err find_word(struct arpa_reader *reader, struct span word, uint32_t *id)
{
    *id = vocab_id(reader->file->vocab, word);
    if (*id == VOCAB_UNK && !span_equal(word, span_of_text("<unk>")) &&
        !span_equal(word, span_of_text("<UNK>")))
        return BAD(reader, "\"%.*s\" is not among the 1-grams",
                   word.size < 64 ? (int)word.size : 64, word.bytes);
    return ERR_OK;
}

static enum err keep_word(struct arpa_reader *reader, struct span word, uint32_t *id)
{
    size_t count = reader->file->rows[1].count;
    if (span_equal(word, span_of_text("<UNK>")))
        word = span_of_text("<unk>");
    enum err code = memory_grow(&reader->ends, &reader->ends_capacity, count + 1,
                                sizeof *reader->ends);
    if (!code)
        code = buffer_append(&reader->words, word.bytes, word.size);
    if (!code)
        reader->ends[count] = reader->words.size;
    *id = 0; /* known when all words are */
    return code;
}

static enum err read_probability(struct arpa_reader *reader, struct span field,
                                 float *prob)
{
    double value;
    if (!arpa_number(field, &value))
        return BAD(reader, "\"%.*s\" is not a log probability",
                   field.size < 32 ? (int)field.size : 32, field.bytes);
    if (value > 0)
        return BAD(reader, "The log probability %g is over 0", value);
    *prob = value <= LOG_ZERO ? 0 : (float)pow(10, value);
    return ERR_OK;
}

static enum err read_backoff(struct arpa_reader *reader, struct span field, bool highest,
                             float *backoff)
{
    double value = 0;
    *backoff = 1;
    if (field.size == 0)
        return ERR_OK;
    if (!arpa_number(field, &value) || value > LOG_MOST)
        return BAD(reader, "\"%.*s\" is not a usable back-off weight",
                   field.size < 32 ? (int)field.size : 32, field.bytes);
    if (highest && value != 0)
        return BAD(reader, "An n-gram of the highest order has a back-off weight");
    *backoff = value <= LOG_ZERO ? 0 : (float)pow(10, value);
    return ERR_OK;
}

static enum err read_row(struct arpa_reader *reader, unsigned k)
{
    struct arpa_rows *rows = &reader->file->rows[k];
    struct span line = reader->lines.line;
    uint32_t record[NGRAM_ORDER_MAX + 2];
    float values[2];
    enum err code = read_probability(reader, arpa_field(&line), &values[0]);
    for (unsigned i = 0; !code && i < k; i++) {
        struct span word = arpa_field(&line);
        if (word.size == 0)
            return BAD(reader, "The line has fewer than %u words", k);
        code = k == 1 ? keep_word(reader, word, &record[i])
                      : find_word(reader, word, &record[i]);
    }
    if (!code)
        code =
            read_backoff(reader, arpa_field(&line), k == reader->file->order, &values[1]);
    if (!code && arpa_field(&line).size > 0)
        return BAD(reader, "The line has more than %u words and two numbers", k);
    if (!code)
        code = memory_grow(&rows->records, &rows->capacity, rows->count + 1,
                           (k + 2) * sizeof *rows->records);
    if (code)
        return code;
    memcpy(record + k, values, sizeof values);
    memcpy(rows->records + rows->count++ * (k + 2), record, (k + 2) * sizeof *record);
    return ERR_OK;
}

static enum err read_section(struct arpa_reader *reader, unsigned k)
{
    struct arpa_rows *rows = &reader->file->rows[k];
    char head[24];
    snprintf(head, sizeof head, "\\%u-grams:", k);
    if (!reader->more || !line_is(reader, head)) {
        if (reader->file->declared[k] == 0)
            return ERR_OK; /* an empty section may be missing */
        return BAD(reader, "%s was expected", head);
    }
    rows->line = reader->lines.number;
    rows->offset = reader->lines.offset;
    enum err code = next_filled_line(reader);
    while (!code && reader->more && !line_starts(reader, "\\", 1)) {
        if (rows->count == reader->file->declared[k])
            return BAD(reader, "There are more %u-grams than the %" PRIu64 " of \\data\\",
                       k, reader->file->declared[k]);
        code = read_row(reader, k);
        if (!code)
            code = next_filled_line(reader);
    }
    if (!code && rows->count < reader->file->declared[k])
        return BAD(reader, "There are %zu %u-grams, not the %" PRIu64 " of \\data\\",
                   rows->count, k, reader->file->declared[k]);
    return code;
}

/* Makes the vocabulary once all words are known, and gives the 1-grams their ids. */
static enum err make_vocab(struct arpa_reader *reader)
{
    struct arpa_rows *rows = &reader->file->rows[1];
    struct span *words = memory_new_array(rows->count, sizeof *words);
    if (!words)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < rows->count; i++) {
        size_t begin = i ? (size_t)reader->ends[i - 1] : 0;
        words[i] = span_of(reader->words.bytes + begin, (size_t)reader->ends[i] - begin);
    }
    struct err_info detail = {0};
    enum err code =
        vocab_from_words(words, NULL, rows->count, &reader->file->vocab, &detail);
    if (code && code != ERR_NO_MEMORY)
        code = err_set_place(reader->info, ERR_BAD_MODEL_FILE, rows->offset, rows->line,
                             "The 1-grams are unusable: %s", detail.message);
    for (size_t i = 0; !code && i < rows->count; i++)
        rows->records[i * 3] = vocab_id(reader->file->vocab, words[i]);
    free(words);
    return code;
}

static enum err read_end(struct arpa_reader *reader)
{
    if (!reader->more || !line_is(reader, "\\end\\"))
        return BAD(reader, reader->more ? "\\end\\ was expected"
                                        : "The file ends without \\end\\");
    enum err code = next_filled_line(reader);
    if (!code && reader->more)
        return BAD(reader, "There is text behind \\end\\");
    return code;
}

static enum err read_all(struct arpa_reader *reader)
{
    enum err code = read_start(reader);
    if (!code)
        code = read_counts(reader);
    for (unsigned k = 1; !code && k <= reader->file->order; k++) {
        code = read_section(reader, k);
        if (!code && k == 1)
            code = make_vocab(reader);
    }
    return code ? code : read_end(reader);
}

enum err arpa_file_read(struct arpa_file *file, const struct reader *from,
                        struct err_info *info)
{
    struct arpa_reader reader = {.file = file, .info = info};
    *file = (struct arpa_file){0};
    buffer_init(&reader.words, (size_t)1 << 36);
    enum err code = arpa_lines_init(&reader.lines, from);
    if (!code)
        code = read_all(&reader);
    arpa_lines_fini(&reader.lines);
    buffer_fini(&reader.words);
    free(reader.ends);
    if (code)
        arpa_file_fini(file);
    return code;
}

void arpa_file_fini(struct arpa_file *file)
{
    for (unsigned k = 0; k <= NGRAM_ORDER_MAX; k++)
        free(file->rows[k].records);
    vocab_free(file->vocab);
    *file = (struct arpa_file){0};
}

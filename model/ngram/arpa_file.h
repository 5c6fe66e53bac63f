/* SPDX-License-Identifier: MIT */
/* An ARPA file read into memory, and levels made of it. */
#ifndef FIRTH_MODEL_NGRAM_ARPA_FILE_H
#define FIRTH_MODEL_NGRAM_ARPA_FILE_H

#include <stdbool.h>

#include "base/span.h"
#include "base/stream.h"
#include "model/ngram/levels.h"

/* ---- lines ---- */

#define ARPA_LINE_MAX ((size_t)1 << 16)

struct arpa_lines {
    struct reader from;
    char *buffer; /* [ARPA_LINE_MAX * 2] */
    size_t next, filled;
    bool ended;
    struct span line;        /* the current one, without its line end */
    uint64_t number, offset; /* of the current line: from 1; of its first byte */
    size_t consumed;         /* bytes of the current line, with its line end */
};
MUST_CHECK enum err arpa_lines_init(struct arpa_lines *lines, const struct reader *from);
void arpa_lines_fini(struct arpa_lines *lines);

/* Moves to the next line; *more is false at the end. ERR_BAD_MODEL_FILE for a line longer
 * than ARPA_LINE_MAX or one that is not UTF-8. */
MUST_CHECK enum err arpa_lines_next(struct arpa_lines *lines, bool *more,
                                    struct err_info *info);

/* Cuts the next field (no space or tab in it) off `text`; an empty one at its end. */
struct span arpa_field(struct span *text);

/* A finite decimal number that is the whole field. */
bool arpa_number(struct span field, double *number);

/* ---- n-grams ---- */

struct vocab;

/* The n-grams of an order as counting records (see model/counting.h): their words, then
 * probability and back-off weight as floats. */
struct arpa_rows {
    uint32_t *records; /* [count][order + 2] */
    size_t count, capacity;
    uint64_t line, offset; /* of the section's head */
};

struct arpa_file {
    unsigned order;
    uint64_t declared[NGRAM_ORDER_MAX + 1];
    struct arpa_rows rows[NGRAM_ORDER_MAX + 1];
    struct vocab *vocab;
};
void arpa_file_fini(struct arpa_file *file);

/* Reads a whole file. */
MUST_CHECK enum err arpa_file_read(struct arpa_file *file, const struct reader *from,
                                   struct err_info *info);

/* Sorts the rows into levels (word, begin, suffix, prob, backoff). N-grams whose prefix
 * or suffix the file does not have are completed: the missing ones are added with the
 * probability that backing off gives; *added is their number. Consumes the rows. */
MUST_CHECK enum err arpa_file_levels(struct arpa_file *file, struct levels *levels,
                                     size_t *added, struct err_info *info);

#endif

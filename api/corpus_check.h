/* SPDX-License-Identifier: MIT */
/* Holds a text that comes in pieces to the rules of a corpus. */
#ifndef FIRTH_API_CORPUS_CHECK_H
#define FIRTH_API_CORPUS_CHECK_H

#include "base/err.h"
#include "base/span.h"
#include "base/utf8.h"
#include "storage/store.h"

/* Plain data. */
struct corpus_check {
    struct utf8_stream utf8;
    enum corpus_kind kind;
    bool has_text;  /* a byte that is neither blank nor control was there */
    unsigned tabs;  /* of the line begun, at most 2 counted */
    uint64_t line;  /* the line begun, from 1 */
    uint64_t start; /* its byte offset */
    bool line_open; /* it has at least one byte */
};
void corpus_check_init(struct corpus_check *check, enum corpus_kind kind);

/* ERR_BAD_UTF8 with the byte offset; ERR_INVALID with the line that has not exactly one
 * TAB (kind parallel). */
MUST_CHECK enum err corpus_check_add(struct corpus_check *check, struct span piece,
                                     struct err_info *info);
/* What can be judged at the end only; ERR_EMPTY_CORPUS, too. */
MUST_CHECK enum err corpus_check_finish(struct corpus_check *check,
                                        struct err_info *info);
uint64_t corpus_check_lines(const struct corpus_check *check);

#endif

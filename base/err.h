/* SPDX-License-Identifier: MIT */
/* Error codes and the record that carries an error's detail from where it happened to
 * whoever answers for it. Library folders return these; they never print or exit. */
#ifndef FIRTH_BASE_ERR_H
#define FIRTH_BASE_ERR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err_table.h"

enum err {
#define X(symbol, word, text) symbol,
    ERR_TABLE(X)
#undef X
        ERR_COUNT
};

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(index, first) __attribute__((format(printf, index, first)))

/* Caller-owned; zero-initialise it. The first error set is kept. */
struct err_info {
    enum err code;
    bool has_offset, has_line;
    uint64_t offset;   /* byte offset in the input that is at fault */
    uint64_t line;     /* its line or record number, from 1 */
    char pointer[96];  /* JSON pointer of the field at fault, "" when none */
    char message[400]; /* a sentence for a stranger: what is wrong and what would do */
};

/* The stable word of a code ("model_not_found"); never NULL. */
const char *err_word(enum err code);

/* A plain sentence for a code; never NULL. */
const char *err_text(enum err code);

/* Records the first error in `info` (may be NULL) and returns `code`. */
enum err err_set(struct err_info *info, enum err code, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* As err_set, naming the request field at fault by its JSON pointer. */
enum err err_set_field(struct err_info *info, enum err code, const char *pointer,
                       const char *format, ...) PRINTF_LIKE(4, 5);

/* As err_set, naming the byte offset and the line (from 1; 0 when unknown) at fault. */
enum err err_set_place(struct err_info *info, enum err code, uint64_t offset,
                       uint64_t line, const char *format, ...) PRINTF_LIKE(5, 6);

/* Turns an errno value into a code (ENOSPC and EDQUOT, ENOMEM, else ERR_IO). */
enum err err_from_errno(int errno_value);

/* Makes sure `info` carries `code` and some message; returns `code`. */
enum err err_finish(struct err_info *info, enum err code);

#endif

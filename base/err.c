/* SPDX-License-Identifier: MIT */
/* The texts of the error table, and filling in an error record.
 *
 * A record keeps its first error: the deepest function knows best what went wrong, and
 * those above it only pass the code on. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *word, *text;
} err_rows[ERR_COUNT] = {
#define X(symbol, word, text) [symbol] = {word, text},
    ERR_TABLE(X)
#undef X
};

const char *err_word(enum err code)
{
    return (unsigned)code < ERR_COUNT ? err_rows[code].word : err_rows[ERR_INTERNAL].word;
}

const char *err_text(enum err code)
{
    return (unsigned)code < ERR_COUNT ? err_rows[code].text : err_rows[ERR_INTERNAL].text;
}

static bool record(struct err_info *info, enum err code, const char *format,
                   va_list arguments)
{
    if (!info || info->code != ERR_OK)
        return false;
    info->code = code;
    vsnprintf(info->message, sizeof info->message, format, arguments);
    return true;
}

enum err err_set(struct err_info *info, enum err code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    record(info, code, format, arguments);
    va_end(arguments);
    return code;
}

enum err err_set_field(struct err_info *info, enum err code, const char *pointer,
                       const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (record(info, code, format, arguments))
        snprintf(info->pointer, sizeof info->pointer, "%s", pointer);
    va_end(arguments);
    return code;
}

enum err err_set_place(struct err_info *info, enum err code, uint64_t offset,
                       uint64_t line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (record(info, code, format, arguments)) {
        info->has_offset = true;
        info->offset = offset;
        info->has_line = line > 0;
        info->line = line;
    }
    va_end(arguments);
    return code;
}

enum err err_from_errno(int errno_value)
{
    switch (errno_value) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return ERR_NO_SPACE;
    case ENOMEM:
        return ERR_NO_MEMORY;
    default:
        return ERR_IO;
    }
}

enum err err_finish(struct err_info *info, enum err code)
{
    if (code != ERR_OK && info && info->code == ERR_OK)
        err_set(info, code, "%s", err_text(code));
    return code;
}

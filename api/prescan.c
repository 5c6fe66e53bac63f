/* SPDX-License-Identifier: MIT */
/* Why bodies are looked over first: the parser builds up to 79 bytes of heap for each
 * byte of `[{},{},…]` and nests 2,048 deep, which other functions of it then walk
 * recursively. Counting brackets and commas outside of strings costs next to nothing and
 * bounds both. Whether the text is JSON at all is left to the parser. */
#include "api/prescan.h"

#include <stdbool.h>
#include <string.h>

/* The line and the offset stand in the record's own members too. */
static enum err refuse(struct err_info *info, enum err code, const char *bytes,
                       size_t offset, const char *what)
{
    size_t line = 1, line_start = 0;
    for (size_t i = 0; i < offset; i++)
        if (bytes[i] == '\n') {
            line++;
            line_start = i + 1;
        }
    return err_set_place(info, code, offset, line, "%s at line %zu, column %zu", what,
                         line, offset - line_start + 1);
}

/* Returns the index after the string that begins at `at`, or `size`. */
static size_t skip_string(const char *bytes, size_t size, size_t at)
{
    for (at++; at < size && bytes[at] != '"'; at++)
        if (bytes[at] == '\\')
            at++;
    return at < size ? at + 1 : size;
}

enum err prescan_check(const char *bytes, size_t size, size_t tokens_max,
                       struct err_info *info)
{
    size_t depth = 0, tokens = 0, at = 0;
    if (size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
        return refuse(info, ERR_SYNTAX, bytes, 0, "A byte order mark is not JSON");
    while (at < size) {
        char c = bytes[at];
        if (c == '"') {
            at = skip_string(bytes, size, at);
            continue;
        }
        bool opens = c == '[' || c == '{', closes = c == ']' || c == '}';
        if (opens && ++depth > PRESCAN_DEPTH_MAX)
            return refuse(info, ERR_SYNTAX, bytes, at, "JSON is nested deeper than 64");
        if (closes && depth > 0)
            depth--;
        if ((opens || closes || c == ',' || c == ':') && ++tokens > tokens_max)
            return err_set(info, ERR_LIMIT,
                           "The JSON body has more than %zu structural characters (limit "
                           "json_tokens); send it in parts",
                           tokens_max);
        at++;
    }
    return ERR_OK;
}

enum err prescan_parse(const char *bytes, size_t size, size_t tokens_max, json_t **value,
                       struct err_info *info)
{
    json_error_t error;
    *value = NULL;
    enum err code = prescan_check(bytes, size, tokens_max, info);
    if (code)
        return code;
    if (size == 0)
        return err_set_place(info, ERR_SYNTAX, 0, 1, "The body is empty; send JSON");
    *value = json_loadb(bytes, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (*value)
        return ERR_OK;
    if (json_error_code(&error) == json_error_out_of_memory)
        return ERR_NO_MEMORY;
    size_t offset = error.position > 0 ? (size_t)error.position : 0;
    return err_set_place(info, ERR_SYNTAX, offset < size ? offset : size,
                         error.line > 0 ? (uint64_t)error.line : 1,
                         "Malformed JSON at line %d, column %d, byte %zu: %.120s",
                         error.line, error.column, offset, error.text);
}

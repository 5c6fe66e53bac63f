/* SPDX-License-Identifier: MIT */
/* Lines and documents. A line ends at a line feed, a carriage return before it belongs to
 * the end. Documents are separated by blank lines: lines with nothing but spaces, tabs
 * and carriage returns. Sentences are in sentence.c. */
#include "model/text/segment.h"

#include <string.h>

#include "model/text/sentence.h"

/* The offset after the next line feed at or after `from`; the size when there is none. */
static size_t after_line(struct span text, size_t from)
{
    const char *feed =
        from < text.size ? memchr(text.bytes + from, '\n', text.size - from) : NULL;
    return feed ? (size_t)(feed - text.bytes) + 1 : text.size;
}

static struct span without_line_end(struct span line)
{
    if (line.size > 0 && line.bytes[line.size - 1] == '\n')
        line.size--;
    if (line.size > 0 && line.bytes[line.size - 1] == '\r')
        line.size--;
    return line;
}

static bool is_blank(struct span line)
{
    for (size_t i = 0; i < line.size; i++)
        if (!strchr(" \t\r\n", line.bytes[i]) || line.bytes[i] == '\0')
            return false;
    return true;
}

static bool next_line(struct span text, size_t *at, struct span *segment)
{
    if (*at >= text.size)
        return false;
    size_t end = after_line(text, *at);
    *segment = without_line_end(span_of(text.bytes + *at, end - *at));
    *at = end;
    return true;
}

static bool next_document(struct span text, size_t *at, struct span *segment)
{
    size_t start = *at, end, next;
    for (;; start = next) { /* skip blank lines */
        if (start >= text.size) {
            *at = text.size;
            return false;
        }
        next = after_line(text, start);
        if (!is_blank(span_of(text.bytes + start, next - start)))
            break;
    }
    for (end = next; next < text.size; end = next) {
        next = after_line(text, end);
        if (is_blank(span_of(text.bytes + end, next - end)))
            break;
    }
    *segment = without_line_end(span_of(text.bytes + start, end - start));
    *at = next;
    return true;
}

bool segment_next(enum text_segment kind, struct span text, size_t *at,
                  struct span *segment)
{
    switch (kind) {
    case SEGMENT_DOCUMENT:
        return next_document(text, at, segment);
    case SEGMENT_SENTENCE:
        return sentence_next(text, at, segment);
    default:
        return next_line(text, at, segment);
    }
}

/* The end of the first blank line that begins at or after `from`. */
static size_t document_boundary(struct span text, size_t from)
{
    size_t at = from == 0 || text.bytes[from - 1] == '\n' ? from : after_line(text, from);
    while (at < text.size) {
        size_t next = after_line(text, at);
        if (is_blank(span_of(text.bytes + at, next - at)))
            return next;
        at = next;
    }
    return text.size;
}

size_t segment_boundary(enum text_segment kind, struct span text, size_t from)
{
    if (from == 0 || from >= text.size)
        return from == 0 ? 0 : text.size;
    switch (kind) {
    case SEGMENT_DOCUMENT:
        return document_boundary(text, from);
    case SEGMENT_SENTENCE:
        return sentence_boundary(text, from);
    default:
        return text.bytes[from - 1] == '\n' ? from : after_line(text, from);
    }
}

/* SPDX-License-Identifier: MIT */
/* Cutting a corpus for several threads: the even cut, moved on to the next place between
 * two segments, so that every piece gives the segments it would give within the whole. */
#include "model/text/segment.h"
#include "model/text/vocab.h"

void text_split(const struct tokenizer_settings *settings, struct span text,
                unsigned parts, struct span *pieces)
{
    size_t start = 0;
    if (!text.bytes)
        text = span_of("", 0);
    for (unsigned i = 0; i < parts; i++) {
        size_t share = text.size / parts * (i + 1), end = text.size;
        if (i + 1 < parts)
            end =
                share <= start ? start : segment_boundary(settings->segment, text, share);
        /* An empty text may have no address to count from. */
        pieces[i] = text.size ? span_of(text.bytes + start, end - start) : text;
        start = end;
    }
}

/* SPDX-License-Identifier: MIT */
#include "model/text/sentence.h"
#include "model/text/segment.h"
bool sentence_next(struct span text, size_t *at, struct span *sentence)
{
    return segment_next(SEGMENT_LINE, text, at, sentence);
}
size_t sentence_boundary(struct span text, size_t from)
{
    return segment_boundary(SEGMENT_LINE, text, from);
}

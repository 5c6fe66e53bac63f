/* SPDX-License-Identifier: MIT */
/* The inside of a vocabulary, for the files that build, read and search it. */
#ifndef FIRTH_MODEL_TEXT_VOCAB_INT_H
#define FIRTH_MODEL_TEXT_VOCAB_INT_H

#include "model/text/vocab.h"
#include "model/text/word_table.h"

struct vocab {
    struct word_table words; /* number in the table = id */
    const uint64_t *counts;  /* [size] */
    uint64_t *own_counts;    /* the same when owned, NULL when borrowed */
};

/* The id a word of a text stands for: VOCAB_UNK for the absent, and for "<s>" and "</s>",
 * which are ordinary text where they are written. */
static inline uint32_t vocab_text_id(uint32_t index)
{
    return index == WORD_NONE || index - VOCAB_BOS <= VOCAB_EOS - VOCAB_BOS ? VOCAB_UNK
                                                                            : index;
}

/* ids[count] of the words of a text, looked up together so that the memory's delays
 * overlap. Bytes up to `limit` may be read beyond a word's end; NULL when none may. A
 * word without bytes gives VOCAB_EOS. */
void vocab_text_ids(const struct vocab *vocab, const struct span *words, size_t count,
                    const char *limit, uint32_t *ids);

#endif

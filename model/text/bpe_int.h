/* SPDX-License-Identifier: MIT */
/* What bpe.c and bpe_train.c share. */
#ifndef FIRTH_MODEL_TEXT_BPE_INT_H
#define FIRTH_MODEL_TEXT_BPE_INT_H

#include "model/text/bpe.h"
#include "model/text/word_table.h"

struct bpe_merge {
    uint32_t left, right; /* tokens */
};

/* New, with the bytes as its tokens and no merges. */
MUST_CHECK enum err bpe_new(struct bpe **out);

/* Adds the merge of two tokens with the next rank; its result is the next token. The
 * tokens must be there. ERR_EXISTS when their bytes together are a token already,
 * ERR_LIMIT when they are too long. */
MUST_CHECK enum err bpe_add_merge(struct bpe *bpe, struct bpe_merge merge);

#endif

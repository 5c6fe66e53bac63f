/* SPDX-License-Identifier: MIT */
/* What the files of model/text know of a tokenizer beyond tokenizer.h. */
#ifndef FIRTH_MODEL_TEXT_TOKENIZER_INT_H
#define FIRTH_MODEL_TEXT_TOKENIZER_INT_H

#include "model/text/bpe.h"
#include "model/text/tokenizer.h"

struct tokenizer {
    struct tokenizer_settings settings;
    struct bpe *bpe; /* the learned merges; NULL for the other units */
};

#endif

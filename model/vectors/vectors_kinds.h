/* SPDX-License-Identifier: MIT */
/* The rows of the kinds of word vectors. */
#ifndef FIRTH_MODEL_VECTORS_VECTORS_KINDS_H
#define FIRTH_MODEL_VECTORS_VECTORS_KINDS_H

#include "model/kinds.h"

extern const struct kind kind_skipgram, kind_cbow, kind_glove, kind_svd, kind_vectors;

#endif

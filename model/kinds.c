/* SPDX-License-Identifier: MIT */
/* The list of model kinds. Adding a kind is adding its row here; everything else about it
 * stands in the file that defines the row. */
#include "model/kinds.h"

#include <string.h>

#include "model/neural/neural_kinds.h"
#include "model/ngram/ngram.h"
#include "model/vectors/vectors_kinds.h"

extern const struct kind kind_mixture;

const struct kind *const kinds[] = {
    &kind_ngram,
    &kind_nplm,
    &kind_rnn,
    &kind_gru,
    &kind_lstm,
    &kind_mlstm,
    &kind_mixture,
    &kind_skipgram,
    &kind_cbow,
    &kind_glove,
    &kind_svd,
    &kind_vectors,
    NULL,
};

const struct kind *kind_find(const char *name)
{
    for (const struct kind *const *kind = kinds; *kind; kind++)
        if (strcmp((*kind)->name, name) == 0)
            return *kind;
    return NULL;
}

/* SPDX-License-Identifier: MIT */
/* The word vectors of a model as clients name them: words in, rows out. Shared by HTTP
 * and the command line. */
#ifndef FIRTH_API_VECTOR_SPACE_H
#define FIRTH_API_VECTOR_SPACE_H

#include "api/fields.h"
#include "model/model.h"
#include "model/vectors/vectors.h"

struct vector_space {
    const struct vectors *vectors; /* borrowed from the model */
    const struct tokenizer *tokenizer;
    bool lowercase; /* the model's texts were */
    bool pieces;    /* tokens are pieces; those that begin a word begin with a space */
};

/* ERR_NOT_ABLE when the model has no vectors. */
MUST_CHECK enum err vector_space_of(const struct model *model, struct vector_space *space,
                                    struct err_info *info);

/* Looks a word up. One that is unknown as it stands is tried lower-cased where the
 * model's texts are, and in a model of pieces with the space that begins a word (*word
 * then is the vocabulary's). False when it has no vector; *row is VECTORS_NO_ROW when it
 * has one from its character n-grams only. */
MUST_CHECK bool vector_space_find(const struct vector_space *space, struct span *word,
                                  uint32_t *row);

/* "frnace" is not in the vocabulary; near: "france", "trance". Appends this. */
void vector_space_tell(const struct vector_space *space, struct span word,
                       struct buffer *sentence);

/* Adds the sentence at `pointer` to `errors` and sets ERR_UNKNOWN_WORDS in `info`, which
 * it returns. Only the first few are told with near spellings. */
enum err vector_space_refuse(const struct vector_space *space, struct span word,
                             const char *pointer, struct field_errors *errors,
                             struct err_info *info);

#endif

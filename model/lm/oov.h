/* SPDX-License-Identifier: MIT */
/* Naming the words of an input that are not in the vocabulary. Private to model/lm. */
#ifndef FIRTH_MODEL_LM_OOV_H
#define FIRTH_MODEL_LM_OOV_H

#include <stddef.h>

#include "base/buffer.h"
#include "base/err.h"
#include "base/span.h"
#include "model/lm/target.h"
#include "model/text/vocab.h"

/* Calls `each` for every unknown token of `text`, in order: its place in `list` (which
 * token_list_encode made of the text) and its characters, valid during the call. */
MUST_CHECK enum err
oov_each(const struct target *target, struct span text, const struct token_list *list,
         enum err (*each)(void *context, size_t index, struct span word), void *context);

/* Returns ERR_UNKNOWN_WORDS, naming those of `text` at `pointer`, with near spellings. */
MUST_CHECK enum err oov_refuse(const struct target *target, struct span text,
                               const struct token_list *list, const char *pointer,
                               struct err_info *info);

#endif

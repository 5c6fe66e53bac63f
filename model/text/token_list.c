/* SPDX-License-Identifier: MIT */
/* One inference input as ids, with where each token stood and whether it is known. A
 * literal "<unk>" is the unknown word itself, hence not out of the vocabulary. */
#include <stdlib.h>

#include "base/memory.h"
#include "model/text/vocab_int.h"

static enum err grow(struct token_list *list)
{
    size_t capacity[3] = {list->capacity, list->capacity, list->capacity};
    size_t needed = list->count + 1;
    enum err err = memory_grow(&list->ids, &capacity[0], needed, sizeof *list->ids);
    if (!err)
        err = memory_grow(&list->offsets, &capacity[1], needed, sizeof *list->offsets);
    if (!err)
        err = memory_grow(&list->oov, &capacity[2], needed, sizeof *list->oov);
    if (!err)
        list->capacity = capacity[0];
    return err;
}

static enum err append(struct token_list *list, const struct vocab *vocab,
                       const struct token *token)
{
    if (list->count == list->capacity) {
        enum err err = grow(list);
        if (err)
            return err;
    }
    uint32_t index = word_table_find(&vocab->words, token->text);
    uint32_t id = vocab_text_id(index);
    list->ids[list->count] = id;
    list->offsets[list->count] = token->offset;
    list->oov[list->count] = id != index;
    list->count++;
    return ERR_OK;
}

enum err token_list_encode(struct token_list *list, const struct tokenizer *tokenizer,
                           const struct vocab *vocab, struct span text)
{
    struct token_cursor *cursor;
    struct token token;
    list->count = 0;
    enum err err = token_cursor_new(tokenizer, text, true, &cursor);
    while (!err && token_cursor_next(cursor, &token) == TOKEN_WORD)
        err = append(list, vocab, &token);
    token_cursor_free(cursor);
    return err;
}

void token_list_fini(struct token_list *list)
{
    free(list->ids);
    free(list->offsets);
    free(list->oov);
    *list = (struct token_list){0};
}

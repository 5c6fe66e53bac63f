/* SPDX-License-Identifier: MIT */
/* Words of requests against the vocabulary of a model. A client of a lower-cased model
 * should not have to know that it is one: "Paris" finds "paris". What cannot be found is
 * named with words that are spelt alike, because most unknown words are slips. Searching
 * those reads the whole vocabulary, so only the first few unknown words get them. */
#include "api/vector_space.h"

#include "base/buffer.h"
#include "base/utf8.h"
#include "model/text/lower.h"
#include "model/text/vocab.h"

enum { WORD_MAX = 1024, SHOWN_MAX = 40, NEAR = 3, NEAR_TOLD = 8, SENTENCE_MAX = 199 };

enum err vector_space_of(const struct model *model, struct vector_space *space,
                         struct err_info *info)
{
    enum err code = model_need_vectors(model, info);
    if (code)
        return code;
    const struct tokenizer_settings *settings = tokenizer_get_settings(model->tokenizer);
    *space = (struct vector_space){
        .vectors = model->vectors,
        .tokenizer = model->tokenizer,
        .lowercase = settings->lowercase,
        .pieces = settings->unit == UNIT_BPE,
    };
    return ERR_OK;
}

/* As it stands, or as the piece that begins a word. */
static uint32_t find_spelling(const struct vector_space *space, struct span word)
{
    char piece[1 + LOWER_SIZE(WORD_MAX)] = " ";
    uint32_t row = vectors_row_of(space->vectors, word);
    if (row != VECTORS_NO_ROW || !space->pieces)
        return row;
    memcpy(piece + 1, word.bytes, word.size);
    return vectors_row_of(space->vectors, span_of(piece, 1 + word.size));
}

bool vector_space_find(const struct vector_space *space, struct span *word, uint32_t *row)
{
    const struct vectors *vectors = space->vectors;
    char lower[LOWER_SIZE(WORD_MAX)];
    *row = VECTORS_NO_ROW;
    if (word->size == 0 || word->size > WORD_MAX)
        return false;
    *row = find_spelling(space, *word);
    if (*row == VECTORS_NO_ROW && space->lowercase)
        *row = find_spelling(space, span_of(lower, lower_token(*word, lower)));
    if (*row != VECTORS_NO_ROW)
        *word = vectors_word(vectors, *row);
    return *row != VECTORS_NO_ROW || vectors_know(vectors, *word);
}

static struct span shown(struct span word)
{
    if (word.size > SHOWN_MAX)
        word.size = utf8_complete(span_of(word.bytes, SHOWN_MAX));
    return word;
}

static void tell(const struct vector_space *space, struct span word, bool near,
                 struct buffer *sentence)
{
    uint32_t ids[NEAR + VOCAB_RESERVED];
    struct span part = shown(word);
    size_t told = 0, found = 0;
    buffer_printf(sentence, "\"%.*s\" is not in the vocabulary", (int)part.size,
                  part.bytes);
    if (near)
        found =
            vocab_near_spellings(space->vectors->vocab, word, ids, NEAR + VOCAB_RESERVED);
    for (size_t i = 0; i < found && told < NEAR; i++) {
        if (ids[i] < space->vectors->first_id)
            continue;
        part = shown(vocab_word(space->vectors->vocab, ids[i]));
        buffer_printf(sentence, "%s\"%.*s\"", told++ ? ", " : "; near: ", (int)part.size,
                      part.bytes);
    }
}

void vector_space_tell(const struct vector_space *space, struct span word,
                       struct buffer *sentence)
{
    tell(space, word, true, sentence);
}

enum err vector_space_refuse(const struct vector_space *space, struct span word,
                             const char *pointer, struct field_errors *errors,
                             struct err_info *info)
{
    struct buffer sentence;
    buffer_init(&sentence, SENTENCE_MAX);
    if (errors->count < FIELD_ERRORS_MAX)
        tell(space, word, errors->count < NEAR_TOLD, &sentence);
    const char *text = sentence.bytes ? sentence.bytes : "is not in the vocabulary";
    (void)field_errors_add(errors, pointer, "%s", text);
    (void)err_set_field(info, ERR_UNKNOWN_WORDS, pointer, "%s.", text);
    buffer_fini(&sentence);
    return ERR_UNKNOWN_WORDS;
}

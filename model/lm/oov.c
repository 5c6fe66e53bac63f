/* SPDX-License-Identifier: MIT */
/* Naming unknown words. Encoding keeps no copies of words, since most inputs have none
 * that is unknown; those that do are tokenised a second time here. */
#include "model/lm/oov.h"

#include "base/utf8.h"

#define NAMED_MAX 8u
#define MESSAGE_MAX 380u
#define WORD_MAX 40u /* bytes of a word that are shown */

enum err oov_each(const struct target *target, struct span text,
                  const struct token_list *list,
                  enum err (*each)(void *context, size_t index, struct span word),
                  void *context)
{
    struct token_cursor *cursor;
    struct token token;
    size_t index = 0;
    enum err code = token_cursor_new(target->tokenizer, text, true, &cursor);
    while (!code && index < list->count &&
           token_cursor_next(cursor, &token) == TOKEN_WORD) {
        if (list->oov[index])
            code = each(context, index, token.text);
        index++;
    }
    token_cursor_free(cursor);
    return code;
}

struct refusal {
    const struct vocab *vocab;
    struct buffer message;
    size_t named, more;
};

static struct span shown(struct span word)
{
    if (word.size > WORD_MAX)
        word = span_of(word.bytes, utf8_complete(span_of(word.bytes, WORD_MAX)));
    return word;
}

static enum err name_word(void *context, size_t index, struct span word)
{
    struct refusal *refusal = context;
    uint32_t near;
    (void)index;
    if (refusal->named == NAMED_MAX ||
        refusal->message.size + 3 * WORD_MAX > MESSAGE_MAX) {
        refusal->more++;
        return ERR_OK;
    }
    struct span part = shown(word);
    (void)buffer_printf(&refusal->message, "%s\"%.*s\"", refusal->named ? ", " : "",
                        (int)part.size, part.bytes);
    if (vocab_near_spellings(refusal->vocab, word, &near, 1) == 1) {
        part = shown(vocab_word(refusal->vocab, near));
        (void)buffer_printf(&refusal->message, " (near: \"%.*s\")", (int)part.size,
                            part.bytes);
    }
    refusal->named++;
    return ERR_OK;
}

enum err oov_refuse(const struct target *target, struct span text,
                    const struct token_list *list, const char *pointer,
                    struct err_info *info)
{
    struct refusal refusal = {.vocab = target->vocab};
    buffer_init(&refusal.message, MESSAGE_MAX);
    (void)buffer_append_text(&refusal.message, "Not in the vocabulary: ");
    enum err code = oov_each(target, text, list, name_word, &refusal);
    if (refusal.more > 0)
        (void)buffer_printf(&refusal.message, " and %zu more", refusal.more);
    if (!code)
        code = err_set_field(info, ERR_UNKNOWN_WORDS, pointer, "%s",
                             refusal.message.bytes ? refusal.message.bytes : "");
    buffer_fini(&refusal.message);
    return code;
}

/* SPDX-License-Identifier: MIT */
/* POST /tokenize and POST /detokenize: a model's own cutting of text, and back. */
#include <stdlib.h>

#include "api/infer.h"
#include "api/infer_request.h"
#include "base/memory.h"

struct tokenize_request {
    struct infer_head head;
    const char *text;
};

static enum err reply_tokens(struct exchange *x, const struct infer_subject *subject,
                             struct span text, const struct token_list *tokens)
{
    struct buffer json;
    struct printer p;
    buffer_init(&json, PRINTER_REPLY_MAX);
    printer_init(&p, &json);
    printer_open(&p, '{');
    infer_print_model(&p, subject);
    print_token_list(&p, tokens, text, subject->target.vocab);
    infer_print_timing(&p, x);
    printer_close(&p, '}');
    return exchange_reply_json_take(x, 200, &json);
}

enum err tokenize_post(struct exchange *x, struct err_info *info)
{
    static const struct field fields[] = {
        {.name = "model",
         .type = FIELD_NAME,
         .offset = offsetof(struct infer_head, model),
         .required = true},
        {.name = "text",
         .type = FIELD_TEXT,
         .offset = offsetof(struct tokenize_request, text),
         .required = true},
    };
    struct tokenize_request request = {.text = ""};
    struct infer_subject subject;
    struct token_list tokens = {0};
    enum err code = infer_read(x, fields, INFER_COUNT_OF(fields), &request, info);
    if (!code)
        code = infer_open(x, &request.head, &subject, info);
    if (code)
        return code;
    struct span text = span_of_text(request.text);
    code =
        token_list_encode(&tokens, subject.target.tokenizer, subject.target.vocab, text);
    if (!code)
        code = reply_tokens(x, &subject, text, &tokens);
    token_list_fini(&tokens);
    infer_close(&subject);
    return code ? err_finish(info, code) : ERR_OK;
}

struct detokenize_request {
    struct infer_head head;
    json_t *ids;
};

/* The ids as the words they stand for. */
static enum err read_ids(json_t *ids, const struct vocab *vocab, struct span *words,
                         struct field_errors *errors)
{
    enum err code = ERR_OK;
    for (size_t i = 0; i < json_array_size(ids); i++) {
        const json_t *item = json_array_get(ids, i);
        json_int_t id = json_is_integer(item) ? json_integer_value(item) : -1;
        char pointer[32];
        (void)snprintf(pointer, sizeof pointer, "/ids/%zu", i);
        if (id < 0 || id >= (json_int_t)vocab_size(vocab))
            code = field_errors_add(errors, pointer, "must be an id from 0 to %u",
                                    vocab_size(vocab) - 1);
        else
            words[i] = vocab_word(vocab, (uint32_t)id);
    }
    return code;
}

static enum err reply_text(struct exchange *x, const struct infer_subject *subject,
                           const struct buffer *text)
{
    struct buffer json;
    struct printer p;
    buffer_init(&json, PRINTER_REPLY_MAX);
    printer_init(&p, &json);
    printer_open(&p, '{');
    infer_print_model(&p, subject);
    printer_key(&p, "text");
    printer_span(&p, span_of(text->bytes, text->size));
    infer_print_timing(&p, x);
    printer_close(&p, '}');
    return exchange_reply_json_take(x, 200, &json);
}

enum err detokenize_post(struct exchange *x, struct err_info *info)
{
    static const struct field fields[] = {
        {.name = "model",
         .type = FIELD_NAME,
         .offset = offsetof(struct infer_head, model),
         .required = true},
        {.name = "ids",
         .type = FIELD_ARRAY,
         .offset = offsetof(struct detokenize_request, ids),
         .required = true},
    };
    struct detokenize_request request = {0};
    struct infer_subject subject;
    struct buffer text;
    enum err code = infer_read(x, fields, INFER_COUNT_OF(fields), &request, info);
    if (!code)
        code = infer_open(x, &request.head, &subject, info);
    if (code)
        return code;
    size_t count = json_array_size(request.ids);
    struct span *words = memory_new_array(count, sizeof *words);
    buffer_init(&text, PRINTER_REPLY_MAX);
    code = words ? read_ids(request.ids, subject.target.vocab, words, exchange_errors(x))
                 : ERR_NO_MEMORY;
    if (!code)
        code = tokenizer_join(subject.target.tokenizer, words, count, &text);
    if (!code)
        code = reply_text(x, &subject, &text);
    buffer_fini(&text);
    free(words);
    infer_close(&subject);
    return code ? err_finish(info, code) : ERR_OK;
}

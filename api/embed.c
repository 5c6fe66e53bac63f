/* SPDX-License-Identifier: MIT */
/* POST /embed and /v1/embeddings: vectors of words and texts. A text is the mean of its
 * known words; a word is a text of one. An input without any known word is refused: a
 * vector of zeros would look like an answer. */
#include <stdlib.h>

#include "api/print_vectors.h"
#include "api/vector_request.h"
#include "api/vector_routes.h"
#include "base/memory.h"
#include "server/server.h"

enum { ENCODING_FLOAT, ENCODING_BASE64 };
static const char *const encodings[] = {"float", "base64", NULL};

struct request {
    const char *model;
    json_t *inputs;
    int encoding;
};

struct embedding {
    struct span text;
    size_t known, unknown;
};

/* The inputs of one request. */
struct embedded {
    size_t count;
    struct embedding *items; /* [count] */
    float *vectors;          /* [count][stride] */
};

static enum err read_request(struct exchange *x, const char *inputs, bool ignore_unknown,
                             struct request *request, struct err_info *info)
{
    const struct field fields[] = {
        VECTOR_MODEL_FIELD(struct request),
        {.name = inputs,
         .type = FIELD_ANY,
         .offset = offsetof(struct request, inputs),
         .required = true},
        {.name = "encoding_format",
         .type = FIELD_CHOICE,
         .offset = offsetof(struct request, encoding),
         .choices = encodings},
    };
    json_t *body = NULL;
    *request = (struct request){.encoding = ENCODING_FLOAT};
    enum err code = exchange_json(x, &body, info);
    return code ? code
                : fields_read(body, "", fields, INFER_COUNT_OF(fields), ignore_unknown,
                              request, exchange_errors(x));
}

/* "/inputs", or "/inputs/3" where they are a list. */
static void place(char pointer[48], const char *inputs, bool list, size_t number)
{
    (void)snprintf(pointer, 48, list ? "/%s/%zu" : "/%s", inputs, number);
}

/* A word as it stands (with spaces and all) comes before a text. */
static enum err embed_one(const struct vector_space *space, struct embedding *item,
                          float *to)
{
    struct span word = item->text;
    uint32_t row;
    if (vector_space_find(space, &word, &row) && row != VECTORS_NO_ROW) {
        item->known = 1;
        return vectors_of_word(space->vectors, word, to) ? ERR_OK : ERR_INTERNAL;
    }
    return queries_text(space->vectors, space->tokenizer, item->text, to, &item->known,
                        &item->unknown);
}

static enum err embed_all(struct exchange *x, const struct vector_subject *subject,
                          const json_t *inputs, const char *name,
                          struct embedded *embedded, struct err_info *info)
{
    const struct vector_space *space = &subject->space;
    bool list = json_is_array(inputs);
    enum err code = ERR_OK;
    for (size_t i = 0; i < embedded->count && !exchange_cancelled(x); i++) {
        const json_t *value = list ? json_array_get(inputs, i) : inputs;
        struct embedding *item = &embedded->items[i];
        char pointer[48];
        enum err one = ERR_OK;
        place(pointer, name, list, i);
        if (!json_is_string(value)) {
            one =
                field_errors_add(exchange_errors(x), pointer, "must be a word or a text");
        } else {
            item->text = span_of(json_string_value(value), json_string_length(value));
            one = embed_one(space, item, embedded->vectors + i * space->vectors->stride);
        }
        if (!one && item->known == 0)
            one =
                vector_space_refuse(space, item->text, pointer, exchange_errors(x), info);
        code = vector_worse(code, one);
    }
    return code;
}

static enum err reply(struct exchange *x, const struct vector_subject *subject,
                      const struct embedded *embedded, bool base64)
{
    const struct vectors *vectors = subject->space.vectors;
    struct buffer *json = exchange_buffer(x);
    struct printer p;
    printer_init(&p, json);
    printer_open(&p, '{');
    vector_print_head(&p, subject);
    printer_key_integer(&p, "dim", vectors->dim);
    printer_key_text(&p, "encoding_format", encodings[base64]);
    printer_key(&p, "vectors");
    printer_open(&p, '[');
    for (size_t i = 0; i < embedded->count; i++) {
        printer_open(&p, '{');
        printer_key_integer(&p, "index", (int64_t)i);
        printer_key_integer(&p, "known", (int64_t)embedded->items[i].known);
        printer_key_integer(&p, "unknown", (int64_t)embedded->items[i].unknown);
        printer_key(&p, "vector");
        print_vector(&p, embedded->vectors + i * vectors->stride, vectors->dim, base64);
        printer_close(&p, '}');
    }
    printer_close(&p, ']');
    infer_print_timing(&p, x);
    printer_close(&p, '}');
    return exchange_reply_json_take(x, 200, json);
}

static enum err reply_v1(struct exchange *x, const struct vector_subject *subject,
                         const struct embedded *embedded, bool base64)
{
    const struct vectors *vectors = subject->space.vectors;
    struct buffer *json = exchange_buffer(x);
    struct printer p;
    size_t tokens = 0;
    printer_init(&p, json);
    printer_open(&p, '{');
    printer_key_text(&p, "object", "list");
    printer_key(&p, "data");
    printer_open(&p, '[');
    for (size_t i = 0; i < embedded->count; i++) {
        tokens += embedded->items[i].known + embedded->items[i].unknown;
        printer_open(&p, '{');
        printer_key_text(&p, "object", "embedding");
        printer_key_integer(&p, "index", (int64_t)i);
        printer_key(&p, "embedding");
        print_vector(&p, embedded->vectors + i * vectors->stride, vectors->dim, base64);
        printer_close(&p, '}');
    }
    printer_close(&p, ']');
    printer_key_text(&p, "model", subject->lease.name);
    printer_key(&p, "usage");
    printer_open(&p, '{');
    printer_key_integer(&p, "prompt_tokens", (int64_t)tokens);
    printer_key_integer(&p, "total_tokens", (int64_t)tokens);
    printer_close(&p, '}');
    printer_close(&p, '}');
    return exchange_reply_json_take(x, 200, json);
}

static enum err answer(struct exchange *x, const struct vector_subject *subject,
                       const struct request *request, const char *name,
                       struct embedded *embedded, struct err_info *info)
{
    size_t row = subject->space.vectors->stride * sizeof(float);
    bool base64 = request->encoding == ENCODING_BASE64;
    embedded->items = memory_new_array(embedded->count, sizeof *embedded->items);
    embedded->vectors = memory_new_aligned(embedded->count, row);
    enum err code = embedded->items && embedded->vectors ? ERR_OK : ERR_NO_MEMORY;
    if (!code)
        code = embed_all(x, subject, request->inputs, name, embedded, info);
    if (!code && exchange_cancelled(x))
        code = ERR_CANCELLED;
    if (code)
        return code;
    return exchange_is_v1(x) ? reply_v1(x, subject, embedded, base64)
                             : reply(x, subject, embedded, base64);
}

static enum err post(struct exchange *x, const char *name, struct err_info *info)
{
    struct request request;
    struct vector_subject subject;
    struct embedded embedded = {.count = 1};
    char pointer[48];
    enum err code = read_request(x, name, exchange_is_v1(x), &request, info);
    place(pointer, name, false, 0);
    if (!code && json_is_array(request.inputs)) {
        embedded.count = json_array_size(request.inputs);
        code = vector_check_count(x, embedded.count, pointer, info);
    } else if (!code && !json_is_string(request.inputs)) {
        code = field_errors_add(exchange_errors(x), pointer,
                                "must be a text or an array of texts");
    }
    if (!code)
        code = vector_open(x, request.model, &subject, info);
    if (code)
        return code;
    code = vector_check_memory(&subject, embedded.count, info);
    if (!code)
        code = answer(x, &subject, &request, name, &embedded, info);
    free(embedded.items);
    free(embedded.vectors);
    vector_close(&subject);
    return code ? err_finish(info, code) : ERR_OK;
}

enum err embed_post(struct exchange *x, struct err_info *info)
{
    return post(x, "inputs", info);
}

enum err embeddings_post(struct exchange *x, struct err_info *info)
{
    return post(x, "input", info);
}

/* SPDX-License-Identifier: MIT */
/* POST /similarity and /odd-one-out: words against each other. */
#include <stdlib.h>

#include "api/print_vectors.h"
#include "api/vector_request.h"
#include "api/vector_routes.h"
#include "base/memory.h"

enum { ODD_WORDS_MIN = 3 };

struct request {
    const char *model;
    json_t *list; /* pairs or words */
};

struct pair {
    struct span words[2];
};

/* `least` to `most` items; both 0: as many as max_inputs allows. */
static enum err read_request(struct exchange *x, const char *list, size_t least,
                             size_t most, struct request *request, struct err_info *info)
{
    const struct field fields[] = {
        VECTOR_MODEL_FIELD(struct request),
        {.name = list,
         .type = FIELD_ARRAY,
         .offset = offsetof(struct request, list),
         .minimum = (double)least,
         .maximum = (double)most,
         .required = true},
    };
    json_t *body = NULL;
    *request = (struct request){0};
    enum err code = exchange_json(x, &body, info);
    return code ? code
                : fields_read(body, "", fields, INFER_COUNT_OF(fields), false, request,
                              exchange_errors(x));
}

/* ---- pairs ---- */

static enum err read_pair(struct exchange *x, const struct vector_subject *subject,
                          const json_t *value, size_t number, struct pair *pair,
                          struct err_info *info)
{
    char pointer[48];
    uint32_t row;
    enum err code = ERR_OK;
    (void)snprintf(pointer, sizeof pointer, "/pairs/%zu", number);
    if (json_array_size(value) != 2)
        return field_errors_add(exchange_errors(x), pointer,
                                "must be an array of two words");
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(pointer, sizeof pointer, "/pairs/%zu/%zu", number, i);
        code = vector_worse(code, vector_read_word(x, subject, json_array_get(value, i),
                                                   pointer, &pair->words[i], &row, info));
    }
    return code;
}

static void print_pairs(struct printer *p, const struct vectors *vectors,
                        const struct pair *pairs, size_t count, float *room)
{
    printer_key(p, "pairs");
    printer_open(p, '[');
    for (size_t i = 0; i < count; i++) {
        float *a = room, *b = room + vectors->stride;
        (void)vectors_of_word(vectors, pairs[i].words[0], a);
        (void)vectors_of_word(vectors, pairs[i].words[1], b);
        struct similarity similarity = queries_similarity(vectors, a, b);
        printer_open(p, '{');
        printer_key(p, "a");
        printer_span(p, pairs[i].words[0]);
        printer_key(p, "b");
        printer_span(p, pairs[i].words[1]);
        print_similarity(p, &similarity);
        printer_close(p, '}');
    }
    printer_close(p, ']');
}

static enum err answer_pairs(struct exchange *x, const struct vector_subject *subject,
                             const json_t *list, struct err_info *info)
{
    const struct vectors *vectors = subject->space.vectors;
    size_t count = json_array_size(list);
    struct pair *pairs = memory_new_array(count, sizeof *pairs);
    float *room = memory_new_aligned(2 * vectors->stride, sizeof *room);
    enum err code = pairs && room ? ERR_OK : ERR_NO_MEMORY;
    for (size_t i = 0; i < count && code != ERR_NO_MEMORY; i++)
        code = vector_worse(
            code, read_pair(x, subject, json_array_get(list, i), i, &pairs[i], info));
    if (!code) {
        struct printer p;
        struct buffer *json = exchange_buffer(x);
        printer_init(&p, json);
        printer_open(&p, '{');
        vector_print_head(&p, subject);
        print_pairs(&p, vectors, pairs, count, room);
        infer_print_timing(&p, x);
        printer_close(&p, '}');
        code = exchange_reply_json_take(x, 200, json);
    }
    free(pairs);
    free(room);
    return code;
}

enum err similarity_post(struct exchange *x, struct err_info *info)
{
    struct request request;
    struct vector_subject subject;
    enum err code = read_request(x, "pairs", 0, 0, &request, info);
    if (!code)
        code = vector_check_count(x, json_array_size(request.list), "/pairs", info);
    if (!code)
        code = vector_open(x, request.model, &subject, info);
    if (code)
        return code;
    code = answer_pairs(x, &subject, request.list, info);
    vector_close(&subject);
    return code ? err_finish(info, code) : ERR_OK;
}

/* ---- the odd one out ---- */

static enum err reply_odd(struct exchange *x, const struct vector_subject *subject,
                          const struct span *words, const float *similarities,
                          size_t count, size_t odd)
{
    struct printer p;
    struct buffer *json = exchange_buffer(x);
    printer_init(&p, json);
    printer_open(&p, '{');
    vector_print_head(&p, subject);
    printer_key(&p, "odd_one_out");
    printer_span(&p, words[odd]);
    printer_key_integer(&p, "index", (int64_t)odd);
    printer_key(&p, "words");
    printer_open(&p, '[');
    for (size_t i = 0; i < count; i++) {
        printer_open(&p, '{');
        printer_key(&p, "word");
        printer_span(&p, words[i]);
        printer_key(&p, "similarity");
        printer_float(&p, similarities[i]);
        printer_close(&p, '}');
    }
    printer_close(&p, ']');
    infer_print_timing(&p, x);
    printer_close(&p, '}');
    return exchange_reply_json_take(x, 200, json);
}

static enum err answer_odd(struct exchange *x, const struct vector_subject *subject,
                           const json_t *list, struct err_info *info)
{
    size_t count = json_array_size(list), odd;
    struct span *words = memory_new_array(count, sizeof *words);
    float *similarities = memory_new_array(count, sizeof *similarities);
    enum err code = words && similarities ? ERR_OK : ERR_NO_MEMORY;
    for (size_t i = 0; i < count && code != ERR_NO_MEMORY; i++) {
        char pointer[32];
        uint32_t row;
        (void)snprintf(pointer, sizeof pointer, "/words/%zu", i);
        enum err one = vector_read_word(x, subject, json_array_get(list, i), pointer,
                                        &words[i], &row, info);
        if (!one)
            one = vector_check_direction(x, subject, row, pointer, "");
        code = vector_worse(code, one);
    }
    if (!code)
        code = queries_odd_one_out(subject->space.vectors, words, count, &odd,
                                   similarities, info);
    if (!code)
        code = reply_odd(x, subject, words, similarities, count, odd);
    free(words);
    free(similarities);
    return code;
}

enum err odd_one_out_post(struct exchange *x, struct err_info *info)
{
    struct request request;
    struct vector_subject subject;
    enum err code =
        read_request(x, "words", ODD_WORDS_MIN, VECTOR_WORDS_MAX, &request, info);
    if (!code)
        code = vector_open(x, request.model, &subject, info);
    if (code)
        return code;
    code = answer_odd(x, &subject, request.list, info);
    vector_close(&subject);
    return code ? err_finish(info, code) : ERR_OK;
}

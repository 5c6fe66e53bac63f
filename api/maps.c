/* SPDX-License-Identifier: MIT */
/* POST /maps: queues the drawing of a map. Everything that can be wrong with the request
 * is found now, with the model at hand: words that are not in its vocabulary, too few of
 * them, a perplexity too large for them. What is stored are the words as the model spells
 * them; the trainer looks them up again. */
#include <stdlib.h>

#include "api/job.h"
#include "api/vector_request.h"
#include "api/vector_routes.h"
#include "base/memory.h"
#include "model/maps/map_order.h"
#include "server/server.h"

enum { SPEC_MAX = 4096 };
static const double SEED_MAX = 9007199254740991.0; /* 2^53 - 1 */
#define TEXT_MAX ((size_t)32 << 20)

struct request {
    const char *model;
    json_t *words;
    int64_t top, dims, iterations, seed;
    double perplexity;
    int method;
};

static const struct field request_fields[] = {
#define MEMBER(member_) .name = #member_, .offset = offsetof(struct request, member_)
    VECTOR_MODEL_FIELD(struct request),
    {MEMBER(words), .type = FIELD_ARRAY, .minimum = MAP_ORDER_WORDS_LEAST,
     .maximum = MAP_ORDER_WORDS_MAX},
    {MEMBER(top), .type = FIELD_INTEGER, .minimum = MAP_ORDER_WORDS_LEAST,
     .maximum = MAP_ORDER_WORDS_MAX},
    {MEMBER(method), .type = FIELD_CHOICE, .choices = maps_method_names},
    {MEMBER(dims), .type = FIELD_INTEGER, .minimum = 2, .maximum = 3},
    {MEMBER(perplexity), .type = FIELD_NUMBER, .minimum = 1,
     .maximum = MAPS_PERPLEXITY_MAX},
    {MEMBER(iterations), .type = FIELD_INTEGER, .minimum = 1,
     .maximum = MAPS_ITERATIONS_MAX},
    {MEMBER(seed), .type = FIELD_INTEGER, .minimum = 0, .maximum = SEED_MAX},
#undef MEMBER
};

static enum err read_request(struct exchange *x, struct request *request,
                             struct err_info *info)
{
    const struct maps_settings fallback = maps_defaults(MAPS_PCA);
    struct field_errors *errors = exchange_errors(x);
    json_t *body = NULL;
    *request = (struct request){.method = (int)fallback.method,
                                .dims = fallback.dims,
                                .perplexity = fallback.perplexity,
                                .iterations = fallback.iterations,
                                .seed = (int64_t)fallback.seed};
    enum err code = exchange_json(x, &body, info);
    if (code)
        return code;
    code = fields_read(body, "", request_fields, INFER_COUNT_OF(request_fields), false,
                       request, errors);
    if (!code && (request->words != NULL) == (request->top > 0))
        code = field_errors_add(errors, "/words",
                                "give words, or top for the most frequent words");
    return code;
}

/* Appends the word as the model spells it to the list, one a line. */
static enum err read_word(struct exchange *x, const struct vector_subject *subject,
                          size_t index, const json_t *value, float *vector,
                          struct buffer *list, struct err_info *info)
{
    char pointer[32];
    struct span word;
    uint32_t row;
    (void)snprintf(pointer, sizeof pointer, "/words/%zu", index);
    enum err code = vector_read_word(x, subject, value, pointer, &word, &row, info);
    if (code)
        return code;
    if (!vectors_of_word(subject->space.vectors, word, vector))
        return vector_space_refuse(&subject->space, word, pointer, exchange_errors(x),
                                   info);
    if (memchr(word.bytes, '\n', word.size))
        return field_errors_add(exchange_errors(x), pointer,
                                "must not hold a line's end");
    if (index)
        buffer_append_char(list, '\n');
    return buffer_append(list, word.bytes, word.size);
}

static enum err read_words(struct exchange *x, const struct vector_subject *subject,
                           const json_t *words, struct buffer *list,
                           struct err_info *info)
{
    float *vector = memory_new_aligned(subject->space.vectors->stride, sizeof *vector);
    enum err code = vector ? ERR_OK : ERR_NO_MEMORY;
    for (size_t i = 0; vector && i < json_array_size(words); i++)
        code = vector_worse(
            code, read_word(x, subject, i, json_array_get(words, i), vector, list, info));
    free(vector);
    return code;
}

static enum err check(const struct vectors *vectors, const struct map_order *order,
                      size_t words, struct err_info *info)
{
    if (order->top > vectors->count)
        return err_set_field(info, ERR_INVALID, "/top",
                             "The model has vectors of %u words.", vectors->count);
    return map_order_check(order, words, vectors->dim, info);
}

static enum err queue(struct exchange *x, const struct vector_subject *subject,
                      const struct map_order *order, struct span words,
                      struct err_info *info)
{
    struct job_row row = {0};
    struct buffer spec;
    size_t size;
    buffer_init(&spec, SPEC_MAX);
    enum err code = map_order_write(order, &spec);
    row.spec = code ? NULL : buffer_release(&spec, &size);
    if (!code && !row.spec)
        code = ERR_NO_MEMORY;
    (void)snprintf(row.type, sizeof row.type, "maps");
    (void)snprintf(row.kind, sizeof row.kind, "%s", subject->lease.model->kind->name);
    (void)snprintf(row.model, sizeof row.model, "%s", subject->lease.name);
    if (!code)
        code = jobs_ask(exchange_server(x)->jobs, words, &row, info);
    if (!code)
        code = job_reply_queued(x, &row, info);
    buffer_fini(&spec);
    job_row_fini(&row);
    return code;
}

enum err maps_post(struct exchange *x, struct err_info *info)
{
    struct request request;
    struct vector_subject subject;
    struct map_order order = {0};
    struct buffer list;
    enum err code = read_request(x, &request, info);
    if (!code)
        code = vector_open(x, request.model, &subject, info);
    if (code)
        return code;
    (void)snprintf(order.model, sizeof order.model, "%s", subject.lease.name);
    order.top = (uint32_t)request.top;
    order.settings = (struct maps_settings){.method = (enum maps_method)request.method,
                                            .dims = (unsigned)request.dims,
                                            .perplexity = request.perplexity,
                                            .iterations = (uint32_t)request.iterations,
                                            .seed = (uint64_t)request.seed};
    buffer_init(&list, TEXT_MAX);
    if (request.words)
        code = read_words(x, &subject, request.words, &list, info);
    if (!code)
        code = check(subject.space.vectors, &order,
                     request.words ? json_array_size(request.words) : order.top, info);
    if (!code)
        code = queue(x, &subject, &order, span_of(list.bytes, list.size), info);
    buffer_fini(&list);
    vector_close(&subject);
    return code ? err_finish(info, code) : ERR_OK;
}

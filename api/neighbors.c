/* SPDX-License-Identifier: MIT */
/* POST /neighbors: the rows nearest to words or vectors. All queries of a request are
 * answered by one search, which for many of them is one matrix product. A word is not
 * its own neighbour. */
#include <math.h>
#include <stdlib.h>

#include "api/print_vectors.h"
#include "api/vector_request.h"
#include "api/vector_routes.h"
#include "base/memory.h"

static const double NUMBER_MAX = 1e15, NUMBER_MIN = 1e-15;
enum { EXCLUDED_MAX = 4000000 }; /* rows, over all queries */

struct request {
    const char *model;
    json_t *word, *vector, *queries, *exclude;
    int64_t k, restrict_vocab;
    int metric;
    bool exact;
};

static const struct field request_fields[] = {
#define MEMBER(member_) .name = #member_, .offset = offsetof(struct request, member_)
    VECTOR_MODEL_FIELD(struct request),
    {MEMBER(word), .type = FIELD_ANY},
    {MEMBER(vector), .type = FIELD_ANY},
    {MEMBER(queries), .type = FIELD_ANY},
    {MEMBER(exclude), .type = FIELD_ARRAY, .minimum = 0, .maximum = VECTOR_WORDS_MAX},
    {MEMBER(k), .type = FIELD_INTEGER, .minimum = 1, .maximum = VECTOR_K_MAX},
    {MEMBER(restrict_vocab), .type = FIELD_INTEGER, .minimum = 1, .maximum = UINT32_MAX},
    {MEMBER(metric), .type = FIELD_CHOICE, .choices = metric_names},
    {MEMBER(exact), .type = FIELD_FLAG},
#undef MEMBER
};

/* The queries of one request. */
struct asked {
    const struct vectors *space; /* who is asked */
    enum metric metric;
    size_t count, k, exclude_count;
    float *vectors;                    /* [count][stride] */
    struct search_question *questions; /* [count] */
    struct span *words;                /* [count]; no bytes: a vector was given */
    uint32_t *excluded;                /* [count][exclude_count + 1] */
    struct neighbour *results;         /* [count][k] */
    size_t *found;                     /* [count] */
};

static void asked_fini(struct asked *asked)
{
    free(asked->vectors);
    free(asked->questions);
    free(asked->words);
    free(asked->excluded);
    free(asked->results);
    free(asked->found);
}

static enum err asked_init(struct asked *asked, const struct vector_subject *subject)
{
    size_t rows = asked->count * (asked->exclude_count + 1);
    asked->vectors =
        memory_new_aligned(asked->count, subject->space.vectors->stride * sizeof(float));
    asked->questions = memory_new_array(asked->count, sizeof *asked->questions);
    asked->words = memory_new_array(asked->count, sizeof *asked->words);
    asked->excluded = memory_new_array(rows, sizeof *asked->excluded);
    asked->results = memory_new_array(asked->count * asked->k, sizeof *asked->results);
    asked->found = memory_new_array(asked->count, sizeof *asked->found);
    return asked->vectors && asked->questions && asked->words && asked->excluded &&
                   asked->results && asked->found
               ? ERR_OK
               : ERR_NO_MEMORY;
}

static enum err read_vector(struct exchange *x, const json_t *value, const char *pointer,
                            uint32_t dim, bool cosine, float *to)
{
    struct field_errors *errors = exchange_errors(x);
    double largest = 0;
    if (json_array_size(value) != dim)
        return field_errors_add(errors, pointer,
                                "has %zu numbers; the model's vectors have %u",
                                json_array_size(value), dim);
    for (uint32_t d = 0; d < dim; d++) {
        const json_t *item = json_array_get(value, d);
        double number = json_number_value(item);
        if (!json_is_number(item) || !(fabs(number) <= NUMBER_MAX))
            return field_errors_add(
                errors, pointer, "must hold numbers of at most 1e15; see its item %u", d);
        largest = fmax(largest, fabs(number));
    }
    /* A cosine does not see the length; a float does not see squares so small. */
    double scale = cosine && largest > 0 && largest < NUMBER_MIN ? largest : 1;
    for (uint32_t d = 0; d < dim; d++)
        to[d] = (float)(json_number_value(json_array_get(value, d)) / scale);
    if (cosine && !(largest > 0))
        return field_errors_add(errors, pointer,
                                "is the zero vector, which has no direction: cosine is "
                                "undefined; the metrics dot and euclidean are not");
    return ERR_OK;
}

/* A query is a word or an array of numbers. */
static enum err read_query(struct exchange *x, const struct vector_subject *subject,
                           const json_t *value, const char *pointer, bool cosine,
                           size_t number, struct asked *asked, struct err_info *info)
{
    const struct vectors *vectors = subject->space.vectors;
    struct search_question *question = &asked->questions[number];
    float *to = asked->vectors + number * vectors->stride;
    uint32_t row;
    *question = (struct search_question){
        .first = number,
        .positives = 1,
        .exclude = asked->excluded + number * (asked->exclude_count + 1),
        .exclude_count = asked->exclude_count,
    };
    if (json_is_array(value))
        return read_vector(x, value, pointer, vectors->dim, cosine, to);
    enum err code =
        vector_read_word(x, subject, value, pointer, &asked->words[number], &row, info);
    if (code)
        return code;
    if (!vectors_of_word(vectors, asked->words[number], to))
        return vector_space_refuse(&subject->space, asked->words[number], pointer,
                                   exchange_errors(x), info);
    if (cosine)
        code = vector_check_direction(x, subject, row, pointer,
                                      "; the metrics dot and euclidean are not");
    if (code)
        return code;
    if (row != VECTORS_NO_ROW)
        asked->excluded[number * (asked->exclude_count + 1) + question->exclude_count++] =
            row;
    return ERR_OK;
}

/* Every query's list of excluded rows begins with those of the request. */
static enum err read_exclusions(struct exchange *x, const struct vector_subject *subject,
                                const json_t *exclude, struct asked *asked,
                                struct err_info *info)
{
    enum err code = ERR_OK;
    size_t rows = 0;
    for (size_t i = 0; i < json_array_size(exclude); i++) {
        char pointer[32];
        struct span word;
        uint32_t row;
        (void)snprintf(pointer, sizeof pointer, "/exclude/%zu", i);
        enum err one = vector_read_word(x, subject, json_array_get(exclude, i), pointer,
                                        &word, &row, info);
        code = vector_worse(code, one);
        if (!one && row != VECTORS_NO_ROW)
            asked->excluded[rows++] = row;
    }
    asked->exclude_count = rows;
    for (size_t q = 1; q < asked->count && rows > 0; q++)
        memcpy(asked->excluded + q * (rows + 1), asked->excluded,
               rows * sizeof *asked->excluded);
    return code;
}

static enum err read_queries(struct exchange *x, const struct vector_subject *subject,
                             const struct request *request, struct asked *asked,
                             struct err_info *info)
{
    bool cosine = request->metric == METRIC_COSINE;
    const json_t *only = request->word ? request->word : request->vector;
    enum err code = read_exclusions(x, subject, request->exclude, asked, info);
    if (only)
        return vector_worse(code, read_query(x, subject, only,
                                             request->word ? "/word" : "/vector", cosine,
                                             0, asked, info));
    for (size_t i = 0; i < asked->count; i++) {
        char pointer[32];
        (void)snprintf(pointer, sizeof pointer, "/queries/%zu", i);
        code =
            vector_worse(code, read_query(x, subject, json_array_get(request->queries, i),
                                          pointer, cosine, i, asked, info));
    }
    return code;
}

static void print_one(struct printer *p, const void *context, size_t index)
{
    const struct asked *asked = context;
    printer_key(p, "query");
    if (asked->words[index].bytes)
        printer_span(p, asked->words[index]);
    else
        printer_null(p);
    print_neighbors(p, asked->space, asked->metric, asked->results + index * asked->k,
                    asked->found[index]);
}

static enum err reply(struct exchange *x, const struct vector_subject *subject,
                      const struct request *request, const struct asked *asked,
                      const struct vector_choice *choice)
{
    const struct vector_results results = {
        "metric", metric_names[request->metric], choice, asked->count, print_one, asked};
    return vector_reply(x, subject, &results);
}

static enum err answer(struct exchange *x, const struct vector_subject *subject,
                       const struct request *request, struct asked *asked,
                       struct err_info *info)
{
    enum err code = asked_init(asked, subject);
    if (!code)
        code = read_queries(x, subject, request, asked, info);
    if (code)
        return code;
    struct search search = {
        .vectors = asked->vectors,
        .vector_count = asked->count,
        .questions = asked->questions,
        .question_count = asked->count,
        .metric = (enum metric)request->metric,
        .k = asked->k,
        .rows = (uint32_t)request->restrict_vocab,
    };
    struct vector_choice choice = vector_choose(x, subject, &search, request->exact);
    code = queries_nearest(subject->space.vectors, &search, choice.exact, asked->results,
                           asked->found);
    return code ? code : reply(x, subject, request, asked, &choice);
}

static enum err read_request(struct exchange *x, struct request *request,
                             struct err_info *info)
{
    struct field_errors *errors = exchange_errors(x);
    json_t *body = NULL;
    *request = (struct request){.k = 10, .exact = true};
    enum err code = exchange_json(x, &body, info);
    if (code)
        return code;
    code = fields_read(body, "", request_fields, INFER_COUNT_OF(request_fields), false,
                       request, errors);
    if (json_is_null(request->word))
        request->word = NULL;
    if (json_is_null(request->vector))
        request->vector = NULL;
    if (json_is_null(request->queries))
        request->queries = NULL;
    int given =
        (request->word != NULL) + (request->vector != NULL) + (request->queries != NULL);
    if (given != 1 && json_is_object(body))
        code = field_errors_add(errors, "/word", "give one of word, vector and queries");
    if (request->word && !json_is_string(request->word))
        code = field_errors_add(errors, "/word", "must be a word");
    if (request->vector && !json_is_array(request->vector))
        code = field_errors_add(errors, "/vector", "must be an array of numbers");
    if (request->queries && !json_is_array(request->queries))
        code = field_errors_add(errors, "/queries", "must be an array");
    return code;
}

enum err neighbors_post(struct exchange *x, struct err_info *info)
{
    struct request request;
    struct vector_subject subject;
    enum err code = read_request(x, &request, info);
    struct asked asked = {.count = 1};
    if (!code && request.queries) {
        asked.count = json_array_size(request.queries);
        code = vector_check_count(x, asked.count, "/queries", info);
    }
    if (!code)
        code = vector_open(x, request.model, &subject, info);
    if (code)
        return code;
    asked.space = subject.space.vectors;
    asked.metric = (enum metric)request.metric;
    asked.k = (size_t)request.k;
    asked.exclude_count = json_array_size(request.exclude);
    code = vector_check_answers(&subject, asked.count, &asked.k, info);
    if (!code)
        code = vector_check_memory(&subject, asked.count, info);
    if (!code && asked.count * (asked.exclude_count + 1) > EXCLUDED_MAX)
        code = err_set_field(info, ERR_LIMIT, "/exclude",
                             "%zu words excluded from each of %zu queries are too many.",
                             asked.exclude_count, asked.count);
    if (!code)
        code = answer(x, &subject, &request, &asked, info);
    asked_fini(&asked);
    vector_close(&subject);
    return code ? err_finish(info, code) : ERR_OK;
}

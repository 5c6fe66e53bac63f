/* SPDX-License-Identifier: MIT */
/* POST /analogy: a is to b as c is to what? Or, in general, which words are like these
 * and unlike those. All queries of a request are one search. */
#include <stdlib.h>

#include "api/print_vectors.h"
#include "api/vector_request.h"
#include "api/vector_routes.h"
#include "base/memory.h"

struct question {
    json_t *a, *b, *c, *positive, *negative;
};

struct request {
    struct question question;
    const char *model;
    json_t *queries;
    int64_t k, restrict_vocab;
    int method;
    bool exclude_inputs, exact;
};

#define QUESTION(member_, type_)                                                         \
    {                                                                                    \
        .name = #member_, .type = type_, .offset = offsetof(struct question, member_)    \
    }
#define QUESTION_FIELDS                                                                  \
    QUESTION(a, FIELD_ANY), QUESTION(b, FIELD_ANY), QUESTION(c, FIELD_ANY),              \
        QUESTION(positive, FIELD_ARRAY), QUESTION(negative, FIELD_ARRAY)

static const struct field question_fields[] = {QUESTION_FIELDS};
static const struct field request_fields[] = {
#define MEMBER(member_) .name = #member_, .offset = offsetof(struct request, member_)
    QUESTION_FIELDS,
    VECTOR_MODEL_FIELD(struct request),
    {MEMBER(queries), .type = FIELD_ARRAY},
    {MEMBER(k), .type = FIELD_INTEGER, .minimum = 1, .maximum = VECTOR_K_MAX},
    {MEMBER(restrict_vocab), .type = FIELD_INTEGER, .minimum = 1, .maximum = UINT32_MAX},
    {MEMBER(method), .type = FIELD_CHOICE, .choices = analogy_method_names},
    {MEMBER(exclude_inputs), .type = FIELD_FLAG},
    {MEMBER(exact), .type = FIELD_FLAG},
#undef MEMBER
};

/* The queries of one request. */
struct asked {
    const struct vectors *vectors; /* who is asked */
    size_t count, k;
    struct span *words;        /* [count][QUERIES_ANALOGY_WORDS_MAX] */
    struct analogy *analogies; /* [count] */
    struct neighbour *results; /* [count][k] */
    size_t *found;             /* [count] */
};

static void asked_fini(struct asked *asked)
{
    free(asked->words);
    free(asked->analogies);
    free(asked->results);
    free(asked->found);
}

static enum err asked_init(struct asked *asked)
{
    asked->words =
        memory_new_array(asked->count, QUERIES_ANALOGY_WORDS_MAX * sizeof *asked->words);
    asked->analogies = memory_new_array(asked->count, sizeof *asked->analogies);
    asked->results = memory_new_array(asked->count * asked->k, sizeof *asked->results);
    asked->found = memory_new_array(asked->count, sizeof *asked->found);
    return asked->words && asked->analogies && asked->results && asked->found
               ? ERR_OK
               : ERR_NO_MEMORY;
}

/* Where a request's words are read to. */
struct reading {
    struct exchange *x;
    const struct vector_subject *subject;
    const char *pointer; /* of the question */
    struct span *words;  /* [QUERIES_ANALOGY_WORDS_MAX] */
    size_t count;
    struct err_info *info;
};

static enum err read_word(struct reading *reading, const json_t *value, const char *place)
{
    uint32_t row;
    char pointer[80];
    (void)snprintf(pointer, sizeof pointer, "%s/%s", reading->pointer, place);
    if (!value || json_is_null(value))
        return field_errors_add(exchange_errors(reading->x), pointer, "is required");
    enum err code =
        vector_read_word(reading->x, reading->subject, value, pointer,
                         &reading->words[reading->count++], &row, reading->info);
    return code ? code
                : vector_check_direction(reading->x, reading->subject, row, pointer, "");
}

static enum err read_list(struct reading *reading, const json_t *list, const char *name)
{
    enum err code = ERR_OK;
    for (size_t i = 0; i < json_array_size(list); i++) {
        char place[40];
        (void)snprintf(place, sizeof place, "%s/%zu", name, i);
        code = vector_worse(code, read_word(reading, json_array_get(list, i), place));
    }
    return code;
}

static enum err check_lists(struct reading *reading, const struct question *question)
{
    size_t positive = json_array_size(question->positive),
           negative = json_array_size(question->negative);
    char pointer[80];
    (void)snprintf(pointer, sizeof pointer, "%s/positive", reading->pointer);
    if (positive == 0)
        return field_errors_add(exchange_errors(reading->x), pointer,
                                "must not be empty: give a, b and c, or words that the "
                                "answer is like");
    if (positive + negative > QUERIES_ANALOGY_WORDS_MAX)
        return field_errors_add(exchange_errors(reading->x), pointer,
                                "positive and negative may have at most %u words "
                                "together",
                                QUERIES_ANALOGY_WORDS_MAX);
    return ERR_OK;
}

/* "a is to b as c is to ?" is: like b and c, unlike a. */
static enum err read_question(struct reading *reading, const struct question *question,
                              struct analogy *analogy)
{
    bool letters = question->a || question->b || question->c;
    enum err code = ERR_OK;
    if (letters && (question->positive || question->negative))
        return field_errors_add(exchange_errors(reading->x),
                                *reading->pointer ? reading->pointer : "/positive",
                                "give a, b and c, or positive and negative, not both");
    if (letters) {
        code = vector_worse(code, read_word(reading, question->b, "b"));
        code = vector_worse(code, read_word(reading, question->c, "c"));
        code = vector_worse(code, read_word(reading, question->a, "a"));
        *analogy = (struct analogy){reading->words, reading->words + 2, 2, 1};
        return code;
    }
    code = check_lists(reading, question);
    if (!code)
        code = read_list(reading, question->positive, "positive");
    size_t positive = reading->count;
    if (!code || code == ERR_UNKNOWN_WORDS)
        code = vector_worse(code, read_list(reading, question->negative, "negative"));
    *analogy = (struct analogy){reading->words, reading->words + positive, positive,
                                reading->count - positive};
    return code;
}

/* Words that cancel out are like everything and nothing. */
static enum err check_sum(struct reading *reading, const struct analogy *analogy)
{
    bool cancel;
    enum err code =
        queries_cancel(reading->subject->space.vectors, analogy, &cancel, reading->info);
    if (code || !cancel)
        return code;
    return field_errors_add(exchange_errors(reading->x),
                            *reading->pointer ? reading->pointer : "/positive",
                            "has words that cancel out, which leaves 3cosadd no "
                            "direction");
}

static enum err read_queries(struct exchange *x, const struct vector_subject *subject,
                             const struct request *request, struct asked *asked,
                             struct err_info *info)
{
    enum err code = ERR_OK;
    for (size_t i = 0; i < asked->count; i++) {
        char pointer[32] = "";
        struct question question = request->question;
        enum err one = ERR_OK;
        if (request->queries) {
            question = (struct question){0};
            (void)snprintf(pointer, sizeof pointer, "/queries/%zu", i);
            one = fields_read(json_array_get(request->queries, i), pointer,
                              question_fields, INFER_COUNT_OF(question_fields), false,
                              &question, exchange_errors(x));
        }
        struct reading reading = {
            .x = x,
            .subject = subject,
            .pointer = pointer,
            .words = asked->words + i * QUERIES_ANALOGY_WORDS_MAX,
            .info = info,
        };
        if (!one)
            one = read_question(&reading, &question, &asked->analogies[i]);
        if (!one && request->method == ANALOGY_ADD)
            one = check_sum(&reading, &asked->analogies[i]);
        code = vector_worse(code, one);
    }
    return code;
}

static void print_one(struct printer *p, const void *context, size_t index)
{
    const struct asked *asked = context;
    print_analogy_answers(p, asked->vectors, asked->results + index * asked->k,
                          asked->found[index]);
}

static enum err reply(struct exchange *x, const struct vector_subject *subject,
                      const struct request *request, const struct asked *asked,
                      const struct vector_choice *choice)
{
    const struct vector_results results = {
        "method", analogy_method_names[request->method], choice, asked->count, print_one,
        asked};
    return vector_reply(x, subject, &results);
}

/* The index knows cosines, so it can help 3CosAdd alone. */
static struct vector_choice choose(struct exchange *x,
                                   const struct vector_subject *subject,
                                   const struct request *request, size_t k)
{
    const struct search search = {
        .metric = request->method == ANALOGY_ADD ? METRIC_COSINE : METRIC_COUNT,
        .k = k,
        .rows = (uint32_t)request->restrict_vocab,
    };
    return vector_choose(x, subject, &search, request->exact);
}

static enum err answer(struct exchange *x, const struct vector_subject *subject,
                       const struct request *request, struct asked *asked,
                       struct err_info *info)
{
    struct analogy_options options = {
        .method = (enum analogy_method)request->method,
        .k = asked->k,
        .exclude_inputs = request->exclude_inputs,
        .rows = (uint32_t)request->restrict_vocab,
    };
    enum err code = asked_init(asked);
    if (!code)
        code = read_queries(x, subject, request, asked, info);
    size_t words = 0;
    for (size_t i = 0; i < asked->count && !code; i++)
        words += asked->analogies[i].positive_count + asked->analogies[i].negative_count;
    if (!code)
        code = vector_check_memory(subject, words, info);
    if (code)
        return code;
    struct vector_choice choice = choose(x, subject, request, asked->k);
    options.approximate = !choice.exact;
    code = queries_analogy(subject->space.vectors, asked->analogies, asked->count,
                           &options, asked->results, asked->found, info);
    return code ? code : reply(x, subject, request, asked, &choice);
}

enum err analogy_post(struct exchange *x, struct err_info *info)
{
    struct request request = {.k = 10, .exclude_inputs = true, .exact = true};
    const struct question *question = &request.question;
    struct vector_subject subject;
    struct asked asked = {.count = 1};
    json_t *body = NULL;
    enum err code = exchange_json(x, &body, info);
    if (!code)
        code = fields_read(body, "", request_fields, INFER_COUNT_OF(request_fields),
                           false, &request, exchange_errors(x));
    if (!code && request.queries) {
        asked.count = json_array_size(request.queries);
        code = vector_check_count(x, asked.count, "/queries", info);
        if (question->a || question->b || question->c || question->positive ||
            question->negative)
            code = field_errors_add(exchange_errors(x), "/queries",
                                    "give queries or one question, not both");
    }
    if (!code)
        code = vector_open(x, request.model, &subject, info);
    if (code)
        return code;
    asked.vectors = subject.space.vectors;
    asked.k = (size_t)request.k;
    code = vector_check_answers(&subject, asked.count, &asked.k, info);
    if (!code)
        code = answer(x, &subject, &request, &asked, info);
    asked_fini(&asked);
    vector_close(&subject);
    return code ? err_finish(info, code) : ERR_OK;
}

/* SPDX-License-Identifier: MIT */
/* POST /models/{name}/evaluate with analogies or word_pairs. The file comes in the
 * request, one string. Several thousand analogies over a large vocabulary take seconds;
 * they stop when the client leaves. */
#include "api/evaluate_vectors.h"

#include <stdlib.h>

#include "api/print_vectors.h"
#include "api/vector_request.h"
#include "api/vector_routes.h"

struct measure {
    json_t *text;
    int64_t restrict_vocab;
    int method;
    bool lowercase, lowercase_given;
};

static const struct field fields[] = {
#define MEMBER(member_) .name = #member_, .offset = offsetof(struct measure, member_)
    {MEMBER(text), .type = FIELD_ANY, .required = true},
    {MEMBER(restrict_vocab), .type = FIELD_INTEGER, .minimum = 1, .maximum = UINT32_MAX},
    {MEMBER(lowercase), .type = FIELD_FLAG,
     .given = FIELD_GIVEN(struct measure, lowercase_given)},
    {MEMBER(method), .type = FIELD_CHOICE, .choices = vector_methods},
#undef MEMBER
};

static enum progress_answer report(void *context, const struct progress_report *now)
{
    (void)now;
    return exchange_cancelled(context) ? PROGRESS_STOP : PROGRESS_GO_ON;
}

static enum err measure(struct exchange *x, const struct vector_subject *subject,
                        const struct measure *request, bool analogies, struct printer *p,
                        struct err_info *info)
{
    const struct vectors *vectors = subject->space.vectors;
    struct progress progress = {.context = x, .report = report};
    struct span text =
        span_of(json_string_value(request->text), json_string_length(request->text));
    struct measures_options options = {
        .method = (enum analogy_method)request->method,
        .rows = (uint32_t)request->restrict_vocab,
        .lowercase =
            request->lowercase_given ? request->lowercase : subject->space.lowercase,
        .threads = 1,
    };
    if (!analogies) {
        struct measures_pairs pairs;
        enum err code = measures_pairs(vectors, text, &options, &pairs, info);
        if (!code)
            print_measured_pairs(p, &pairs);
        return code;
    }
    struct measures_analogies *result = calloc(1, sizeof *result);
    if (!result)
        return ERR_NO_MEMORY;
    enum err code = measures_analogies(vectors, text, &options, &progress, result, info);
    if (!code)
        print_measured_analogies(p, result);
    free(result);
    return code;
}

static enum err answer(struct exchange *x, const struct vector_subject *subject,
                       const struct measure *request, bool analogies,
                       struct err_info *info)
{
    struct buffer *json = exchange_buffer(x);
    struct printer p;
    printer_init(&p, json);
    printer_open(&p, '{');
    vector_print_head(&p, subject);
    printer_key(&p, analogies ? "analogies" : "word_pairs");
    printer_open(&p, '{');
    enum err code = measure(x, subject, request, analogies, &p, info);
    if (code)
        return code;
    printer_close(&p, '}');
    infer_print_timing(&p, x);
    printer_close(&p, '}');
    return exchange_reply_json_take(x, 200, json);
}

enum err evaluate_vectors(struct exchange *x, const char *name, json_t *analogies,
                          json_t *word_pairs, struct err_info *info)
{
    const char *pointer = analogies ? "/analogies" : "/word_pairs";
    size_t known = INFER_COUNT_OF(fields) - (analogies == NULL); /* no method */
    struct measure request = {0};
    struct vector_subject subject;
    enum err code = fields_read(analogies ? analogies : word_pairs, pointer, fields,
                                known, false, &request, exchange_errors(x));
    if (!code && !json_is_string(request.text))
        code = field_errors_add(exchange_errors(x),
                                analogies ? "/analogies/text" : "/word_pairs/text",
                                "must be the text of the file");
    if (!code)
        code = vector_open(x, name, &subject, info);
    if (code)
        return code;
    code = answer(x, &subject, &request, analogies != NULL, info);
    vector_close(&subject);
    return code ? err_finish(info, code) : ERR_OK;
}

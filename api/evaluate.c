/* SPDX-License-Identifier: MIT */
/* POST /models/{name}/evaluate. What is expected to take EVALUATE_AT_ONCE_S seconds or
 * less is answered at once, on one thread of the pool, so that it costs the other
 * requests one thread and no more, and stops when the client leaves. The rest becomes a
 * job on all cores, whose result is the same object; so does anything whose client says
 * "Prefer: respond-async" (RFC 7240). */
#include <stdlib.h>
#include <string.h>

#include "api/corpus_text.h"
#include "api/infer.h"
#include "api/infer_request.h"
#include "api/job.h"
#include "api/print_exam.h"
#include "api/resource.h"
#include "api/stream_options.h"
#include "api/vector_routes.h"
#include "api/vector_space.h"
#include "base/memory.h"
#include "model/model.h"
#include "server/server.h"

#define EVALUATE_AT_ONCE_S 5.0
enum { SPEC_MAX = 4096 };

struct request {
    struct infer_head head;
    json_t *perplexity, *analogies, *word_pairs;
};

/* The object of analogies or word_pairs. */
struct measure {
    json_t *text;
    int64_t restrict_vocab;
    int method;
    bool lowercase, lowercase_given;
};

/* An examination as it was asked for. */
struct asked {
    struct exam exam;
    struct span text; /* the questions; of perplexity the corpus's, read when needed */
    struct corpus_row corpus;
    struct corpus_text opened;
};

/* ---- reading ---- */

static enum err read_vectors(json_t *object, const char *pointer, struct asked *asked,
                             struct field_errors *errors)
{
    static const struct field fields[] = {
#define MEMBER(member_) .name = #member_, .offset = offsetof(struct measure, member_)
        {MEMBER(text), .type = FIELD_ANY, .required = true},
        {MEMBER(restrict_vocab), .type = FIELD_INTEGER, .minimum = 1,
         .maximum = UINT32_MAX},
        {MEMBER(lowercase), .type = FIELD_FLAG,
         .given = FIELD_GIVEN(struct measure, lowercase_given)},
        {MEMBER(method), .type = FIELD_CHOICE, .choices = analogy_method_names},
#undef MEMBER
    };
    bool analogies = asked->exam.of == EXAM_ANALOGIES;
    struct measure measure = {0};
    enum err code = fields_read(object, pointer, fields,
                                INFER_COUNT_OF(fields) - !analogies /* no method */,
                                false, &measure, errors);
    if (!code && !json_is_string(measure.text))
        code =
            field_errors_add(errors, analogies ? "/analogies/text" : "/word_pairs/text",
                             "must be the text of the file");
    if (code)
        return code;
    asked->text =
        span_of(json_string_value(measure.text), json_string_length(measure.text));
    asked->exam.rows = (uint32_t)measure.restrict_vocab;
    asked->exam.method = (enum analogy_method)measure.method;
    asked->exam.letters = !measure.lowercase_given ? EXAM_LIKE_MODEL
                          : measure.lowercase      ? EXAM_LOWERCASE
                                                   : EXAM_AS_IS;
    return ERR_OK;
}

struct perplexity {
    const char *corpus;
    struct stream_request stream;
};

static enum err read_perplexity(json_t *object, struct asked *asked,
                                struct field_errors *errors)
{
    static const struct field fields[] = {
        {.name = "corpus",
         .type = FIELD_NAME,
         .offset = offsetof(struct perplexity, corpus),
         .required = true},
        STREAM_FIELDS(struct perplexity, stream),
    };
    struct perplexity perplexity = {0};
    enum err code = fields_read(object, "/perplexity", fields, INFER_COUNT_OF(fields),
                                false, &perplexity, errors);
    enum err read = stream_options_read(&perplexity.stream, "/perplexity",
                                        &asked->exam.in_order, errors);
    if (!code && !read)
        (void)snprintf(asked->exam.corpus, sizeof asked->exam.corpus, "%s",
                       perplexity.corpus);
    return code ? code : read;
}

static enum err read_measure(struct exchange *x, const struct request *request,
                             struct asked *asked)
{
    struct field_errors *errors = exchange_errors(x);
    if ((request->perplexity != NULL) + (request->analogies != NULL) +
            (request->word_pairs != NULL) !=
        1)
        return field_errors_add(errors, "/perplexity",
                                "give one of perplexity, analogies and word_pairs");
    asked->exam.of = request->perplexity  ? EXAM_PERPLEXITY
                     : request->analogies ? EXAM_ANALOGIES
                                          : EXAM_WORD_PAIRS;
    if (request->analogies)
        return read_vectors(request->analogies, "/analogies", asked, errors);
    if (request->word_pairs)
        return read_vectors(request->word_pairs, "/word_pairs", asked, errors);
    return read_perplexity(request->perplexity, asked, errors);
}

static enum err read_request(struct exchange *x, const char **name, struct asked *asked,
                             struct err_info *info)
{
    static const struct field fields[] = {
        {.name = "log_base",
         .type = FIELD_ANY,
         .offset = offsetof(struct infer_head, log_base)},
        {.name = "perplexity",
         .type = FIELD_OBJECT,
         .offset = offsetof(struct request, perplexity)},
        {.name = "analogies",
         .type = FIELD_OBJECT,
         .offset = offsetof(struct request, analogies)},
        {.name = "word_pairs",
         .type = FIELD_OBJECT,
         .offset = offsetof(struct request, word_pairs)},
    };
    struct request request = {0};
    enum err code = resource_name(x, &request.head.model, info);
    if (!code)
        code = infer_read(x, fields, INFER_COUNT_OF(fields), &request, info);
    if (!code)
        code = read_measure(x, &request, asked);
    *name = request.head.model;
    asked->exam.log_base = (unsigned)infer_log_base(&request.head);
    return code;
}

/* ---- at once ---- */

static enum progress_answer report(void *context, const struct progress_report *now)
{
    (void)now;
    return exchange_cancelled(context) ? PROGRESS_STOP : PROGRESS_GO_ON;
}

static enum err reply(struct exchange *x, const struct lease *lease,
                      const struct asked *asked, const struct exam_marks *marks)
{
    struct buffer *json = exchange_buffer(x);
    struct printer p;
    printer_init(&p, json);
    printer_open(&p, '{');
    printer_key_text(&p, "model", lease->name);
    printer_key_text(&p, "model_digest", lease->digest);
    print_exam(&p, &asked->exam, asked->corpus.sha256, marks);
    infer_print_timing(&p, x);
    printer_close(&p, '}');
    return exchange_reply_json_take(x, 200, json);
}

static enum err open_text(struct exchange *x, struct asked *asked, struct err_info *info)
{
    struct server *server = exchange_server(x);
    if (asked->exam.of != EXAM_PERPLEXITY)
        return ERR_OK;
    enum err code = corpus_text_open(&asked->opened, server->store, asked->exam.corpus,
                                     server->scratch, info);
    asked->corpus = asked->opened.row;
    asked->text = asked->opened.text;
    return code;
}

static enum err hold(struct exchange *x, const struct lease *lease, struct asked *asked,
                     struct err_info *info)
{
    const struct progress progress = {.context = x, .report = report};
    struct vector_space space;
    struct exam_marks *marks = memory_new_array(1, sizeof *marks);
    enum err code = marks ? ERR_OK : ERR_NO_MEMORY;
    asked->exam.threads = 1;
    if (!code && asked->exam.of != EXAM_PERPLEXITY)
        code = vector_space_of(lease->model, &space, info);
    if (!code)
        code = open_text(x, asked, info);
    if (!code)
        code = exam_hold(&asked->exam, lease->model, asked->text, &progress, marks, info);
    if (!code)
        code = reply(x, lease, asked, marks);
    corpus_text_fini(&asked->opened);
    free(marks);
    return code ? err_finish(info, code) : ERR_OK;
}

static enum err answer_at_once(struct exchange *x, const char *name, struct asked *asked,
                               struct err_info *info)
{
    struct lease lease;
    enum err code = infer_acquire(x, name, &lease, info);
    if (code)
        return code;
    code = hold(x, &lease, asked, info);
    registry_release(&lease);
    return code;
}

/* ---- as a job ---- */

static enum err queue(struct exchange *x, const struct model_row *model,
                      struct asked *asked, struct err_info *info)
{
    struct job_row row = {0};
    struct buffer spec;
    size_t size;
    (void)snprintf(asked->exam.model, sizeof asked->exam.model, "%s", model->name);
    buffer_init(&spec, SPEC_MAX);
    enum err code = exam_write(&asked->exam, &spec);
    row.spec = code ? NULL : buffer_release(&spec, &size);
    if (!code && !row.spec)
        code = ERR_NO_MEMORY;
    (void)snprintf(row.type, sizeof row.type, "evaluate");
    (void)snprintf(row.kind, sizeof row.kind, "%s", model->kind);
    (void)snprintf(row.model, sizeof row.model, "%s", model->name);
    (void)snprintf(row.corpus, sizeof row.corpus, "%s", asked->exam.corpus);
    if (!code)
        code = jobs_ask(exchange_server(x)->jobs, asked->text, &row, info);
    if (!code)
        code = job_reply_queued(x, &row, info);
    buffer_fini(&spec);
    job_row_fini(&row);
    return code;
}

static bool prefers_job(const struct exchange *x)
{
    const char *prefer = exchange_header(x, "Prefer");
    return prefer && strstr(prefer, "respond-async");
}

/* Whether it becomes a job. What cannot be asked (no such model or corpus, a model that
 * is not able) is not long: the way of short ones has the words for it. */
static bool is_long(struct exchange *x, const struct model_row *model,
                    const struct asked *asked)
{
    const struct exam *exam = &asked->exam;
    const struct exam_candidate candidate = {kind_find(model->kind), model->parameters,
                                             model->vocab_size};
    bool text = exam->of == EXAM_PERPLEXITY;
    if (!candidate.kind || !(candidate.kind->can & (text ? CAN_SCORE : CAN_VECTORS)) ||
        (text && !*asked->corpus.name))
        return false;
    uint64_t bytes = text ? asked->corpus.bytes : asked->text.size;
    return prefers_job(x) || exam_seconds(exam, &candidate, bytes) > EVALUATE_AT_ONCE_S;
}

enum err evaluate_post(struct exchange *x, struct err_info *info)
{
    struct store *store = exchange_server(x)->store;
    struct asked asked = {.text = {NULL, 0}};
    struct model_row model = {0};
    const char *name;
    enum err code = read_request(x, &name, &asked, info);
    if (code)
        return code;
    if (asked.exam.of == EXAM_PERPLEXITY &&
        store_corpus_get(store, asked.exam.corpus, &asked.corpus))
        asked.corpus = (struct corpus_row){0}; /* said below */
    bool known = store_model_get(store, name, &model) == ERR_OK;
    code = known && is_long(x, &model, &asked) ? queue(x, &model, &asked, info)
                                               : answer_at_once(x, name, &asked, info);
    model_row_fini(&model);
    return code;
}

/* SPDX-License-Identifier: MIT */
/* POST /models/{name}/evaluate: perplexity of a stored corpus (word vectors are measured
 * by evaluate_vectors.c). It runs on one thread of the pool, so that an evaluation costs
 * the other requests one thread and no more, and stops when the client leaves. */
#include "api/corpus_text.h"
#include "api/evaluate_vectors.h"
#include "api/infer.h"
#include "api/infer_request.h"
#include "api/resource.h"
#include "api/stream_options.h"
#include "server/server.h"

struct request {
    struct infer_head head;
    json_t *perplexity, *analogies, *word_pairs;
};

struct perplexity_request {
    const char *corpus;
    struct stream_request stream;
    struct lm_stream_options in_order;
};

static enum progress_answer report(void *context, const struct progress_report *now)
{
    (void)now;
    return exchange_cancelled(context) ? PROGRESS_STOP : PROGRESS_GO_ON;
}

static enum err reply(struct exchange *x, const struct infer_subject *subject,
                      const struct corpus_row *corpus,
                      const struct evaluation *evaluation)
{
    struct buffer json;
    struct printer p;
    buffer_init(&json, PRINTER_REPLY_MAX);
    printer_init(&p, &json);
    printer_open(&p, '{');
    infer_print_head(&p, subject);
    printer_key(&p, "perplexity");
    printer_open(&p, '{');
    printer_key_text(&p, "corpus", corpus->name);
    printer_key_text(&p, "corpus_sha256", corpus->sha256);
    print_evaluation(&p, evaluation, &subject->base);
    printer_close(&p, '}');
    infer_print_timing(&p, x);
    printer_close(&p, '}');
    return exchange_reply_json_take(x, 200, &json);
}

static enum err evaluate(struct exchange *x, const struct infer_subject *subject,
                         const struct perplexity_request *request, struct err_info *info)
{
    struct server *server = exchange_server(x);
    struct progress progress = {.context = x, .report = report};
    struct corpus_text corpus;
    struct evaluation evaluation = {0};
    enum err code =
        lm_stream_check(subject->target.lm, &request->in_order, "/perplexity", info);
    if (!code)
        code = corpus_text_open(&corpus, server->store, request->corpus, server->scratch,
                                info);
    if (code)
        return code;
    /* The model itself: its batches are large enough, and it has threads of its own. */
    code = evaluate_in_order(subject->leases[0].model->lm, subject->target.tokenizer,
                             subject->target.vocab, corpus.text, &request->in_order, 1,
                             &progress, &evaluation);
    if (!code)
        code = reply(x, subject, &corpus.row, &evaluation);
    corpus_text_fini(&corpus);
    return code ? err_finish(info, code) : ERR_OK;
}

static enum err read_perplexity(struct exchange *x, json_t *object,
                                struct perplexity_request *request)
{
    static const struct field fields[] = {
        {.name = "corpus",
         .type = FIELD_NAME,
         .offset = offsetof(struct perplexity_request, corpus),
         .required = true},
        STREAM_FIELDS(struct perplexity_request, stream),
    };
    enum err code = fields_read(object, "/perplexity", fields, INFER_COUNT_OF(fields),
                                false, request, exchange_errors(x));
    enum err read = stream_options_read(&request->stream, "/perplexity",
                                        &request->in_order, exchange_errors(x));
    return code ? code : read;
}

enum err evaluate_post(struct exchange *x, struct err_info *info)
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
    struct infer_subject subject;
    struct perplexity_request perplexity = {0};
    enum err code = resource_name(x, &request.head.model, info);
    if (!code)
        code = infer_read(x, fields, INFER_COUNT_OF(fields), &request, info);
    if (!code && (request.perplexity != NULL) + (request.analogies != NULL) +
                         (request.word_pairs != NULL) !=
                     1)
        code = field_errors_add(exchange_errors(x), "/perplexity",
                                "give one of perplexity, analogies and word_pairs");
    if (!code && !request.perplexity)
        return evaluate_vectors(x, request.head.model, request.analogies,
                                request.word_pairs, info);
    if (!code)
        code = read_perplexity(x, request.perplexity, &perplexity);
    if (!code)
        code = infer_open(x, &request.head, &subject, info);
    if (code)
        return code;
    code = evaluate(x, &subject, &perplexity, info);
    infer_close(&subject);
    return code;
}

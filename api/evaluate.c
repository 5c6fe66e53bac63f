/* SPDX-License-Identifier: MIT */
/* POST /models/{name}/evaluate: perplexity of a stored corpus (word vectors are measured
 * by evaluate_vectors.c). It runs on one thread of the pool, so that an evaluation costs
 * the other requests one thread and no more, and stops when the client leaves. */
#include "api/corpus_text.h"
#include "api/evaluate_vectors.h"
#include "api/infer.h"
#include "api/infer_request.h"
#include "api/resource.h"
#include "server/server.h"

struct request {
    struct infer_head head;
    json_t *perplexity, *analogies, *word_pairs;
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
                         const char *name, struct err_info *info)
{
    struct server *server = exchange_server(x);
    struct progress progress = {.context = x, .report = report};
    struct corpus_text corpus;
    struct evaluation evaluation = {0};
    enum err code = corpus_text_open(&corpus, server->store, name, server->scratch, info);
    if (code)
        return code;
    code = evaluate_perplexity(subject->target.lm, subject->target.tokenizer,
                               subject->target.vocab, corpus.text, 1, &progress,
                               &evaluation);
    if (!code)
        code = reply(x, subject, &corpus.row, &evaluation);
    corpus_text_fini(&corpus);
    return code ? err_finish(info, code) : ERR_OK;
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
    static const struct field inner = {
        .name = "corpus", .type = FIELD_NAME, .required = true};
    struct request request = {0};
    struct infer_subject subject;
    const char *corpus = NULL;
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
        code = fields_read(request.perplexity, "/perplexity", &inner, 1, false,
                           (void *)&corpus, exchange_errors(x));
    if (!code)
        code = infer_open(x, &request.head, &subject, info);
    if (code)
        return code;
    code = evaluate(x, &subject, corpus, info);
    infer_close(&subject);
    return code;
}

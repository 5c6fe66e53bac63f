/* SPDX-License-Identifier: MIT */
/* POST /next: the likeliest next tokens and the probability of given words. A model that
 * is loaded and cheap answers on the HTTP loop when little is asked; everything else goes
 * to the inference pool. */
#include <stdlib.h>

#include "api/infer.h"
#include "api/infer_request.h"
#include "model/lm/lm.h"

enum {
    K_MAX = 10000,
    WORDS_MAX = 1000,
    WORD_SIZE_MAX = 4096,
    INLINE_K = 100,
    INLINE_WORDS = 32,
    INLINE_CONTEXT = 2048,
    INLINE_VOCAB = 50000
};

struct request {
    struct infer_head head;
    const char *context;
    int64_t k;
    json_t *words;
    double temperature;
};

static const struct field request_fields[] = {
    INFER_HEAD_FIELDS,
    {.name = "context", .type = FIELD_TEXT, .offset = offsetof(struct request, context)},
    {.name = "k",
     .type = FIELD_INTEGER,
     .offset = offsetof(struct request, k),
     .minimum = 0,
     .maximum = K_MAX},
    {.name = "words",
     .type = FIELD_ARRAY,
     .offset = offsetof(struct request, words),
     .minimum = 0,
     .maximum = WORDS_MAX},
    {.name = "temperature",
     .type = FIELD_NUMBER,
     .offset = offsetof(struct request, temperature),
     .minimum = 0,
     .maximum = 100},
};

static enum err read_request(struct exchange *x, struct request *request,
                             struct err_info *info)
{
    *request = (struct request){.context = "", .k = 10, .temperature = 1};
    return infer_read(x, request_fields, INFER_COUNT_OF(request_fields), request, info);
}

static enum err reply(struct exchange *x, const struct infer_subject *subject,
                      const struct next_answer *answer)
{
    struct buffer *json = exchange_buffer(x);
    struct printer p;
    printer_init(&p, json);
    printer_open(&p, '{');
    infer_print_head(&p, subject);
    print_next(&p, answer, subject->target.vocab, &subject->base);
    infer_print_timing(&p, x);
    printer_close(&p, '}');
    return exchange_reply_json_take(x, 200, json);
}

static enum err answer_request(struct exchange *x, const struct request *request,
                               const struct infer_subject *subject, struct err_info *info)
{
    struct next_answer answer = {0};
    struct span *words = NULL;
    enum err code = ERR_OK;
    if (request->words)
        code = infer_read_texts(request->words, "/words", WORD_SIZE_MAX, &words,
                                exchange_errors(x));
    if (code)
        return code;
    struct next_request next = {
        .context = span_of_text(request->context),
        .k = (size_t)request->k,
        .words = words,
        .word_count = json_array_size(request->words),
        .temperature = request->temperature,
    };
    code = infer_next(&subject->target, &next, &answer, info);
    if (!code) {
        code = reply(x, subject, &answer);
        next_answer_fini(&answer);
    }
    free(words);
    return code;
}

enum err next_post(struct exchange *x, struct err_info *info)
{
    struct request request;
    struct infer_subject subject;
    enum err code = read_request(x, &request, info);
    if (!code)
        code = infer_open(x, &request.head, &subject, info);
    if (code)
        return code;
    code = answer_request(x, &request, &subject, info);
    infer_close(&subject);
    return code;
}

enum err next_inline(struct exchange *x, bool *answered, struct err_info *info)
{
    struct request request;
    struct infer_subject subject;
    *answered = false;
    enum err code = read_request(x, &request, info);
    if (code)
        return code;
    if (request.k > INLINE_K || json_array_size(request.words) > INLINE_WORDS ||
        strlen(request.context) > INLINE_CONTEXT ||
        !infer_try_open(x, &request.head, &subject))
        return ERR_OK;
    const struct lm *lm = subject.target.lm;
    if (lm->cheap && lm->vocab_size <= INLINE_VOCAB) {
        *answered = true;
        code = answer_request(x, &request, &subject, info);
    }
    infer_close(&subject);
    return code;
}

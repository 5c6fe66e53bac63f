/* SPDX-License-Identifier: MIT */
/* POST /rescore: the noisy channel. Channel scores and the word bonus come, like all
 * logarithms of a request, in its log_base. */
#include <stdlib.h>

#include "api/infer.h"
#include "api/infer_request.h"
#include "base/memory.h"
#include "server/server.h"

struct request {
    struct infer_head head;
    json_t *candidates;
    double lm_weight, word_bonus;
};

static const struct field request_fields[] = {
    INFER_HEAD_FIELDS,
    {.name = "candidates",
     .type = FIELD_ARRAY,
     .offset = offsetof(struct request, candidates),
     .required = true},
    {.name = "lm_weight",
     .type = FIELD_NUMBER,
     .offset = offsetof(struct request, lm_weight),
     .minimum = 0,
     .maximum = 1000},
    {.name = "word_bonus",
     .type = FIELD_NUMBER,
     .offset = offsetof(struct request, word_bonus),
     .minimum = -1000,
     .maximum = 1000},
};

struct candidate {
    const char *text;
    double channel_logprob;
};

static enum err read_candidates(struct exchange *x, json_t *array,
                                struct rescore_input *inputs, double scale)
{
    static const struct field fields[] = {
        {.name = "text",
         .type = FIELD_TEXT,
         .offset = offsetof(struct candidate, text),
         .required = true},
        {.name = "channel_logprob",
         .type = FIELD_NUMBER,
         .offset = offsetof(struct candidate, channel_logprob),
         .required = true},
    };
    enum err result = ERR_OK;
    for (size_t i = 0; i < json_array_size(array); i++) {
        struct candidate candidate = {.text = ""};
        char pointer[40];
        (void)snprintf(pointer, sizeof pointer, "/candidates/%zu", i);
        enum err code =
            fields_read(json_array_get(array, i), pointer, fields, INFER_COUNT_OF(fields),
                        false, &candidate, exchange_errors(x));
        result = result ? result : code;
        inputs[i].text = span_of_text(candidate.text);
        inputs[i].channel_logprob = candidate.channel_logprob / scale;
    }
    return result;
}

static enum err reply(struct exchange *x, const struct infer_subject *subject,
                      const struct rescore_answer *answer)
{
    struct buffer json;
    struct printer p;
    buffer_init(&json, PRINTER_REPLY_MAX);
    printer_init(&p, &json);
    printer_open(&p, '{');
    infer_print_head(&p, subject);
    print_rescore(&p, answer, &subject->base);
    infer_print_timing(&p, x);
    printer_close(&p, '}');
    return exchange_reply_json_take(x, 200, &json);
}

static enum err answer_request(struct exchange *x, const struct request *request,
                               const struct infer_subject *subject, struct err_info *info)
{
    size_t count = json_array_size(request->candidates);
    struct rescore_answer answer = {0};
    struct rescore_input *inputs = memory_new_array(count, sizeof *inputs);
    if (!inputs)
        return err_finish(info, ERR_NO_MEMORY);
    enum err code = read_candidates(x, request->candidates, inputs, subject->base.scale);
    if (!code)
        code = infer_rescore(&subject->target, inputs, count, request->lm_weight,
                             request->word_bonus / subject->base.scale, &answer, info);
    if (!code) {
        code = reply(x, subject, &answer);
        rescore_answer_fini(&answer);
    }
    free(inputs);
    return code;
}

enum err rescore_post(struct exchange *x, struct err_info *info)
{
    struct request request = {.lm_weight = 1};
    struct infer_subject subject;
    int64_t most = exchange_server(x)->settings.max_inputs;
    enum err code =
        infer_read(x, request_fields, INFER_COUNT_OF(request_fields), &request, info);
    if (code)
        return code;
    size_t count = json_array_size(request.candidates);
    if (count == 0)
        return field_errors_add(exchange_errors(x), "/candidates", "must not be empty");
    if (count > (size_t)most)
        return err_set_field(info, ERR_LIMIT, "/candidates",
                             "%zu candidates; the setting max_inputs allows %lld.", count,
                             (long long)most);
    code = infer_open(x, &request.head, &subject, info);
    if (code)
        return code;
    code = answer_request(x, &request, &subject, info);
    infer_close(&subject);
    return code;
}

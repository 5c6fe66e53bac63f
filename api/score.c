/* SPDX-License-Identifier: MIT */
/* POST /score: how likely texts are. The hot path of the daemon: a short request for a
 * loaded, cheap model is answered on the HTTP loop, and the answer is printed straight
 * into the reply. */
#include <stdlib.h>
#include <string.h>

#include "api/infer.h"
#include "api/infer_request.h"
#include "api/stream_options.h"
#include "base/memory.h"
#include "model/lm/lm.h"
#include "server/server.h"

enum { ID_SIZE_MAX = 256, INLINE_INPUTS = 32, INLINE_BYTES = 4096 };

struct request {
    struct infer_head head;
    json_t *inputs;
    bool bos, eos, tokens;
    int oov;
    struct stream_request stream;
    struct lm_stream_options in_order;
};

static const char *const oov_words[] = {"unk", "skip", "error", NULL};

static const struct field request_fields[] = {
    INFER_HEAD_FIELDS,
    {.name = "inputs",
     .type = FIELD_ANY,
     .offset = offsetof(struct request, inputs),
     .required = true},
    {.name = "bos", .type = FIELD_FLAG, .offset = offsetof(struct request, bos)},
    {.name = "eos", .type = FIELD_FLAG, .offset = offsetof(struct request, eos)},
    {.name = "tokens", .type = FIELD_FLAG, .offset = offsetof(struct request, tokens)},
    {.name = "oov",
     .type = FIELD_CHOICE,
     .offset = offsetof(struct request, oov),
     .choices = oov_words},
    STREAM_FIELDS(struct request, stream),
};

/* The inputs in whichever of their three forms. */
struct inputs {
    struct span *texts;  /* [count], borrowed from the JSON */
    const char **ids;    /* [count], NULL where the number is the id */
    size_t count, bytes; /* of all texts */
    struct span one;     /* where `texts` points for a single text */
    const char *no_id;
};

static void inputs_fini(struct inputs *inputs)
{
    if (inputs->texts != &inputs->one) {
        free(inputs->texts);
        free(inputs->ids);
    }
}

struct named_text {
    const char *id, *text;
};

static enum err read_input(json_t *item, size_t i, struct inputs *inputs,
                           struct field_errors *errors)
{
    static const struct field fields[] = {
        {.name = "id",
         .type = FIELD_TEXT,
         .offset = offsetof(struct named_text, id),
         .minimum = 0,
         .maximum = ID_SIZE_MAX},
        {.name = "text",
         .type = FIELD_TEXT,
         .offset = offsetof(struct named_text, text),
         .required = true},
    };
    struct named_text named = {0};
    char pointer[32];
    if (json_is_string(item)) {
        inputs->texts[i] = span_of(json_string_value(item), json_string_length(item));
        return ERR_OK;
    }
    (void)snprintf(pointer, sizeof pointer, "/inputs/%zu", i);
    if (!json_is_object(item))
        return field_errors_add(errors, pointer, "must be a string or {id, text}");
    enum err code =
        fields_read(item, pointer, fields, INFER_COUNT_OF(fields), false, &named, errors);
    if (code)
        return code;
    inputs->ids[i] = named.id;
    inputs->texts[i] = span_of_text(named.text);
    return ERR_OK;
}

static enum err read_array(struct exchange *x, json_t *array, struct inputs *inputs,
                           struct err_info *info)
{
    int64_t most = exchange_server(x)->settings.max_inputs;
    size_t count = json_array_size(array);
    enum err code = ERR_OK;
    if (count == 0)
        return field_errors_add(exchange_errors(x), "/inputs", "must not be empty");
    if (count > (size_t)most)
        return err_set_field(info, ERR_LIMIT, "/inputs",
                             "%zu inputs; the setting max_inputs allows %lld a request.",
                             count, (long long)most);
    inputs->texts = memory_new_array(count, sizeof *inputs->texts);
    inputs->ids = memory_new_array(count, sizeof *inputs->ids);
    inputs->count = count;
    if (!inputs->texts || !inputs->ids)
        return err_finish(info, ERR_NO_MEMORY);
    for (size_t i = 0; i < count; i++) {
        enum err one =
            read_input(json_array_get(array, i), i, inputs, exchange_errors(x));
        code = code ? code : one;
        inputs->bytes += inputs->texts[i].size;
    }
    return code;
}

/* In whichever form they came. */
static enum err read_inputs(struct exchange *x, json_t *value, struct inputs *inputs,
                            struct err_info *info)
{
    if (json_is_array(value))
        return read_array(x, value, inputs, info);
    if (!json_is_string(value))
        return field_errors_add(exchange_errors(x), "/inputs",
                                "must be a string, or an array of strings or {id, text}");
    inputs->one = span_of(json_string_value(value), json_string_length(value));
    inputs->texts = &inputs->one;
    inputs->ids = &inputs->no_id;
    inputs->count = 1;
    inputs->bytes = inputs->one.size;
    return ERR_OK;
}

static enum err read_request(struct exchange *x, struct request *request,
                             struct inputs *inputs, struct err_info *info)
{
    *request = (struct request){.bos = true, .eos = true};
    *inputs = (struct inputs){0};
    enum err code =
        infer_read(x, request_fields, INFER_COUNT_OF(request_fields), request, info);
    if (code && (exchange_errors(x)->count == 0 || !request->inputs))
        return code;
    /* Fields may be wrong already: whoever mends them wants to see all of it. */
    enum err read = read_inputs(x, request->inputs, inputs, info);
    code = code ? code : read;
    read =
        stream_options_read(&request->stream, "", &request->in_order, exchange_errors(x));
    code = code ? code : read;
    if (code)
        inputs_fini(inputs);
    return code;
}

/* Prints again what stands from `first` to `last`: the total of one input is its own
 * sums, and numbers are the expensive part of a reply. */
static void print_again(struct printer *p, size_t first, size_t last)
{
    size_t size = last - first;
    char *room = buffer_reserve(p->out, size);
    if (!room)
        return;
    memcpy(room, p->out->bytes + first, size);
    buffer_wrote(p->out, size);
}

static void print_results(struct printer *p, const struct request *request,
                          const struct inputs *inputs,
                          const struct infer_subject *subject,
                          const struct score_answer *answer)
{
    size_t first = 0, last = 0; /* where the sums of the first result were printed */
    printer_key(p, "results");
    printer_open(p, '[');
    for (size_t i = 0; i < answer->count; i++) {
        printer_open(p, '{');
        if (inputs->ids[i])
            printer_key_text(p, "id", inputs->ids[i]);
        else
            printer_key_integer(p, "id", (int64_t)i);
        first = p->out->size + 1; /* without the comma that follows the id */
        print_sums(p, &answer->results[i].sums, &subject->base);
        last = p->out->size;
        if (request->tokens)
            print_score_tokens(p, &answer->results[i], subject->target.vocab,
                               &subject->base);
        printer_close(p, '}');
    }
    printer_close(p, ']');
    printer_key(p, "total");
    printer_open(p, '{');
    if (answer->count == 1 && !p->out->failed)
        print_again(p, first, last);
    else
        print_sums(p, &answer->total, &subject->base);
    printer_close(p, '}');
}

static enum err answer_request(struct exchange *x, const struct request *request,
                               const struct inputs *inputs,
                               const struct infer_subject *subject, struct err_info *info)
{
    struct score_answer answer = {0};
    struct score_options options = {
        .bos = request->bos,
        .eos = request->eos,
        .tokens = request->tokens,
        .oov = (enum score_oov)request->oov,
        .stream = &request->in_order,
    };
    enum err code = lm_stream_check(subject->target.lm, &request->in_order, "", info);
    if (!code)
        code = infer_score(&subject->target, &options, inputs->texts, inputs->count,
                           &answer, info);
    if (code)
        return code;
    struct buffer *json = exchange_buffer(x);
    struct printer p;
    printer_init(&p, json);
    printer_open(&p, '{');
    infer_print_head(&p, subject);
    print_results(&p, request, inputs, subject, &answer);
    infer_print_timing(&p, x);
    printer_close(&p, '}');
    metrics_add(exchange_server(x)->metrics, METRIC_TOKENS_SCORED, 0,
                (double)answer.total.tokens_scored);
    score_answer_fini(&answer);
    return exchange_reply_json_take(x, 200, json);
}

enum err score_post(struct exchange *x, struct err_info *info)
{
    struct request request;
    struct inputs inputs;
    struct infer_subject subject;
    enum err code = read_request(x, &request, &inputs, info);
    if (code)
        return code;
    code = infer_open(x, &request.head, &subject, info);
    if (!code) {
        code = answer_request(x, &request, &inputs, &subject, info);
        infer_close(&subject);
    }
    inputs_fini(&inputs);
    return code;
}

enum err score_inline(struct exchange *x, bool *answered, struct err_info *info)
{
    struct request request;
    struct inputs inputs;
    struct infer_subject subject;
    *answered = false;
    enum err code = read_request(x, &request, &inputs, info);
    if (code)
        return code;
    if (inputs.count <= INLINE_INPUTS && inputs.bytes <= INLINE_BYTES &&
        infer_try_open(x, &request.head, &subject)) {
        if (subject.target.lm->cheap) {
            *answered = true;
            code = answer_request(x, &request, &inputs, &subject, info);
        }
        infer_close(&subject);
    }
    inputs_fini(&inputs);
    return code;
}

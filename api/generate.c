/* SPDX-License-Identifier: MIT */
/* POST /generate. The whole answer at once, or as events while it is drawn: a `token`
 * event for each token (and for text that was held back), then `done` with the same
 * object the unstreamed answer would be. After every token the exchange is asked whether
 * anybody still listens. */
#include <stdlib.h>

#include "api/event_queue.h"
#include "api/generate_request.h"
#include "api/infer.h"
#include "api/infer_request.h"
#include "base/random.h"
#include "server/server.h"

enum { SEED_BITS = 53 };
static const double SEED_MAX = 9007199254740991.0;

struct request {
    struct infer_head head;
    const char *prompt;
    int64_t max_tokens, top_k, seed, n;
    double temperature, top_p;
    json_t *stop;
    bool logprobs, stream, seed_given;
};

static const struct field request_fields[] = {
    INFER_HEAD_FIELDS,
    {.name = "prompt", .type = FIELD_TEXT, .offset = offsetof(struct request, prompt)},
    {.name = "max_tokens",
     .type = FIELD_INTEGER,
     .offset = offsetof(struct request, max_tokens),
     .minimum = 0,
     .maximum = 1e9},
    {.name = "temperature",
     .type = FIELD_NUMBER,
     .offset = offsetof(struct request, temperature),
     .minimum = 0,
     .maximum = 100},
    {.name = "top_k",
     .type = FIELD_INTEGER,
     .offset = offsetof(struct request, top_k),
     .minimum = 0,
     .maximum = 1000000},
    {.name = "top_p",
     .type = FIELD_NUMBER,
     .offset = offsetof(struct request, top_p),
     .minimum = 0,
     .maximum = 1,
     .exclusive = true},
    {.name = "stop",
     .type = FIELD_ARRAY,
     .offset = offsetof(struct request, stop),
     .minimum = 0,
     .maximum = GENERATE_STOPS_MAX},
    {.name = "seed",
     .type = FIELD_INTEGER,
     .offset = offsetof(struct request, seed),
     .minimum = 0,
     .maximum = SEED_MAX,
     .given = FIELD_GIVEN(struct request, seed_given)},
    {.name = "n",
     .type = FIELD_INTEGER,
     .offset = offsetof(struct request, n),
     .minimum = 1,
     .maximum = GENERATE_OUTPUTS_MAX},
    {.name = "logprobs",
     .type = FIELD_FLAG,
     .offset = offsetof(struct request, logprobs)},
    {.name = "stream", .type = FIELD_FLAG, .offset = offsetof(struct request, stream)},
};

uint64_t generate_seed(bool given, int64_t seed)
{
    return given ? (uint64_t)seed : random_from_system() >> (64 - SEED_BITS);
}

enum err generate_check_cost(struct exchange *x, int64_t outputs, int64_t max_tokens,
                             struct err_info *info)
{
    int64_t most = exchange_server(x)->settings.max_tokens;
    if (max_tokens > most)
        return err_set_field(info, ERR_LIMIT, "/max_tokens",
                             "%lld tokens; the setting max_tokens allows %lld an output.",
                             (long long)max_tokens, (long long)most);
    if (outputs > 0 && max_tokens > GENERATE_TOKENS_MAX / outputs)
        return err_set_field(info, ERR_LIMIT, "/n",
                             "%lld outputs of %lld tokens; a request may ask for %d "
                             "tokens in all.",
                             (long long)outputs, (long long)max_tokens,
                             GENERATE_TOKENS_MAX);
    return ERR_OK;
}

/* ---- while it is drawn ---- */

struct stream {
    struct exchange *x;
    const struct request *request;
    const struct infer_subject *subject;
    struct event_queue *events; /* NULL when nothing is streamed */
    struct buffer json;         /* of one event, used again and again */
    enum err failed;
};

static enum err send(struct stream *stream, const char *type)
{
    const struct buffer *json = &stream->json;
    return json->failed
               ? json->failed
               : event_queue_send(stream->events, type, span_of(json->bytes, json->size));
}

static void print_event(struct stream *stream, const struct generate_event *event)
{
    struct printer p;
    buffer_clear(&stream->json);
    printer_init(&p, &stream->json);
    printer_open(&p, '{');
    printer_key_integer(&p, "index", (int64_t)event->output);
    if (event->has_token) {
        printer_key(&p, "token");
        printer_span(&p, vocab_word(stream->subject->target.vocab, event->token));
        printer_key_integer(&p, "id", event->token);
        if (stream->request->logprobs)
            print_log(&p, "logprob", (double)event->logprob, &stream->subject->base);
    }
    printer_key(&p, "text");
    printer_span(&p, event->text);
    if (event->finished)
        printer_key_text(&p, "finish_reason", generate_finish_names[event->finish]);
    printer_close(&p, '}');
}

static bool on_event(void *context, const struct generate_event *event)
{
    struct stream *stream = context;
    if (exchange_cancelled(stream->x)) {
        stream->failed = ERR_CANCELLED;
        return false;
    }
    if (!stream->events)
        return true;
    print_event(stream, event);
    stream->failed = send(stream, "token");
    return !stream->failed;
}

static void print_answer(struct printer *p, struct stream *stream, uint64_t seed,
                         const struct generate_answer *answer)
{
    printer_open(p, '{');
    infer_print_head(p, stream->subject);
    printer_key_integer(p, "seed", (int64_t)seed);
    printer_key(p, "outputs");
    printer_open(p, '[');
    for (size_t i = 0; i < answer->count; i++)
        print_output(p, &answer->outputs[i], stream->subject->target.vocab,
                     stream->request->logprobs, &stream->subject->base);
    printer_close(p, ']');
    print_usage(p, answer->prompt_tokens, answer->output_tokens);
    infer_print_timing(p, stream->x);
    printer_close(p, '}');
}

static enum err finish(struct stream *stream, uint64_t seed,
                       const struct generate_answer *answer)
{
    struct printer p;
    metrics_add(exchange_server(stream->x)->metrics, METRIC_TOKENS_GENERATED, 0,
                (double)answer->output_tokens);
    buffer_clear(&stream->json);
    printer_init(&p, &stream->json);
    print_answer(&p, stream, seed, answer);
    if (!stream->events)
        return exchange_reply_json_take(stream->x, 200, &stream->json);
    enum err code = send(stream, "done");
    if (code)
        return code;
    event_queue_finish_take(stream->events);
    stream->events = NULL;
    return ERR_OK;
}

static enum err draw(struct stream *stream, struct span *stops, struct err_info *info)
{
    const struct request *request = stream->request;
    struct generate_answer answer = {0};
    struct generate_request asked = {
        .prompt = span_of_text(request->prompt),
        .max_tokens = (size_t)request->max_tokens,
        .temperature = request->temperature,
        .top_k = (size_t)request->top_k,
        .top_p = request->top_p,
        .stops = stops,
        .stop_count = json_array_size(request->stop),
        .seed = generate_seed(request->seed_given, request->seed),
        .n = (size_t)request->n,
        .event = on_event,
        .context = stream,
    };
    enum err code =
        request->stream ? event_queue_open(stream->x, &stream->events) : ERR_OK;
    if (!code)
        code = infer_generate(&stream->subject->target, &asked, &answer, info);
    if (code)
        return stream->failed ? stream->failed : code;
    code = finish(stream, asked.seed, &answer);
    generate_answer_fini(&answer);
    return code;
}

enum err generate_post(struct exchange *x, struct err_info *info)
{
    struct request request = {
        .prompt = "", .max_tokens = 64, .n = 1, .temperature = 1, .top_p = 1};
    struct infer_subject subject;
    struct span *stops = NULL;
    enum err code =
        infer_read(x, request_fields, INFER_COUNT_OF(request_fields), &request, info);
    if (!code)
        code = generate_check_cost(x, request.n, request.max_tokens, info);
    if (!code && request.stop)
        code = infer_read_texts(request.stop, "/stop", GENERATE_STOP_SIZE_MAX, &stops,
                                exchange_errors(x));
    if (!code)
        code = infer_open(x, &request.head, &subject, info);
    if (code) {
        free(stops);
        return code;
    }
    struct stream stream = {.x = x, .request = &request, .subject = &subject};
    buffer_init(&stream.json, PRINTER_REPLY_MAX);
    code = draw(&stream, stops, info);
    event_queue_free(stream.events);
    buffer_fini(&stream.json);
    infer_close(&subject);
    free(stops);
    return code;
}

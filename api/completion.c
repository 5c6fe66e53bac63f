/* SPDX-License-Identifier: MIT */
/* POST /v1/completions: prompts are answered one after another; choice i·n + j is output
 * j of prompt i. Streams send a chunk a token, then, when asked for, a chunk with no
 * choices and the usage, and [DONE]. */
#include "api/completion.h"

#include <math.h>
#include <stdlib.h>

#include "api/event_queue.h"
#include "api/generate_request.h"
#include "base/clock.h"
#include "base/random.h"
#include "server/server.h"

struct completion {
    struct exchange *x;
    struct completion_request request;
    struct infer_subject subject;
    uint64_t seed;
    int64_t created; /* Unix seconds */
    size_t prompt;   /* the one being answered */
    size_t prompt_tokens, output_tokens;
    struct buffer json; /* the reply, or one chunk */
    struct printer p;
    struct completion_logprobs logprobs;
    struct event_queue *events; /* streams only, as the next */
    size_t *characters;         /* of each output so far */
    enum err failed;            /* sending */
};

static const char *finish_reason(enum generate_finish finish)
{
    return finish == GENERATE_LENGTH ? "length" : "stop";
}

static void print_head(struct completion *c)
{
    printer_open(&c->p, '{');
    char id[96];
    (void)snprintf(id, sizeof id, "cmpl-%.80s", exchange_request_id(c->x));
    printer_key_text(&c->p, "id", id);
    printer_key_text(&c->p, "object", "text_completion");
    printer_key_integer(&c->p, "created", c->created);
    printer_key_text(&c->p, "model", c->subject.name);
    printer_key_text(&c->p, "system_fingerprint", c->subject.digest);
    printer_key(&c->p, "choices");
    printer_open(&c->p, '[');
}

static void print_logprobs(struct completion *c)
{
    if (c->request.logprobs_given) {
        completion_logprobs_print(&c->logprobs, c->request.logprobs > 0, &c->p);
    } else {
        printer_key(&c->p, "logprobs");
        printer_null(&c->p);
    }
}

static size_t choice_index(const struct completion *c, size_t output)
{
    return c->prompt * (size_t)c->request.n + output;
}

/* ---- the whole answer ---- */

static enum err print_choice(struct completion *c, const struct generate_output *output,
                             size_t number)
{
    struct span prompt = c->request.prompts[c->prompt];
    struct buffer text;
    enum err code = ERR_OK;
    buffer_init(&text, PRINTER_REPLY_MAX);
    c->logprobs.characters = 0;
    if (c->request.echo) {
        buffer_append(&text, prompt.bytes, prompt.size);
        if (c->request.logprobs_given)
            code = completion_add_prompt(&c->logprobs, &c->subject.target, prompt,
                                         (size_t)c->request.logprobs);
    }
    buffer_append(&text, output->text, output->size);
    for (size_t i = 0; i < output->token_count && c->request.logprobs_given; i++)
        completion_add_token(&c->logprobs, c->subject.target.vocab, output, i,
                             (size_t)c->request.logprobs);
    printer_open(&c->p, '{');
    printer_key(&c->p, "text");
    printer_span(&c->p, span_of(text.bytes, text.size));
    printer_key_integer(&c->p, "index", (int64_t)choice_index(c, number));
    print_logprobs(c);
    printer_key_text(&c->p, "finish_reason", finish_reason(output->finish));
    printer_close(&c->p, '}');
    code = code ? code : text.failed;
    buffer_fini(&text);
    return code;
}

/* ---- streams ---- */

static void begin_chunk(struct completion *c, size_t output, struct span text)
{
    buffer_clear(&c->json);
    printer_init(&c->p, &c->json);
    print_head(c);
    printer_open(&c->p, '{');
    printer_key(&c->p, "text");
    printer_span(&c->p, text);
    printer_key_integer(&c->p, "index", (int64_t)choice_index(c, output));
}

static enum err send_chunk(struct completion *c)
{
    return c->json.failed
               ? c->json.failed
               : event_queue_send(c->events, NULL, span_of(c->json.bytes, c->json.size));
}

static enum err end_chunk(struct completion *c, const char *finish)
{
    printer_key_text(&c->p, "finish_reason", finish);
    printer_close(&c->p, '}');
    printer_close(&c->p, ']');
    if (c->request.include_usage) {
        printer_key(&c->p, "usage");
        printer_null(&c->p);
    }
    printer_close(&c->p, '}');
    return send_chunk(c);
}

static enum err send_echo(struct completion *c, size_t output)
{
    struct span prompt = c->request.prompts[c->prompt];
    enum err code = ERR_OK;
    begin_chunk(c, output, prompt);
    c->logprobs.characters = 0;
    if (c->request.logprobs_given)
        code = completion_add_prompt(&c->logprobs, &c->subject.target, prompt,
                                     (size_t)c->request.logprobs);
    print_logprobs(c);
    c->characters[output] = c->logprobs.characters;
    return code ? code : end_chunk(c, NULL);
}

static bool on_event(void *context, const struct generate_event *event)
{
    struct completion *c = context;
    if (exchange_cancelled(c->x))
        c->failed = ERR_CANCELLED;
    if (c->failed || !c->request.stream)
        return !c->failed;
    begin_chunk(c, event->output, event->text);
    if (c->request.logprobs_given && event->has_token) {
        c->logprobs.characters = c->characters[event->output];
        struct generate_alternative taken = {event->token, event->logprob};
        completion_logprobs_add(&c->logprobs, c->subject.target.vocab, event->text, taken,
                                event->tops,
                                event->tops ? (size_t)c->request.logprobs : 0);
        c->characters[event->output] = c->logprobs.characters;
    }
    print_logprobs(c);
    c->failed = end_chunk(c, event->finished ? finish_reason(event->finish) : NULL);
    return !c->failed;
}

/* ---- all prompts ---- */

static enum err answer_prompt(struct completion *c, struct err_info *info)
{
    const struct completion_request *request = &c->request;
    struct generate_answer answer = {0};
    struct generate_request asked = {
        .prompt = request->prompts[c->prompt],
        .max_tokens = (size_t)request->max_tokens,
        .temperature = request->top_p > 0 ? request->temperature : 0,
        .top_p = request->top_p > 0 ? request->top_p : 1,
        .stops = request->stops,
        .stop_count = request->stop_count,
        .seed = c->seed + c->prompt,
        .n = (size_t)request->n,
        .top_logprobs = request->logprobs_given ? (size_t)request->logprobs : 0,
        .event = on_event,
        .context = c,
    };
    enum err code = ERR_OK;
    for (size_t i = 0; i < asked.n && request->stream && request->echo && !code; i++)
        code = send_echo(c, i);
    if (!code)
        code = infer_generate(&c->subject.target, &asked, &answer, info);
    if (code)
        return c->failed ? c->failed : code;
    c->prompt_tokens += answer.prompt_tokens;
    c->output_tokens += answer.output_tokens;
    for (size_t i = 0; i < answer.count && !request->stream && !code; i++)
        code = print_choice(c, &answer.outputs[i], i);
    generate_answer_fini(&answer);
    return code;
}

static enum err end_stream(struct completion *c)
{
    enum err code = ERR_OK;
    if (c->request.include_usage) {
        buffer_clear(&c->json);
        printer_init(&c->p, &c->json);
        print_head(c);
        printer_close(&c->p, ']');
        print_usage(&c->p, c->prompt_tokens, c->output_tokens);
        printer_close(&c->p, '}');
        code = send_chunk(c);
    }
    if (!code)
        code = event_queue_send(c->events, NULL, span_of_text("[DONE]"));
    if (!code) {
        event_queue_finish_take(c->events);
        c->events = NULL;
    }
    return code;
}

static enum err answer_all(struct completion *c, struct err_info *info)
{
    enum err code = completion_read_prompts(c->x, &c->request, &c->subject.target, info);
    if (!code && c->request.stream) {
        c->characters = calloc((size_t)c->request.n, sizeof *c->characters);
        code = c->characters ? event_queue_open(c->x, &c->events) : ERR_NO_MEMORY;
    } else if (!code) {
        printer_init(&c->p, &c->json);
        print_head(c);
    }
    for (c->prompt = 0; c->prompt < c->request.prompt_count && !code; c->prompt++) {
        for (int64_t i = 0; c->characters && i < c->request.n; i++)
            c->characters[i] = 0;
        code = answer_prompt(c, info);
    }
    if (code)
        return err_finish(info, code);
    metrics_add(exchange_server(c->x)->metrics, METRIC_TOKENS_GENERATED, 0,
                (double)c->output_tokens);
    if (c->request.stream)
        return end_stream(c);
    printer_close(&c->p, ']');
    print_usage(&c->p, c->prompt_tokens, c->output_tokens);
    printer_close(&c->p, '}');
    return exchange_reply_json_take(c->x, 200, &c->json);
}

enum err completion_post(struct exchange *x, struct err_info *info)
{
    struct completion *c = calloc(1, sizeof *c);
    if (!c)
        return err_finish(info, ERR_NO_MEMORY);
    c->x = x;
    c->created = clock_wall_ms() / 1000;
    buffer_init(&c->json, PRINTER_REPLY_MAX);
    completion_logprobs_init(&c->logprobs);
    enum err code = completion_read(x, &c->request, info);
    if (!code)
        code = infer_open(x, &c->request.head, &c->subject, info);
    if (!code) {
        c->seed = generate_seed(c->request.seed_given, c->request.seed);
        code = answer_all(c, info);
        infer_close(&c->subject);
    }
    completion_request_fini(&c->request);
    completion_logprobs_fini(&c->logprobs);
    buffer_fini(&c->json);
    event_queue_free(c->events);
    free(c->characters);
    free(c);
    return code;
}

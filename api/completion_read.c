/* SPDX-License-Identifier: MIT */
/* Reading POST /v1/completions. Clients of this dialect send null for what they leave out
 * and members this server does not know: both are taken in good part. */
#include <stdlib.h>

#include "api/completion.h"
#include "api/generate_request.h"
#include "base/memory.h"
#include "server/server.h"

static const double SEED_MAX = 9007199254740991.0;

struct stream_options {
    bool include_usage;
};

static const struct field request_fields[] = {
#define MEMBER(member_)                                                                  \
    .name = #member_, .offset = offsetof(struct completion_request, member_)
    {.name = "model",
     .type = FIELD_NAME,
     .offset = offsetof(struct infer_head, model),
     .required = true},
    {MEMBER(prompt), .type = FIELD_ANY},
    {MEMBER(max_tokens), .type = FIELD_INTEGER, .minimum = 0, .maximum = 1e9},
    {MEMBER(temperature), .type = FIELD_NUMBER, .minimum = 0, .maximum = 2},
    {MEMBER(top_p), .type = FIELD_NUMBER, .minimum = 0, .maximum = 1},
    {MEMBER(n), .type = FIELD_INTEGER, .minimum = 1, .maximum = GENERATE_OUTPUTS_MAX},
    {MEMBER(stream), .type = FIELD_FLAG},
    {MEMBER(stream_options), .type = FIELD_OBJECT},
    {MEMBER(logprobs), .type = FIELD_INTEGER, .minimum = 0,
     .maximum = COMPLETION_LOGPROBS_MAX,
     .given = FIELD_GIVEN(struct completion_request, logprobs_given)},
    {MEMBER(echo), .type = FIELD_FLAG},
    {MEMBER(stop), .type = FIELD_ANY},
    {MEMBER(seed), .type = FIELD_INTEGER, .minimum = -SEED_MAX, .maximum = SEED_MAX,
     .given = FIELD_GIVEN(struct completion_request, seed_given)},
#undef MEMBER
};

static enum err read_stops(struct completion_request *request,
                           struct field_errors *errors)
{
    json_t *stop = request->stop;
    if (!stop || json_is_null(stop))
        return ERR_OK;
    request->stop_count = json_is_array(stop) ? json_array_size(stop) : 1;
    if (request->stop_count > GENERATE_STOPS_MAX)
        return field_errors_add(errors, "/stop", "must have at most %u strings",
                                GENERATE_STOPS_MAX);
    if (json_is_array(stop))
        return infer_read_texts(stop, "/stop", GENERATE_STOP_SIZE_MAX, &request->stops,
                                errors);
    if (!json_is_string(stop) || json_string_length(stop) > GENERATE_STOP_SIZE_MAX)
        return field_errors_add(
            errors, "/stop", "must be a string of at most %u bytes or an array of such",
            GENERATE_STOP_SIZE_MAX);
    request->stops = memory_new_array(1, sizeof *request->stops);
    if (!request->stops)
        return ERR_NO_MEMORY;
    request->stops[0] = span_of(json_string_value(stop), json_string_length(stop));
    return ERR_OK;
}

/* How many prompts the request has, whichever form they come in. */
static size_t count_prompts(const json_t *prompt)
{
    if (!json_is_array(prompt) || json_is_integer(json_array_get(prompt, 0)))
        return 1;
    return json_array_size(prompt);
}

enum err completion_read(struct exchange *x, struct completion_request *request,
                         struct err_info *info)
{
    static const struct field usage = {.name = "include_usage", .type = FIELD_FLAG};
    struct field_errors *errors = exchange_errors(x);
    json_t *body = NULL;
    *request = (struct completion_request){
        .max_tokens = 16, .n = 1, .temperature = 1, .top_p = 1};
    enum err code = exchange_json(x, &body, info);
    if (!code)
        code = fields_read(body, "", request_fields, INFER_COUNT_OF(request_fields), true,
                           request, errors);
    if (!code && request->stream_options)
        code = fields_read(request->stream_options, "/stream_options", &usage, 1, true,
                           &request->include_usage, errors);
    if (!code)
        code = read_stops(request, errors);
    if (code)
        return err_finish(info, code);
    request->prompt_count = count_prompts(request->prompt);
    if (request->prompt_count == 0)
        return field_errors_add(errors, "/prompt", "must not be an empty array");
    if (request->prompt_count > (size_t)exchange_server(x)->settings.max_inputs)
        return err_set_field(info, ERR_LIMIT, "/prompt",
                             "%zu prompts; the setting max_inputs allows %lld.",
                             request->prompt_count,
                             (long long)exchange_server(x)->settings.max_inputs);
    return generate_check_cost(x, request->n * (int64_t)request->prompt_count,
                               request->max_tokens, info);
}

/* ---- prompts ---- */

static enum err copy_prompt(struct completion_request *request, size_t i,
                            struct span text)
{
    char *copy = malloc(text.size + 1);
    if (!copy)
        return ERR_NO_MEMORY;
    if (text.size > 0)
        memcpy(copy, text.bytes, text.size);
    copy[text.size] = '\0';
    request->prompts[i] = span_of(copy, text.size);
    return ERR_OK;
}

/* Ids as the text their words make. */
static enum err join_prompt(struct completion_request *request, size_t i, json_t *ids,
                            const struct target *target, struct field_errors *errors)
{
    size_t count = json_array_size(ids);
    struct span *words = memory_new_array(count, sizeof *words);
    struct buffer text;
    enum err code = words ? ERR_OK : ERR_NO_MEMORY;
    buffer_init(&text, (size_t)64 << 20);
    for (size_t j = 0; j < count && !code; j++) {
        const json_t *item = json_array_get(ids, j);
        json_int_t id = json_is_integer(item) ? json_integer_value(item) : -1;
        if (id < 0 || id >= (json_int_t)vocab_size(target->vocab))
            code = field_errors_add(errors, "/prompt", "ids are integers from 0 to %u",
                                    vocab_size(target->vocab) - 1);
        else
            words[j] = vocab_word(target->vocab, (uint32_t)id);
    }
    if (!code)
        code = tokenizer_join(target->tokenizer, words, count, &text);
    if (!code)
        code = copy_prompt(request, i, span_of(text.bytes, text.size));
    buffer_fini(&text);
    free(words);
    return code;
}

enum err completion_read_prompts(struct exchange *x, struct completion_request *request,
                                 const struct target *target, struct err_info *info)
{
    json_t *prompt = request->prompt;
    bool list = json_is_array(prompt) && !json_is_integer(json_array_get(prompt, 0));
    enum err code = ERR_OK;
    request->prompts = memory_new_array(request->prompt_count, sizeof *request->prompts);
    if (!request->prompts)
        return err_finish(info, ERR_NO_MEMORY);
    for (size_t i = 0; i < request->prompt_count && !code; i++) {
        json_t *item = list ? json_array_get(prompt, i) : prompt;
        if (!item || (json_is_null(item) && !list))
            code = copy_prompt(request, i, span_of("", 0));
        else if (json_is_string(item))
            code = copy_prompt(
                request, i, span_of(json_string_value(item), json_string_length(item)));
        else if (json_is_array(item))
            code = join_prompt(request, i, item, target, exchange_errors(x));
        else
            code = field_errors_add(exchange_errors(x), "/prompt",
                                    "must be a string, strings, ids, or lists of ids");
    }
    return code ? err_finish(info, code) : ERR_OK;
}

void completion_request_fini(struct completion_request *request)
{
    for (size_t i = 0; request->prompts && i < request->prompt_count; i++)
        free((char *)(uintptr_t)request->prompts[i].bytes);
    free(request->prompts);
    free(request->stops);
    request->prompts = NULL;
    request->stops = NULL;
}

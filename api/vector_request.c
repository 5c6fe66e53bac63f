/* SPDX-License-Identifier: MIT */
/* Shared by /neighbors, /analogy, /similarity, /odd-one-out, /embed and /v1/embeddings. A
 * request's words are all looked up before anything is computed, so that one refusal
 * names all that are unknown. */
#include "api/vector_request.h"

#include "base/memory.h"
#include "server/server.h"

static const size_t VECTOR_BYTES_MAX = (size_t)256 << 20;

enum err vector_open(struct exchange *x, const char *name, struct vector_subject *subject,
                     struct err_info *info)
{
    enum err code = infer_acquire(x, name, &subject->lease, info);
    if (code)
        return code;
    code = vector_space_of(subject->lease.model, &subject->space, info);
    if (code)
        registry_release(&subject->lease);
    return code;
}

void vector_close(struct vector_subject *subject)
{
    registry_release(&subject->lease);
}

void vector_print_head(struct printer *p, const struct vector_subject *subject)
{
    printer_key_text(p, "model", subject->lease.name);
    printer_key_text(p, "model_digest", subject->lease.digest);
}

struct vector_choice vector_choose(struct exchange *x,
                                   const struct vector_subject *subject,
                                   const struct search *search, bool exact)
{
    struct vector_choice choice = {.exact = true};
    if (exact)
        return choice;
    choice.index = "unsuited";
    if (!queries_suit_index(subject->space.vectors, search))
        return choice;
    enum index_state state =
        indexer_ask(exchange_server(x)->indexer, &subject->lease, &choice.fraction);
    choice.exact = state != INDEX_READY;
    choice.index = choice.exact ? index_state_names[state] : "used";
    return choice;
}

void vector_print_choice(struct printer *p, const struct vector_choice *choice)
{
    printer_key_flag(p, "exact", choice->exact);
    if (!choice->index)
        return;
    printer_key(p, "index");
    printer_open(p, '{');
    printer_key_text(p, "state", choice->index);
    if (choice->fraction > 0)
        printer_key_number(p, "fraction", choice->fraction);
    printer_close(p, '}');
}

enum err vector_reply(struct exchange *x, const struct vector_subject *subject,
                      const struct vector_results *results)
{
    struct buffer *json = exchange_buffer(x);
    struct printer p;
    printer_init(&p, json);
    printer_open(&p, '{');
    vector_print_head(&p, subject);
    printer_key_text(&p, results->how, results->how_value);
    vector_print_choice(&p, results->choice);
    printer_key(&p, "results");
    printer_open(&p, '[');
    for (size_t i = 0; i < results->count; i++) {
        printer_open(&p, '{');
        printer_key_integer(&p, "index", (int64_t)i);
        results->print(&p, results->context, i);
        printer_close(&p, '}');
    }
    printer_close(&p, ']');
    infer_print_timing(&p, x);
    printer_close(&p, '}');
    return exchange_reply_json_take(x, 200, json);
}

enum err vector_check_count(struct exchange *x, size_t count, const char *pointer,
                            struct err_info *info)
{
    int64_t most = exchange_server(x)->settings.max_inputs;
    if (count == 0)
        return field_errors_add(exchange_errors(x), pointer, "must not be empty");
    if (count > (size_t)most)
        return err_set_field(info, ERR_LIMIT, pointer,
                             "%zu inputs; the setting max_inputs allows %lld.", count,
                             (long long)most);
    return ERR_OK;
}

enum err vector_check_answers(const struct vector_subject *subject, size_t count,
                              size_t *k, struct err_info *info)
{
    size_t answers;
    if (*k > subject->space.vectors->count)
        *k = subject->space.vectors->count;
    if (!memory_multiply(count, *k, &answers) || answers > VECTOR_K_MAX)
        return err_set_field(info, ERR_LIMIT, "/k",
                             "%zu queries with %zu answers each; all together at most %d "
                             "answers are given.",
                             count, *k, VECTOR_K_MAX);
    return ERR_OK;
}

enum err vector_check_memory(const struct vector_subject *subject, size_t count,
                             struct err_info *info)
{
    const struct vectors *vectors = subject->space.vectors;
    size_t bytes;
    if (!memory_multiply(count, vectors->stride * sizeof(float), &bytes) ||
        bytes > VECTOR_BYTES_MAX)
        return err_set(info, ERR_LIMIT,
                       "%zu vectors of %u numbers are too much for one request.", count,
                       vectors->dim);
    return ERR_OK;
}

enum err vector_read_word(struct exchange *x, const struct vector_subject *subject,
                          const json_t *value, const char *pointer, struct span *word,
                          uint32_t *row, struct err_info *info)
{
    *row = VECTORS_NO_ROW;
    if (!json_is_string(value))
        return field_errors_add(exchange_errors(x), pointer, "must be a word");
    *word = span_of(json_string_value(value), json_string_length(value));
    if (vector_space_find(&subject->space, word, row))
        return ERR_OK;
    return vector_space_refuse(&subject->space, *word, pointer, exchange_errors(x), info);
}

enum err vector_check_direction(struct exchange *x, const struct vector_subject *subject,
                                uint32_t row, const char *pointer, const char *advice)
{
    if (row == VECTORS_NO_ROW || subject->space.vectors->inverse_norm[row] > 0)
        return ERR_OK;
    return field_errors_add(exchange_errors(x), pointer,
                            "has the zero vector, which has no direction: cosine is "
                            "undefined%s",
                            advice);
}

enum err vector_worse(enum err a, enum err b)
{
    return a && !(a == ERR_UNKNOWN_WORDS && b) ? a : b;
}

/* SPDX-License-Identifier: MIT */
/* Shared by /next, /score, /rescore, /generate, /tokenize, /detokenize and evaluate: who
 * is asked, and how the answer says who answered. A digest that names an ensemble is the
 * digest of its models' digests and weights, so that equal digests mean equal answers. */
#include "api/infer_request.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/lm/lm.h"
#include "model/model.h"
#include "server/batcher.h"
#include "server/server.h"
#include "storage/digest.h"

static const double WEIGHT_MAX = 1e6;

/* 0, 2 or 10; -1 for anything else. */
static int read_log_base(const json_t *value)
{
    if (!value || json_is_null(value))
        return 0;
    if (json_is_string(value) && strcmp(json_string_value(value), "e") == 0)
        return 0;
    if (json_is_integer(value) &&
        (json_integer_value(value) == 2 || json_integer_value(value) == 10))
        return (int)json_integer_value(value);
    return -1;
}

enum err infer_read(struct exchange *x, const struct field *fields, size_t count,
                    void *request, struct err_info *info)
{
    struct field_errors *errors = exchange_errors(x);
    const struct infer_head *head = request;
    json_t *body = NULL;
    size_t before = errors->count;
    enum err code = exchange_json(x, &body, info);
    if (code)
        return code;
    code = fields_read(body, "", fields, count, false, request, errors);
    if (read_log_base(head->log_base) < 0)
        code = field_errors_add(errors, "/log_base", "must be \"e\", 2 or 10");
    if (!head->model && !head->ensemble && errors->count == before)
        code = field_errors_add(errors, "/model",
                                "must be the name of a model; GET /models lists them");
    if (head->model && head->ensemble)
        code = field_errors_add(errors, "/ensemble", "give model or ensemble, not both");
    return code;
}

struct member {
    const char *model;
    double weight;
};

static enum err read_members(json_t *ensemble, struct member *members,
                             struct field_errors *errors)
{
    static const struct field fields[] = {
        {.name = "model",
         .type = FIELD_NAME,
         .offset = offsetof(struct member, model),
         .required = true},
        {.name = "weight",
         .type = FIELD_NUMBER,
         .offset = offsetof(struct member, weight),
         .minimum = 0,
         .maximum = WEIGHT_MAX,
         .exclusive = true},
    };
    enum err result = ERR_OK;
    for (size_t i = 0; i < json_array_size(ensemble); i++) {
        char pointer[32];
        (void)snprintf(pointer, sizeof pointer, "/ensemble/%zu", i);
        members[i] = (struct member){.weight = 1};
        enum err code = fields_read(json_array_get(ensemble, i), pointer, fields,
                                    INFER_COUNT_OF(fields), false, &members[i], errors);
        result = result ? result : code;
    }
    return result;
}

int infer_log_base(const struct infer_head *head)
{
    return read_log_base(head->log_base);
}

enum err infer_acquire(struct exchange *x, const char *name, struct lease *lease,
                       struct err_info *info)
{
    enum err code = registry_acquire(exchange_server(x)->registry, name, lease, info);
    return code ? err_finish(info, code) : ERR_OK;
}

static enum err acquire(struct exchange *x, struct infer_subject *subject,
                        const char *name, double weight, struct err_info *info)
{
    enum err code = infer_acquire(x, name, &subject->leases[subject->count], info);
    if (code)
        return code;
    subject->views[subject->count] = NULL;
    subject->weights[subject->count++] = weight;
    return ERR_OK;
}

static bool is_gone(void *context)
{
    return exchange_cancelled(context);
}

/* Lets the request share its computing with others. */
static enum err open_views(struct exchange *x, struct infer_subject *subject)
{
    const struct batcher_user user = {
        .pool = exchange_server(x)->pool, .cancelled = is_gone, .context = x};
    enum err code = ERR_OK;
    for (size_t i = 0; i < subject->count && !code; i++)
        if (subject->leases[i].batcher)
            code = batcher_open(subject->leases[i].batcher, &user, &subject->views[i]);
    return code;
}

static void name_subject(struct infer_subject *subject)
{
    if (!subject->ensemble) {
        memcpy(subject->name, subject->leases[0].name, STORE_NAME_SIZE);
        memcpy(subject->digest, subject->leases[0].digest, STORE_DIGEST_SIZE);
        return;
    }
    char text[TARGET_MODELS_MAX * (STORE_DIGEST_SIZE + 32)];
    size_t size = 0, name_size = 0;
    for (size_t i = 0; i < subject->count; i++) {
        size += (size_t)snprintf(text + size, sizeof text - size, "%s %.17g\n",
                                 subject->leases[i].digest, subject->weights[i]);
        name_size +=
            (size_t)snprintf(subject->name + name_size, sizeof subject->name - name_size,
                             "%s%s", i ? "+" : "", subject->leases[i].name);
    }
    digest_sha256(span_of(text, size), subject->digest);
}

static enum err make_target(struct infer_subject *subject, struct err_info *info)
{
    struct model *models[TARGET_MODELS_MAX];
    if (!subject->ensemble) {
        enum err code = target_of_model(subject->leases[0].model, &subject->target, info);
        if (!code && subject->views[0])
            subject->target.lm = subject->views[0];
        return code;
    }
    for (size_t i = 0; i < subject->count; i++)
        models[i] = subject->leases[i].model;
    return target_of_views(models, (const struct lm *const *)subject->views,
                           subject->weights, subject->count, &subject->target, info);
}

enum err infer_open(struct exchange *x, const struct infer_head *head,
                    struct infer_subject *subject, struct err_info *info)
{
    struct member members[TARGET_MODELS_MAX] = {{head->model, 1}};
    size_t count = head->ensemble ? json_array_size(head->ensemble) : 1;
    enum err code = ERR_OK;
    subject->count = 0;
    subject->ensemble = head->ensemble != NULL;
    subject->base = log_base_of(read_log_base(head->log_base));
    memset(&subject->target, 0, sizeof subject->target);
    if (head->ensemble)
        code = read_members(head->ensemble, members, exchange_errors(x));
    for (size_t i = 0; i < count && !code; i++)
        code = acquire(x, subject, members[i].model, members[i].weight, info);
    if (!code)
        code = open_views(x, subject);
    if (!code)
        code = make_target(subject, info);
    if (code) {
        infer_close(subject);
        return code;
    }
    name_subject(subject);
    return ERR_OK;
}

bool infer_try_open(struct exchange *x, const struct infer_head *head,
                    struct infer_subject *subject)
{
    if (!head->model || head->ensemble)
        return false;
    subject->count = 0;
    subject->ensemble = false;
    subject->base = log_base_of(read_log_base(head->log_base));
    memset(&subject->target, 0, sizeof subject->target);
    if (!registry_try_acquire(exchange_server(x)->registry, head->model,
                              &subject->leases[0]))
        return false;
    subject->weights[0] = 1;
    subject->views[0] = NULL;
    subject->count = 1;
    if (target_of_model(subject->leases[0].model, &subject->target, NULL)) {
        infer_close(subject);
        return false;
    }
    name_subject(subject);
    return true;
}

void infer_close(struct infer_subject *subject)
{
    target_fini(&subject->target);
    for (size_t i = 0; i < subject->count; i++) {
        if (subject->views[i])
            subject->views[i]->ops->free(subject->views[i]);
        registry_release(&subject->leases[i]);
    }
    subject->count = 0;
}

void infer_print_model(struct printer *p, const struct infer_subject *subject)
{
    printer_key_text(p, "model", subject->name);
    printer_key_text(p, "model_digest", subject->digest);
}

void infer_print_head(struct printer *p, const struct infer_subject *subject)
{
    infer_print_model(p, subject);
    print_log_base(p, &subject->base);
    if (!subject->ensemble)
        return;
    double sum = 0;
    for (size_t i = 0; i < subject->count; i++)
        sum += subject->weights[i];
    printer_key(p, "ensemble");
    printer_open(p, '[');
    for (size_t i = 0; i < subject->count; i++) {
        printer_open(p, '{');
        printer_key_text(p, "model", subject->leases[i].name);
        printer_key_text(p, "model_digest", subject->leases[i].digest);
        printer_key_number(p, "weight", subject->weights[i] / sum);
        printer_close(p, '}');
    }
    printer_close(p, ']');
}

void infer_print_timing(struct printer *p, struct exchange *x)
{
    print_timing(p, exchange_queue_seconds(x), exchange_compute_seconds(x));
}

enum err infer_read_texts(json_t *array, const char *pointer, size_t size_max,
                          struct span **texts, struct field_errors *errors)
{
    size_t count = json_array_size(array);
    enum err code = ERR_OK;
    *texts = memory_new_array(count, sizeof **texts);
    if (!*texts)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(array, i);
        char place[96];
        (void)snprintf(place, sizeof place, "%.64s/%zu", pointer, i);
        if (!json_is_string(item))
            code = field_errors_add(errors, place, "must be a string");
        else if (json_string_length(item) > size_max)
            code =
                field_errors_add(errors, place, "must have at most %zu bytes", size_max);
        else
            (*texts)[i] = span_of(json_string_value(item), json_string_length(item));
    }
    if (code) {
        free(*texts);
        *texts = NULL;
    }
    return code;
}

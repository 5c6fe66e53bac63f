/* SPDX-License-Identifier: MIT */
/* A training request names a kind; the kind's table (model/kinds.h) says which parameters
 * it has, so this file knows none of them. Defaults come from train_spec_init: members
 * that are absent leave what stands there. Errors are collected over the whole body, for
 * somebody who fixes a request wants to see all that is wrong with it. */
#include "api/read_train.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"

enum { METADATA_MAX = 16384, THREADS_MAX = 64 };
static const double SEED_MAX = 9007199254740991.0; /* 2^53 - 1 */
static const double COUNT_MAX = 1e15;

struct request {
    const char *kind, *model, *corpus, *resume_from;
    json_t *valid, *tokenizer, *params, *budget, *early_stopping, *metadata;
    int64_t seed, threads, memory_bytes;
    double checkpoint_every_s;
    bool replace;
};

static const struct field request_fields[] = {
    {.name = "kind",
     .type = FIELD_TEXT,
     .offset = offsetof(struct request, kind),
     .minimum = 1,
     .maximum = 32,
     .required = true},
    {.name = "model",
     .type = FIELD_NAME,
     .offset = offsetof(struct request, model),
     .required = true},
    {.name = "corpus",
     .type = FIELD_NAME,
     .offset = offsetof(struct request, corpus),
     .required = true},
    {.name = "valid", .type = FIELD_ANY, .offset = offsetof(struct request, valid)},
    {.name = "tokenizer",
     .type = FIELD_OBJECT,
     .offset = offsetof(struct request, tokenizer)},
    {.name = "params", .type = FIELD_OBJECT, .offset = offsetof(struct request, params)},
    {.name = "seed",
     .type = FIELD_INTEGER,
     .offset = offsetof(struct request, seed),
     .minimum = 0,
     .maximum = SEED_MAX},
    {.name = "threads",
     .type = FIELD_INTEGER,
     .offset = offsetof(struct request, threads),
     .minimum = 0,
     .maximum = THREADS_MAX},
    {.name = "budget", .type = FIELD_OBJECT, .offset = offsetof(struct request, budget)},
    {.name = "early_stopping",
     .type = FIELD_OBJECT,
     .offset = offsetof(struct request, early_stopping)},
    {.name = "checkpoint_every_s",
     .type = FIELD_NUMBER,
     .offset = offsetof(struct request, checkpoint_every_s),
     .minimum = 1,
     .maximum = 86400},
    {.name = "memory_bytes",
     .type = FIELD_INTEGER,
     .offset = offsetof(struct request, memory_bytes),
     .minimum = 1048576,
     .maximum = COUNT_MAX},
    {.name = "resume_from",
     .type = FIELD_TEXT,
     .offset = offsetof(struct request, resume_from),
     .minimum = 1,
     .maximum = 39},
    {.name = "replace", .type = FIELD_FLAG, .offset = offsetof(struct request, replace)},
    {.name = "metadata",
     .type = FIELD_OBJECT,
     .offset = offsetof(struct request, metadata)},
};

static const struct field budget_fields[] = {
#define BUDGET(member)                                                                   \
    {                                                                                    \
        .name = #member, .type = FIELD_NUMBER,                                           \
        .offset = offsetof(struct train_spec, budget.member), .minimum = 0,              \
        .maximum = COUNT_MAX, .exclusive = true                                          \
    }
    BUDGET(epochs), BUDGET(tokens), BUDGET(seconds)
#undef BUDGET
};

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

/* Turns an err_info into a row of the list. */
static void add_info(struct field_errors *errors, const struct err_info *info)
{
    (void)field_errors_add(errors, info->pointer, "%s", info->message);
}

/* ---- tokenizer ---- */

struct tokenizer_request {
    int unit, segment;
    bool lowercase;
    int64_t min_count, max_vocab;
};

enum err read_tokenizer(json_t *object, const char *pointer,
                        struct tokenizer_settings *settings, struct field_errors *errors)
{
    static const struct field fields[] = {
        {.name = "unit",
         .type = FIELD_CHOICE,
         .offset = offsetof(struct tokenizer_request, unit),
         .choices = text_unit_names},
        {.name = "segment",
         .type = FIELD_CHOICE,
         .offset = offsetof(struct tokenizer_request, segment),
         .choices = text_segment_names},
        {.name = "lowercase",
         .type = FIELD_FLAG,
         .offset = offsetof(struct tokenizer_request, lowercase)},
        {.name = "min_count",
         .type = FIELD_INTEGER,
         .offset = offsetof(struct tokenizer_request, min_count),
         .minimum = 1,
         .maximum = 4294967295.0},
        {.name = "max_vocab",
         .type = FIELD_INTEGER,
         .offset = offsetof(struct tokenizer_request, max_vocab),
         .minimum = 0,
         .maximum = 1073741824},
    };
    struct tokenizer_request request = {
        .unit = (int)settings->unit,
        .segment = (int)settings->segment,
        .lowercase = settings->lowercase,
        .min_count = settings->min_count,
        .max_vocab = settings->max_vocab,
    };
    enum err code =
        fields_read(object, pointer, fields, COUNT_OF(fields), false, &request, errors);
    if (code)
        return code;
    settings->unit = (enum text_unit)request.unit;
    settings->segment = (enum text_segment)request.segment;
    settings->lowercase = request.lowercase;
    settings->min_count = (uint32_t)request.min_count;
    settings->max_vocab = (uint32_t)request.max_vocab;
    return ERR_OK;
}

/* ---- parameters of the kind ---- */

static enum err set_list(struct params *params, const char *name, json_t *array,
                         struct err_info *info)
{
    double numbers[PARAM_LIST_MAX];
    const char *names[PARAM_LIST_MAX];
    size_t count = json_array_size(array), texts = 0;
    char pointer[96];
    (void)snprintf(pointer, sizeof pointer, "/params/%.64s", name);
    if (count > PARAM_LIST_MAX)
        return err_set_field(info, ERR_INVALID, pointer, "At most %d items.",
                             PARAM_LIST_MAX);
    for (size_t i = 0; i < count; i++) {
        json_t *item = json_array_get(array, i);
        if (json_is_string(item)) {
            names[i] = json_string_value(item);
            texts++;
        } else if (json_is_number(item)) {
            numbers[i] = json_number_value(item);
        } else {
            return err_set_field(info, ERR_INVALID, pointer,
                                 "A list holds numbers or names only.");
        }
    }
    if (texts > 0 && texts < count)
        return err_set_field(info, ERR_INVALID, pointer,
                             "A list holds numbers or names, not both.");
    return texts ? params_set_names(params, name, names, count, info)
                 : params_set_list(params, name, numbers, count, info);
}

static enum err set_param(struct params *params, const char *name, json_t *value,
                          struct err_info *info)
{
    if (json_is_boolean(value))
        return params_set_boolean(params, name, json_is_true(value), info);
    if (json_is_number(value))
        return params_set_number(params, name, json_number_value(value), info);
    if (json_is_string(value))
        return params_set_text(params, name, json_string_value(value), info);
    if (json_is_array(value))
        return set_list(params, name, value, info);
    char pointer[96];
    (void)snprintf(pointer, sizeof pointer, "/params/%.64s", name);
    return err_set_field(info, ERR_INVALID, pointer,
                         "A parameter is a number, a text, true, false or a list.");
}

static void read_params(json_t *object, struct params *params,
                        struct field_errors *errors)
{
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        struct err_info info = {0};
        if (set_param(params, name, value, &info))
            add_info(errors, &info);
    }
}

/* ---- the rest ---- */

static void read_valid(json_t *valid, struct train_spec *spec,
                       struct field_errors *errors)
{
    if (json_is_string(valid) &&
        fields_is_name(json_string_value(valid), json_string_length(valid))) {
        (void)snprintf(spec->valid_corpus, sizeof spec->valid_corpus, "%s",
                       json_string_value(valid));
        spec->valid_fraction = 0;
    } else if (json_is_number(valid) && json_number_value(valid) >= 0 &&
               json_number_value(valid) <= 0.5) {
        spec->valid_fraction = json_number_value(valid);
    } else {
        (void)field_errors_add(errors, "/valid",
                               "valid is the name of a corpus, or a fraction from 0 "
                               "(none) to 0.5; the default is 0.05.");
    }
}

static void read_patience(json_t *object, struct train_spec *spec,
                          struct field_errors *errors)
{
    static const struct field field = {
        .name = "patience", .type = FIELD_INTEGER, .minimum = 0, .maximum = 10000};
    int64_t patience = spec->patience;
    if (!fields_read(object, "/early_stopping", &field, 1, false, &patience, errors))
        spec->patience = (unsigned)patience;
}

static void read_metadata(json_t *object, char **metadata, struct field_errors *errors)
{
    *metadata = json_dumps(object, JSON_COMPACT);
    if (*metadata && strlen(*metadata) <= METADATA_MAX)
        return;
    free(*metadata);
    *metadata = NULL;
    (void)field_errors_add(errors, "/metadata", "At most %d bytes of JSON.",
                           METADATA_MAX);
}

static void read_members(const struct request *request, struct train_spec *spec,
                         char **metadata, struct field_errors *errors)
{
    enum err code = ERR_OK; /* what is wrong is in `errors` */
    if (request->valid && !json_is_null(request->valid))
        read_valid(request->valid, spec, errors);
    if (request->tokenizer)
        code = read_tokenizer(request->tokenizer, "/tokenizer", &spec->tokenizer, errors);
    if (request->params)
        read_params(request->params, &spec->params, errors);
    if (request->budget)
        code = fields_read(request->budget, "/budget", budget_fields,
                           COUNT_OF(budget_fields), false, spec, errors);
    if (request->early_stopping)
        read_patience(request->early_stopping, spec, errors);
    if (request->metadata)
        read_metadata(request->metadata, metadata, errors);
    (void)code;
}

static void copy_name(char *to, size_t size, const char *from)
{
    if (from)
        (void)snprintf(to, size, "%s", from);
}

/* The kind first: defaults depend on it. */
static const struct kind *read_kind(json_t *body, struct field_errors *errors)
{
    const char *name = json_string_value(json_object_get(body, "kind"));
    const struct kind *kind = name ? kind_find(name) : NULL;
    if (!kind && name) {
        struct buffer list;
        buffer_init(&list, 400);
        for (size_t i = 0; kinds[i]; i++)
            buffer_printf(&list, "%s%s", i ? ", " : "", kinds[i]->name);
        (void)field_errors_add(errors, "/kind",
                               "There is no such kind; GET /kinds lists them: %.140s.",
                               list.bytes ? list.bytes : "");
        buffer_fini(&list);
    }
    return kind ? kind : kinds[0];
}

enum err read_train(json_t *body, struct train_spec *spec, char **metadata,
                    struct field_errors *errors)
{
    size_t before = errors->count;
    *metadata = NULL;
    train_spec_init(spec, read_kind(body, errors));
    bool kind_known = errors->count == before;
    struct request request = {
        .seed = (int64_t)spec->seed,
        .threads = spec->threads,
        .memory_bytes = (int64_t)spec->memory_bytes,
        .checkpoint_every_s = spec->checkpoint_every_s,
    };
    enum err code = fields_read(body, "", request_fields, COUNT_OF(request_fields), false,
                                &request, errors);
    if (code && errors->count == before)
        return code;
    if (!kind_known)
        request.params = NULL; /* nothing to hold them against */
    read_members(&request, spec, metadata, errors);
    copy_name(spec->model, sizeof spec->model, request.model);
    copy_name(spec->corpus, sizeof spec->corpus, request.corpus);
    copy_name(spec->resume_from, sizeof spec->resume_from, request.resume_from);
    spec->seed = (uint64_t)request.seed;
    spec->threads = (unsigned)request.threads;
    spec->memory_bytes = (uint64_t)request.memory_bytes;
    spec->checkpoint_every_s = request.checkpoint_every_s;
    spec->replace = request.replace;
    train_spec_settle(spec);
    struct err_info info = {0};
    if (errors->count == before && train_spec_check(spec, &info))
        add_info(errors, &info);
    return errors->count > before ? ERR_INVALID : ERR_OK;
}

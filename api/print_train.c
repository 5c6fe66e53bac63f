/* SPDX-License-Identifier: MIT */
/* Everything about training that clients read, from the tables of model/kinds.h and the
 * rows of the store. Stored settings are text that train_spec_read wrote; a row whose
 * settings cannot be read any more (a kind that was removed) still prints, with nulls. */
#include "api/print_train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/print_infer.h"

void print_tokenizer(struct printer *p, const struct tokenizer_settings *settings)
{
    printer_open(p, '{');
    printer_key_text(p, "unit", text_unit_names[settings->unit]);
    printer_key_flag(p, "lowercase", settings->lowercase);
    printer_key_text(p, "segment", text_segment_names[settings->segment]);
    printer_key_integer(p, "min_count", settings->min_count);
    printer_key_integer(p, "max_vocab", settings->max_vocab);
    printer_close(p, '}');
}

/* Choice number `index` of "a|b|c". */
static void print_choice(struct printer *p, const char *choices, size_t index)
{
    while (index-- > 0 && strchr(choices, '|'))
        choices = strchr(choices, '|') + 1;
    printer_span(p, span_of(choices, strcspn(choices, "|")));
}

/* A number that is whole is written without a fraction. */
static void print_whole(struct printer *p, double value)
{
    if (value == trunc(value) && fabs(value) < 9007199254740992.0)
        printer_integer(p, (int64_t)value);
    else
        printer_number(p, value);
}

static void print_list(struct printer *p, const struct param *param,
                       const struct param_value *value)
{
    printer_open(p, '[');
    for (uint32_t i = 0; i < value->list_count; i++) {
        if (param->type == PARAM_NAMES)
            printer_text(p, value->names[i]);
        else
            print_whole(p, value->list[i]);
    }
    printer_close(p, ']');
}

static void print_value(struct printer *p, const struct param *param,
                        const struct param_value *value)
{
    switch (param->type) {
    case PARAM_BOOLEAN:
        printer_flag(p, value->number != 0);
        return;
    case PARAM_CHOICE:
        print_choice(p, param->choices, (size_t)value->number);
        return;
    case PARAM_INTEGERS:
    case PARAM_NAMES:
        print_list(p, param, value);
        return;
    case PARAM_INTEGER:
        print_whole(p, value->number);
        return;
    case PARAM_NUMBER:
    case PARAM_TYPE_COUNT:
    default:
        printer_number(p, value->number);
    }
}

void print_params(struct printer *p, const struct params *params)
{
    printer_open(p, '{');
    for (size_t i = 0; params->kind && params->kind->params[i].name; i++) {
        printer_key(p, params->kind->params[i].name);
        print_value(p, &params->kind->params[i], &params->values[i]);
    }
    printer_close(p, '}');
}

void print_can(struct printer *p, const struct kind *kind)
{
    static const struct {
        unsigned needs;
        const char *word;
    } words[] = {
        {CAN_SCORE, "score"},
        {CAN_SCORE, "next"},
        {CAN_SCORE, "rescore"},
        {CAN_SCORE, "generate"},
        {CAN_SCORE, "tokenize"},
        {CAN_SCORE, "detokenize"},
        {CAN_SCORE | CAN_VECTORS, "evaluate"},
        {CAN_VECTORS, "neighbors"},
        {CAN_VECTORS, "analogy"},
        {CAN_VECTORS, "similarity"},
        {CAN_VECTORS, "embed"},
        {CAN_VECTORS, "maps"},
        {CAN_TRANSLATE, "translate"},
        {CAN_EXPORT_ARPA, "export_arpa"},
    };
    printer_open(p, '[');
    for (size_t i = 0; kind && i < sizeof words / sizeof words[0]; i++)
        if (kind->can & words[i].needs)
            printer_text(p, words[i].word);
    printer_close(p, ']');
}

static void print_choices(struct printer *p, const char *choices)
{
    printer_key(p, "choices");
    printer_open(p, '[');
    while (choices) {
        const char *bar = strchr(choices, '|');
        printer_span(p, span_of(choices, strcspn(choices, "|")));
        choices = bar ? bar + 1 : NULL;
    }
    printer_close(p, ']');
}

static void print_param(struct printer *p, const struct param *param,
                        const struct param_value *fallback)
{
    printer_open(p, '{');
    printer_key_text(p, "name", param->name);
    printer_key_text(p, "type", param_type_names[param->type]);
    if (param->type != PARAM_BOOLEAN && param->type != PARAM_CHOICE &&
        param->type != PARAM_NAMES) {
        printer_key(p, "minimum");
        print_whole(p, param->minimum);
        printer_key(p, "maximum");
        print_whole(p, param->maximum);
    }
    printer_key(p, "default");
    print_value(p, param, fallback);
    if (param->type == PARAM_CHOICE)
        print_choices(p, param->choices);
    printer_key_text(p, "description", param->help);
    printer_close(p, '}');
}

void print_kind(struct printer *p, const struct kind *kind)
{
    struct params *fallback = malloc(sizeof *fallback);
    if (!fallback) {
        p->out->failed = ERR_NO_MEMORY;
        return;
    }
    params_init(fallback, kind);
    printer_open(p, '{');
    printer_key_text(p, "kind", kind->name);
    printer_key_text(p, "description", kind->help);
    printer_key(p, "can");
    print_can(p, kind);
    printer_key(p, "tokenizer");
    print_tokenizer(p, &kind->tokenizer);
    printer_key(p, "params");
    printer_open(p, '[');
    for (size_t i = 0; kind->params[i].name; i++)
        print_param(p, &kind->params[i], &fallback->values[i]);
    printer_close(p, ']');
    printer_close(p, '}');
    free(fallback);
}

void print_estimate(struct printer *p, const struct train_spec *spec,
                    const struct train_estimate *estimate)
{
    printer_open(p, '{');
    printer_key_flag(p, "dry_run", true);
    printer_key_text(p, "kind", spec->kind->name);
    printer_key_text(p, "model", spec->model);
    printer_key_text(p, "corpus", *spec->corpus ? spec->corpus : NULL);
    if (*spec->valid_corpus)
        printer_key_text(p, "valid", spec->valid_corpus);
    else
        printer_key_number(p, "valid", spec->valid_fraction);
    printer_key(p, "tokenizer");
    print_tokenizer(p, &spec->tokenizer);
    printer_key(p, "params");
    print_params(p, &spec->params);
    printer_key_integer(p, "seed", (int64_t)spec->seed);
    printer_key_integer(p, "threads", spec->threads);
    printer_key_integer(p, "parameters", (int64_t)estimate->parameters);
    printer_key_integer(p, "bytes", (int64_t)estimate->bytes);
    printer_key_integer(p, "memory_bytes", (int64_t)estimate->memory_bytes);
    printer_key_integer(p, "steps", (int64_t)estimate->steps);
    print_finite(p, "estimated_seconds", estimate->seconds);
    printer_close(p, '}');
}

/* One "name value" line; the name is copied because print_finite wants a string. */
static void print_named_value(struct printer *p, const char *line, size_t size)
{
    char name[64], text[64], *end = NULL;
    const char *blank = memchr(line, ' ', size);
    if (!blank || blank == line || (size_t)(blank - line) >= sizeof name)
        return;
    size_t name_size = (size_t)(blank - line), value_size = size - name_size - 1;
    for (size_t i = 0; i < name_size; i++)
        name[i] = line[i] > ' ' && line[i] < 127 && line[i] != '"' && line[i] != '\\'
                      ? line[i]
                      : '_';
    name[name_size] = '\0';
    if (value_size < sizeof text) {
        memcpy(text, blank + 1, value_size);
        text[value_size] = '\0';
        double value = strtod(text, &end);
        if (end != text && *end == '\0' && !isfinite(value)) {
            print_finite(p, name, value);
            return;
        }
        if (end != text && *end == '\0') {
            printer_key(p, name);
            print_whole(p, value);
            return;
        }
    }
    printer_key(p, name);
    printer_span(p, span_of(blank + 1, value_size));
}

void print_named_values(struct printer *p, const char *lines)
{
    printer_open(p, '{');
    while (lines && *lines) {
        size_t size = strcspn(lines, "\n");
        print_named_value(p, lines, size);
        lines += size + (lines[size] == '\n');
    }
    printer_close(p, '}');
}

void print_metadata(struct printer *p, const char *metadata)
{
    printer_key(p, "metadata");
    printer_json(p, span_of_text(metadata && *metadata ? metadata : "{}"));
}

void print_spec(struct printer *p, const struct train_spec *spec, bool seed)
{
    printer_key(p, "tokenizer");
    print_tokenizer(p, &spec->tokenizer);
    printer_key(p, "params");
    print_params(p, &spec->params);
    printer_key(p, "seed");
    if (seed)
        printer_unsigned(p, spec->seed);
    else
        printer_null(p);
}

/* New, or NULL when the text cannot be read. */
static struct train_spec *read_spec(const char *text)
{
    struct train_spec *spec = text ? calloc(1, sizeof *spec) : NULL;
    if (spec && train_spec_read(spec, span_of_text(text), NULL) == ERR_OK)
        return spec;
    free(spec);
    return NULL;
}

/* Whether chance as the seed draws it was in the making. A job says so; a model of the
 * command line has none, nor has an import from another program, of kinds that never
 * draw. */
static bool was_drawn(const struct model_row *model)
{
    return *model->job ||
           (strcmp(model->kind, "vectors") && strcmp(model->kind, "ngram"));
}

void print_model(struct printer *p, const struct model_row *model, enum model_state state)
{
    static const char *const states[] = {"unloaded", "loading", "ready", "failed"};
    struct train_spec *spec = read_spec(model->spec);
    printer_open(p, '{');
    printer_key_text(p, "name", model->name);
    printer_key_text(p, "kind", model->kind);
    printer_key_integer(p, "parameters", (int64_t)model->parameters);
    printer_key_integer(p, "vocab_size", model->vocab_size);
    printer_key_text(p, "digest", model->digest);
    printer_key_integer(p, "bytes", (int64_t)model->bytes);
    printer_key_text(p, "state", states[state]);
    printer_key_text(p, "corpus", spec && *spec->corpus ? spec->corpus : NULL);
    if (spec)
        print_spec(p, spec, was_drawn(model));
    printer_key(p, "metrics");
    print_named_values(p, model->metrics);
    printer_key(p, "aliases");
    printer_open(p, '[');
    for (size_t i = 0; i < model->alias_count; i++)
        printer_text(p, model->aliases[i]);
    printer_close(p, ']');
    printer_key(p, "can");
    print_can(p, kind_find(model->kind));
    print_metadata(p, model->metadata);
    printer_key_text(p, "job", *model->job ? model->job : NULL);
    printer_key(p, "created_at");
    printer_time(p, model->created_ms);
    printer_close(p, '}');
    free(spec);
}

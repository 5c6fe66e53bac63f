/* SPDX-License-Identifier: MIT */
/* Setting and reading hyperparameters. Every value enters through one check against its
 * row of the kind's table, whether it comes from JSON, a command line, a stored job or
 * the table's own default; a refusal says name, type, range and default, so that the
 * client need not look anything up. */
#include "model/params.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "model/kinds.h"

#define MESSAGE_MAX 396 /* leaves room in err_info.message */

const char *const param_type_names[PARAM_TYPE_COUNT] = {
    [PARAM_INTEGER] = "integer",   [PARAM_NUMBER] = "number",
    [PARAM_BOOLEAN] = "boolean",   [PARAM_CHOICE] = "choice",
    [PARAM_INTEGERS] = "integers", [PARAM_NAMES] = "names",
};

/* ---- words for people ---- */

static enum err describe_range(const struct param *param, struct buffer *text)
{
    if (isfinite(param->minimum) && isfinite(param->maximum))
        return buffer_printf(text, " from %.15g to %.15g", param->minimum,
                             param->maximum);
    if (isfinite(param->minimum))
        return buffer_printf(text, " of at least %.15g", param->minimum);
    if (isfinite(param->maximum))
        return buffer_printf(text, " of at most %.15g", param->maximum);
    return text->failed;
}

static enum err describe_choices(const char *choices, struct buffer *text)
{
    (void)buffer_append_text(text, "one of ");
    for (const char *c = choices; *c; c++)
        if (*c == '|')
            (void)buffer_append_text(text, ", ");
        else
            (void)buffer_append_char(text, *c);
    return text->failed;
}

enum err params_describe(const struct param *param, struct buffer *text)
{
    switch (param->type) {
    case PARAM_INTEGER:
        (void)buffer_append_text(text, "an integer");
        return describe_range(param, text);
    case PARAM_NUMBER:
        (void)buffer_append_text(text, "a number");
        return describe_range(param, text);
    case PARAM_BOOLEAN:
        return buffer_append_text(text, "true or false");
    case PARAM_CHOICE:
        return describe_choices(param->choices, text);
    case PARAM_INTEGERS:
        (void)buffer_printf(text, "a list of at most %d integers, each", PARAM_LIST_MAX);
        return describe_range(param, text);
    default:
        return buffer_printf(text, "a list of at most %d names", PARAM_LIST_MAX);
    }
}

static void pointer_of(const char *name, char *pointer, size_t size)
{
    struct buffer text;
    buffer_init(&text, size - 1);
    (void)buffer_append_text(&text, "/params/");
    for (const char *c = name; *c && !text.failed; c++)
        if (*c == '~' || *c == '/')
            (void)buffer_append_text(&text, *c == '~' ? "~0" : "~1");
        else
            (void)buffer_append_char(&text, *c);
    snprintf(pointer, size, "%s", text.bytes ? text.bytes : "/params");
    buffer_fini(&text);
}

static enum err refuse(const struct param *param, struct err_info *info)
{
    struct buffer text;
    char pointer[96];
    buffer_init(&text, MESSAGE_MAX);
    pointer_of(param->name, pointer, sizeof pointer);
    (void)buffer_printf(&text, "%s must be ", param->name);
    (void)params_describe(param, &text);
    (void)buffer_printf(&text, " (default: %s)",
                        param->fallback[0] ? param->fallback : "none");
    enum err code = err_set_field(info, ERR_INVALID, pointer, "%s",
                                  text.bytes ? text.bytes : "value out of range");
    buffer_fini(&text);
    return code;
}

static enum err refuse_name(const struct kind *kind, const char *name,
                            struct err_info *info)
{
    struct buffer text;
    char pointer[96];
    buffer_init(&text, MESSAGE_MAX);
    pointer_of(name, pointer, sizeof pointer);
    (void)buffer_printf(&text, "%s has no parameter \"%.24s\"; it has ", kind->name,
                        name);
    for (const struct param *param = kind->params; param->name; param++)
        (void)buffer_printf(&text, "%s%s", param == kind->params ? "" : ", ",
                            param->name);
    enum err code = err_set_field(info, ERR_INVALID, pointer, "%s",
                                  text.bytes ? text.bytes : "unknown parameter");
    buffer_fini(&text);
    return code;
}

/* ---- setting ---- */

/* The row of `name` and its value, or NULL with the error said. */
static const struct param *find(struct params *params, const char *name,
                                struct param_value **value, struct err_info *info)
{
    const struct param *rows = params->kind->params;
    for (size_t i = 0; rows[i].name; i++)
        if (strcmp(rows[i].name, name) == 0) {
            *value = &params->values[i];
            return &rows[i];
        }
    (void)refuse_name(params->kind, name, info);
    return NULL;
}

static bool in_range(const struct param *param, double value)
{
    if (param->type != PARAM_NUMBER && value != floor(value))
        return false;
    return isfinite(value) && value >= param->minimum && value <= param->maximum;
}

enum err params_set_number(struct params *params, const char *name, double value,
                           struct err_info *info)
{
    struct param_value *slot;
    const struct param *param = find(params, name, &slot, info);
    if (!param)
        return ERR_INVALID;
    if ((param->type != PARAM_INTEGER && param->type != PARAM_NUMBER) ||
        !in_range(param, value))
        return refuse(param, info);
    slot->number = value;
    slot->given = true;
    return ERR_OK;
}

enum err params_set_boolean(struct params *params, const char *name, bool value,
                            struct err_info *info)
{
    struct param_value *slot;
    const struct param *param = find(params, name, &slot, info);
    if (!param)
        return ERR_INVALID;
    if (param->type != PARAM_BOOLEAN)
        return refuse(param, info);
    slot->number = value;
    slot->given = true;
    return ERR_OK;
}

/* The index of `word` among "a|b|c", or -1. */
static int choice_index(const char *choices, struct span word)
{
    for (int index = 0;; index++) {
        size_t length = strcspn(choices, "|");
        if (span_equal(span_of(choices, length), word))
            return index;
        if (choices[length] == 0)
            return -1;
        choices += length + 1;
    }
}

enum err params_set_text(struct params *params, const char *name, const char *value,
                         struct err_info *info)
{
    struct param_value *slot;
    const struct param *param = find(params, name, &slot, info);
    if (!param)
        return ERR_INVALID;
    int index = param->type == PARAM_CHOICE
                    ? choice_index(param->choices, span_of_text(value))
                    : -1;
    if (index < 0)
        return refuse(param, info);
    snprintf(slot->names[0], sizeof slot->names[0], "%s", value);
    slot->number = index;
    slot->given = true;
    return ERR_OK;
}

enum err params_set_list(struct params *params, const char *name, const double *values,
                         size_t count, struct err_info *info)
{
    struct param_value *slot;
    const struct param *param = find(params, name, &slot, info);
    if (!param)
        return ERR_INVALID;
    if (param->type != PARAM_INTEGERS || count > PARAM_LIST_MAX)
        return refuse(param, info);
    for (size_t i = 0; i < count; i++)
        if (!in_range(param, values[i]))
            return refuse(param, info);
    if (count > 0)
        memcpy(slot->list, values, count * sizeof *values);
    slot->list_count = (uint32_t)count;
    slot->given = true;
    return ERR_OK;
}

/* The characters of corpus and model names; what a name must look like beyond that is
 * checked where names are looked up. */
static bool usable_name(const char *name)
{
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-");
    return length > 0 && length < PARAM_NAME_SIZE && name[length] == 0;
}

enum err params_set_names(struct params *params, const char *name,
                          const char *const *values, size_t count, struct err_info *info)
{
    struct param_value *slot;
    const struct param *param = find(params, name, &slot, info);
    if (!param)
        return ERR_INVALID;
    if (param->type != PARAM_NAMES || count > PARAM_LIST_MAX)
        return refuse(param, info);
    for (size_t i = 0; i < count; i++)
        if (!usable_name(values[i]))
            return refuse(param, info);
    for (size_t i = 0; i < count; i++)
        snprintf(slot->names[i], sizeof slot->names[i], "%s", values[i]);
    slot->list_count = (uint32_t)count;
    slot->given = true;
    return ERR_OK;
}

/* ---- from text ---- */

/* The whole of `text` as a number; false when it is none. */
static bool parse_number(const char *text, double *value)
{
    char *end;
    if (text[strspn(text, "+-.0123456789eE")] != 0)
        return false;
    *value = strtod(text, &end);
    return end != text && *end == 0;
}

/* Cuts a copy of `text` at its commas; false when there are too many items. */
static bool cut_list(char *copy, size_t size, const char *text,
                     const char *items[PARAM_LIST_MAX], size_t *count)
{
    *count = 0;
    if (strlen(text) >= size)
        return false;
    memcpy(copy, text, strlen(text) + 1);
    for (char *next = copy; *text && next;) {
        char *comma = strchr(next, ',');
        if (*count == PARAM_LIST_MAX)
            return false;
        items[(*count)++] = next;
        if (comma)
            *comma++ = 0;
        next = comma;
    }
    return true;
}

static enum err parse_list(struct params *params, const struct param *param,
                           const char *text, struct err_info *info)
{
    char copy[PARAM_LIST_MAX * PARAM_NAME_SIZE];
    const char *items[PARAM_LIST_MAX];
    double values[PARAM_LIST_MAX];
    size_t count;
    if (!cut_list(copy, sizeof copy, text, items, &count))
        return refuse(param, info);
    if (param->type == PARAM_NAMES)
        return params_set_names(params, param->name, items, count, info);
    for (size_t i = 0; i < count; i++)
        if (!parse_number(items[i], &values[i]))
            return refuse(param, info);
    return params_set_list(params, param->name, values, count, info);
}

enum err params_parse(struct params *params, const char *name, const char *text,
                      struct err_info *info)
{
    struct param_value *slot;
    const struct param *param = find(params, name, &slot, info);
    double number;
    if (!param)
        return ERR_INVALID;
    switch (param->type) {
    case PARAM_BOOLEAN:
        if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
            return refuse(param, info);
        return params_set_boolean(params, name, text[0] == 't', info);
    case PARAM_CHOICE:
        return params_set_text(params, name, text, info);
    case PARAM_INTEGERS:
    case PARAM_NAMES:
        return parse_list(params, param, text, info);
    default:
        if (!parse_number(text, &number))
            return refuse(param, info);
        return params_set_number(params, name, number, info);
    }
}

void params_init(struct params *params, const struct kind *kind)
{
    memset(params, 0, sizeof *params);
    params->kind = kind;
    for (size_t i = 0; kind->params[i].name; i++) {
        const struct param *param = &kind->params[i];
        assert(i < PARAMS_MAX);
        enum err code = params_parse(params, param->name, param->fallback, NULL);
        assert(code == ERR_OK); /* the table's own default is wrong */
        (void)code;
        params->values[i].given = false;
    }
}

/* ---- reading ---- */

static size_t index_of(const struct params *params, const char *name)
{
    const struct param *rows = params->kind->params;
    size_t i = 0;
    while (rows[i].name && strcmp(rows[i].name, name) != 0)
        i++;
    assert(rows[i].name);
    return i;
}

const struct param_value *params_value(const struct params *params, const char *name)
{
    return &params->values[index_of(params, name)];
}

void params_settle(struct params *params, const char *name, double value)
{
    params->values[index_of(params, name)].number = value;
}

double params_number(const struct params *params, const char *name)
{
    return params_value(params, name)->number;
}

bool params_boolean(const struct params *params, const char *name)
{
    return params_value(params, name)->number != 0;
}

const char *params_choice(const struct params *params, const char *name)
{
    return params_value(params, name)->names[0];
}

enum err params_format(const struct params *params, const struct param *param,
                       struct buffer *text)
{
    const struct param_value *value = params_value(params, param->name);
    switch (param->type) {
    case PARAM_BOOLEAN:
        return buffer_append_text(text, value->number != 0 ? "true" : "false");
    case PARAM_CHOICE:
        return buffer_append_text(text, value->names[0]);
    case PARAM_INTEGERS:
    case PARAM_NAMES:
        for (uint32_t i = 0; i < value->list_count; i++) {
            (void)buffer_append_text(text, i ? "," : "");
            if (param->type == PARAM_NAMES)
                (void)buffer_append_text(text, value->names[i]);
            else
                (void)buffer_printf(text, "%.17g", value->list[i]);
        }
        return text->failed;
    default:
        return buffer_printf(text, "%.17g", value->number);
    }
}

/* SPDX-License-Identifier: MIT */
/* One pass over the table, one over the object's members. Every complaint says what would
 * do, because the reader of it is a stranger with a curl line. */
#include "api/fields.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { POINTER_SIZE = sizeof(((struct field_error *)0)->pointer) };

void field_errors_fini(struct field_errors *errors)
{
    free(errors->rows);
    *errors = (struct field_errors){0};
}

enum err field_errors_add(struct field_errors *errors, const char *pointer,
                          const char *format, ...)
{
    va_list arguments;
    if (!errors->rows)
        errors->rows = memory_new_array(FIELD_ERRORS_MAX, sizeof *errors->rows);
    if (errors->rows && errors->count < FIELD_ERRORS_MAX) {
        struct field_error *row = &errors->rows[errors->count];
        snprintf(row->pointer, sizeof row->pointer, "%s", pointer);
        va_start(arguments, format);
        vsnprintf(row->detail, sizeof row->detail, format, arguments);
        va_end(arguments);
    }
    errors->count++;
    return ERR_INVALID;
}

/* base + "/" + member with ~ and / escaped as RFC 6901 says, cut to what fits. */
static void join_pointer(char *pointer, const char *base, const char *member)
{
    size_t at = (size_t)snprintf(pointer, POINTER_SIZE, "%s/", base);
    for (; *member && at + 3 < POINTER_SIZE; member++) {
        if (*member == '~' || *member == '/') {
            pointer[at++] = '~';
            pointer[at++] = *member == '~' ? '0' : '1';
        } else {
            pointer[at++] = *member;
        }
    }
    if (at < POINTER_SIZE)
        pointer[at] = '\0';
}

bool fields_is_name(const char *text, size_t size)
{
    if (size == 0 || size > 64)
        return false;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!plain && (i == 0 || (c != '.' && c != '_' && c != '-')))
            return false;
    }
    return true;
}

static bool has_bounds(const struct field *field)
{
    return field->minimum != 0 || field->maximum != 0;
}

static void read_integer(const struct field *field, json_t *value, const char *pointer,
                         void *to, struct field_errors *errors)
{
    if (!json_is_integer(value)) {
        field_errors_add(errors, pointer, "must be an integer, written without . or e");
        return;
    }
    json_int_t integer = json_integer_value(value);
    if (has_bounds(field) &&
        ((double)integer < field->minimum || (double)integer > field->maximum)) {
        field_errors_add(errors, pointer, "must be an integer from %.0f to %.0f",
                         field->minimum, field->maximum);
        return;
    }
    int64_t narrow = integer;
    memcpy(to, &narrow, sizeof narrow);
}

static void read_number(const struct field *field, json_t *value, const char *pointer,
                        void *to, struct field_errors *errors)
{
    if (!json_is_number(value)) {
        field_errors_add(errors, pointer, "must be a number");
        return;
    }
    double number = json_number_value(value);
    bool low = field->exclusive ? number <= field->minimum : number < field->minimum;
    if (has_bounds(field) && (low || number > field->maximum)) {
        field_errors_add(errors, pointer, "must be a number %s %g and at most %g",
                         field->exclusive ? "greater than" : "of at least",
                         field->minimum, field->maximum);
        return;
    }
    memcpy(to, &number, sizeof number);
}

static void read_text(const struct field *field, json_t *value, const char *pointer,
                      void *to, struct field_errors *errors)
{
    if (!json_is_string(value)) {
        field_errors_add(errors, pointer, "must be a string");
        return;
    }
    const char *text = json_string_value(value);
    size_t size = json_string_length(value);
    if (field->type == FIELD_NAME && !fields_is_name(text, size)) {
        field_errors_add(errors, pointer,
                         "must be a name: 1 to 64 of a-z, 0-9, '.', '_', '-', beginning "
                         "with a letter or digit");
        return;
    }
    if (has_bounds(field) &&
        ((double)size < field->minimum || (double)size > field->maximum)) {
        field_errors_add(errors, pointer, "must have %.0f to %.0f bytes", field->minimum,
                         field->maximum);
        return;
    }
    memcpy(to, &text, sizeof text);
}

int fields_find_choice(const char *const *choices, const char *text)
{
    for (int i = 0; choices[i]; i++)
        if (strcmp(text, choices[i]) == 0)
            return i;
    return -1;
}

void fields_list_choices(const char *const *choices, char *list, size_t size)
{
    size_t at = 0;
    list[0] = '\0';
    for (size_t i = 0; choices[i] && at < size; i++)
        at +=
            (size_t)snprintf(list + at, size - at, "%s%s", i > 0 ? ", " : "", choices[i]);
}

static void read_choice(const struct field *field, json_t *value, const char *pointer,
                        void *to, struct field_errors *errors)
{
    char list[160];
    int found = json_is_string(value)
                    ? fields_find_choice(field->choices, json_string_value(value))
                    : -1;
    if (found >= 0) {
        memcpy(to, &found, sizeof found);
        return;
    }
    fields_list_choices(field->choices, list, sizeof list);
    field_errors_add(errors, pointer, "must be one of: %s", list);
}

static void read_array(const struct field *field, json_t *value, const char *pointer,
                       void *to, struct field_errors *errors)
{
    if (!json_is_array(value)) {
        field_errors_add(errors, pointer, "must be an array");
        return;
    }
    double count = (double)json_array_size(value);
    if (has_bounds(field) && (count < field->minimum || count > field->maximum)) {
        field_errors_add(errors, pointer, "must have %.0f to %.0f items", field->minimum,
                         field->maximum);
        return;
    }
    memcpy(to, &value, sizeof value);
}

static void read_field(const struct field *field, json_t *value, const char *pointer,
                       void *to, struct field_errors *errors)
{
    bool flag = json_is_true(value);
    switch (field->type) {
    case FIELD_INTEGER:
        read_integer(field, value, pointer, to, errors);
        break;
    case FIELD_NUMBER:
        read_number(field, value, pointer, to, errors);
        break;
    case FIELD_FLAG:
        if (json_is_boolean(value))
            memcpy(to, &flag, sizeof flag);
        else
            field_errors_add(errors, pointer, "must be true or false");
        break;
    case FIELD_TEXT:
    case FIELD_NAME:
        read_text(field, value, pointer, to, errors);
        break;
    case FIELD_CHOICE:
        read_choice(field, value, pointer, to, errors);
        break;
    case FIELD_ARRAY:
        read_array(field, value, pointer, to, errors);
        break;
    case FIELD_OBJECT:
        if (json_is_object(value))
            memcpy(to, &value, sizeof value);
        else
            field_errors_add(errors, pointer, "must be an object");
        break;
    case FIELD_ANY:
        memcpy(to, &value, sizeof value);
        break;
    }
}

static void refuse_unknown(json_t *object, const char *pointer,
                           const struct field *fields, size_t count,
                           struct field_errors *errors)
{
    char place[POINTER_SIZE];
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        size_t i = 0;
        while (i < count && strcmp(fields[i].name, name) != 0)
            i++;
        if (i == count) {
            join_pointer(place, pointer, name);
            field_errors_add(errors, place, "is not a member this request knows");
        }
    }
}

enum err fields_read(json_t *object, const char *pointer, const struct field *fields,
                     size_t count, bool ignore_unknown, void *target,
                     struct field_errors *errors)
{
    char place[POINTER_SIZE];
    size_t before = errors->count, found = 0;
    const bool given = true;
    if (!json_is_object(object))
        return field_errors_add(errors, pointer, "must be an object");
    for (size_t i = 0; i < count; i++) {
        const struct field *field = &fields[i];
        json_t *value = json_object_get(object, field->name);
        found += value != NULL;
        if (json_is_null(value) && field->type != FIELD_ANY)
            value = NULL;
        if (value || field->required)
            join_pointer(place, pointer, field->name);
        if (!value) {
            if (field->required)
                field_errors_add(errors, place, "is required");
            continue;
        }
        read_field(field, value, place, (char *)target + field->offset, errors);
        if (field->given)
            memcpy((char *)target + field->given - 1, &given, sizeof given);
    }
    if (!ignore_unknown && found < json_object_size(object))
        refuse_unknown(object, pointer, fields, count, errors);
    return errors->count > before ? ERR_INVALID : ERR_OK;
}

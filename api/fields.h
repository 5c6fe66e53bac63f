/* SPDX-License-Identifier: MIT */
/* Reading a JSON object into a struct by a table of its fields. Every bad field is
 * collected, not only the first, each with its JSON pointer; an unknown member is an
 * error (ignored under /v1). The struct keeps what it held (the defaults) where a field
 * is absent or null is given for an optional one. */
#ifndef FIRTH_API_FIELDS_H
#define FIRTH_API_FIELDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum field_type {
    FIELD_INTEGER, /* int64_t; 3.0 and 1e3 are refused */
    FIELD_NUMBER,  /* double, finite */
    FIELD_FLAG,    /* bool */
    FIELD_TEXT,    /* const char *, borrowed from the JSON; min and max are its bytes */
    FIELD_NAME,   /* const char *, as FIELD_TEXT, matching the names of corpora, models */
    FIELD_CHOICE, /* int: the index into choices */
    FIELD_ARRAY,  /* json_t *, borrowed; min and max are its items */
    FIELD_OBJECT, /* json_t *, borrowed */
    FIELD_ANY     /* json_t *, borrowed */
};

struct field {
    const char *name;
    enum field_type type;
    size_t offset;           /* of the value in the struct */
    double minimum, maximum; /* both 0: no bounds but the type's */
    bool required;
    bool exclusive;             /* NUMBER: greater than minimum, not equal */
    const char *const *choices; /* CHOICE: ends with NULL */
    size_t given;               /* offset of a bool set when present, plus 1; 0: none */
};
#define FIELD_GIVEN(type, member) (offsetof(type, member) + 1)

#define FIELD_ERRORS_MAX 32
struct field_error {
    char pointer[96];
    char detail[400]; /* as long as an err_info's message */
};
struct field_errors {
    size_t count; /* may exceed what is kept */
    struct field_error
        *rows; /* [FIELD_ERRORS_MAX] from the first error on, NULL before */
};
void field_errors_fini(struct field_errors *errors);
/* Adds one; for checks that a table cannot say. Always returns ERR_INVALID. */
enum err field_errors_add(struct field_errors *errors, const char *pointer,
                          const char *format, ...) PRINTF_LIKE(3, 4);

/* Reads `object` (found at `pointer`, "" for the body) into `target`. ERR_INVALID when
 * `errors` has grown, or when it is no object. Call it for nested objects too and return
 * the error once all are read. */
MUST_CHECK enum err fields_read(json_t *object, const char *pointer,
                                const struct field *fields, size_t count,
                                bool ignore_unknown, void *target,
                                struct field_errors *errors);

/* The place of a text among choices, which end with NULL; -1 when it is none of them. */
int fields_find_choice(const char *const *choices, const char *text);
/* "one, two, three", cut to the room there is. */
void fields_list_choices(const char *const *choices, char *list, size_t size);

/* True for ^[a-z0-9][a-z0-9._-]{0,63}$. */
bool fields_is_name(const char *text, size_t size);

#endif

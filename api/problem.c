/* SPDX-License-Identifier: MIT */
/* Printing problem bodies. `errors` lists every bad field that was collected; an error
 * that names one field by itself becomes a list of one. */
#include "api/problem.h"

#include <stdio.h>
#include <string.h>

#include "api/printer.h"
#include "api/status_map.h"

enum { ECHO_MAX = 64 };

static void print_errors(struct printer *p, const struct problem *problem)
{
    const struct field_errors *errors = problem->errors;
    size_t kept = !errors || !errors->rows           ? 0
                  : errors->count > FIELD_ERRORS_MAX ? FIELD_ERRORS_MAX
                                                     : errors->count;
    printer_key(p, "errors");
    printer_open(p, '[');
    for (size_t i = 0; i < kept; i++) {
        printer_open(p, '{');
        printer_key_text(p, "pointer", errors->rows[i].pointer);
        printer_key_text(p, "detail", errors->rows[i].detail);
        printer_close(p, '}');
    }
    if (kept == 0 && problem->info && *problem->info->pointer) {
        printer_open(p, '{');
        printer_key_text(p, "pointer", problem->info->pointer);
        printer_key_text(p, "detail", problem->detail);
        printer_close(p, '}');
    }
    printer_close(p, ']');
}

/* "/messages/0" → "messages": what the OpenAI clients call a parameter; "" when none. */
static struct span parameter_of(const struct problem *problem)
{
    const char *pointer = problem->errors && problem->errors->rows
                              ? problem->errors->rows[0].pointer
                          : problem->info ? problem->info->pointer
                                          : "";
    if (*pointer == '/' || *pointer == '?')
        pointer++;
    return span_of(pointer, strcspn(pointer, "/"));
}

static const char *openai_type(unsigned status)
{
    return status == 401   ? "authentication_error"
           : status == 403 ? "permission_error"
           : status == 429 ? "rate_limit_error"
           : status >= 500 ? "server_error"
                           : "invalid_request_error";
}

/* The stock clients show nothing but the message: it says what is wrong with the first
 * bad field, where the detail would only point to the list of all. */
static void print_message(struct printer *p, const struct problem *problem,
                          struct span parameter)
{
    char message[sizeof problem->errors->rows->pointer +
                 sizeof problem->errors->rows->detail + 2];
    if (!problem->errors || !problem->errors->rows) {
        printer_key_text(p, "message", problem->detail);
        return;
    }
    snprintf(message, sizeof message, "%.*s: %s", (int)parameter.size, parameter.bytes,
             problem->errors->rows[0].detail);
    printer_key_text(p, "message", message);
}

static void print_openai(struct printer *p, const struct problem *problem)
{
    struct span parameter = parameter_of(problem);
    printer_key(p, "error");
    printer_open(p, '{');
    print_message(p, problem, parameter);
    printer_key_text(p, "type", openai_type(problem->status));
    printer_key(p, "param");
    if (parameter.size > 0)
        printer_span(p, parameter);
    else
        printer_null(p);
    printer_key_text(p, "code", problem->code);
    printer_close(p, '}');
}

void problem_print(const struct problem *problem, struct buffer *out)
{
    struct printer p;
    char type[96];
    size_t echo = strlen(problem->instance);
    printer_init(&p, out);
    snprintf(type, sizeof type, "urn:firth:problem:%s", problem->code);
    printer_open(&p, '{');
    printer_key_text(&p, "type", type);
    printer_key_text(&p, "title", status_map_title(problem->status));
    printer_key_integer(&p, "status", (int64_t)problem->status);
    printer_key_text(&p, "detail", problem->detail);
    printer_key(&p, "instance");
    printer_span(&p, span_of(problem->instance, echo > ECHO_MAX ? ECHO_MAX : echo));
    printer_key_text(&p, "code", problem->code);
    printer_key_text(&p, "request_id", problem->request_id);
    if (problem->info && problem->info->has_line)
        printer_key_integer(&p, "line", (int64_t)problem->info->line);
    if (problem->info && problem->info->has_offset)
        printer_key_integer(&p, "offset", (int64_t)problem->info->offset);
    print_errors(&p, problem);
    if (problem->v1)
        print_openai(&p, problem);
    printer_close(&p, '}');
}

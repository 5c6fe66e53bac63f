/* SPDX-License-Identifier: MIT */
#include "api/problem.h"

#include <jansson.h>
#include <string.h>

#include "api/status_map.h"
#include "tests/support/unit.h"

/* New. */
static json_t *print(const struct problem *problem)
{
    struct buffer text;
    buffer_init(&text, 1 << 16);
    problem_print(problem, &text);
    ck_assert_int_eq(text.failed, ERR_OK);
    json_t *value = json_loadb(text.bytes, text.size, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_ptr_nonnull(value);
    buffer_fini(&text);
    return value;
}

static const char *text_of(json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

START_TEST(every_member_is_there)
{
    struct err_info info = {0};
    err_set_place(&info, ERR_SYNTAX, 17, 3, "Bad");
    struct problem problem = {.status = 400,
                              .code = "malformed_request",
                              .detail = "Bad",
                              .instance = "/x\"y",
                              .request_id = "r1",
                              .info = &info};
    json_t *body = print(&problem);
    ck_assert_str_eq(text_of(body, "type"), "urn:firth:problem:malformed_request");
    ck_assert_str_eq(text_of(body, "title"), "Bad Request");
    ck_assert_str_eq(text_of(body, "instance"), "/x\"y");
    ck_assert_str_eq(text_of(body, "request_id"), "r1");
    ck_assert_int_eq(json_integer_value(json_object_get(body, "status")), 400);
    ck_assert_int_eq(json_integer_value(json_object_get(body, "offset")), 17);
    ck_assert_int_eq(json_integer_value(json_object_get(body, "line")), 3);
    ck_assert_uint_eq(json_array_size(json_object_get(body, "errors")), 0);
    ck_assert_ptr_null(json_object_get(body, "error"));
    json_decref(body);
}
END_TEST

START_TEST(openai_clients_get_their_object)
{
    struct err_info info = {0};
    err_set_field(&info, ERR_INVALID, "/prompt/0", "No");
    struct problem problem = {.status = 422,
                              .code = "invalid_value",
                              .detail = "No",
                              .instance = "/v1/completions",
                              .request_id = "r",
                              .info = &info,
                              .v1 = true};
    json_t *body = print(&problem), *error = json_object_get(body, "error");
    ck_assert_str_eq(text_of(error, "message"), "No");
    ck_assert_str_eq(text_of(error, "type"), "invalid_request_error");
    ck_assert_str_eq(text_of(error, "param"), "prompt");
    ck_assert_str_eq(text_of(error, "code"), "invalid_value");
    json_t *first = json_array_get(json_object_get(body, "errors"), 0);
    ck_assert_str_eq(text_of(first, "pointer"), "/prompt/0");
    json_decref(body);
}
END_TEST

START_TEST(echoes_are_short)
{
    char path[1000];
    memset(path, 'a', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    struct problem problem = {
        .status = 404, .code = "c", .detail = "d", .instance = path, .request_id = "r"};
    json_t *body = print(&problem);
    ck_assert_uint_eq(strlen(text_of(body, "instance")), 64);
    json_decref(body);
}
END_TEST

START_TEST(every_error_has_a_status)
{
    for (int code = 1; code < ERR_COUNT; code++) {
        unsigned status = status_map((enum err)code);
        ck_assert_msg(status >= 400 && status < 600, "%s", err_word((enum err)code));
        ck_assert(strcmp(status_map_title(status), "OK") != 0);
    }
    ck_assert_uint_eq(status_map(ERR_OK), 200);
    ck_assert_uint_eq(status_map(ERR_INVALID), 422);
    ck_assert_uint_eq(status_map(ERR_QUEUE_FULL), 429);
    ck_assert_uint_gt(status_map_retry_after(429), 0);
    ck_assert_uint_gt(status_map_retry_after(503), 0);
    ck_assert_uint_eq(status_map_retry_after(404), 0);
}
END_TEST

UNIT_SUITE(problem)
{
    tcase_add_test(unit, every_member_is_there);
    tcase_add_test(unit, openai_clients_get_their_object);
    tcase_add_test(unit, echoes_are_short);
    tcase_add_test(unit, every_error_has_a_status);
}

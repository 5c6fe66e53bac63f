/* SPDX-License-Identifier: MIT */
/* YAML to JSON: what the core schema makes of scalars, and what is refused. */
#include "tests/support/unit.h"

#include <string.h>

#include "api/openapi.h"
#include "api/printer.h"

static enum err convert(const char *yaml, const char *wanted)
{
    struct buffer json;
    struct err_info info = {0};
    buffer_init(&json, 1 << 20);
    enum err code = openapi_to_json(span_of_text(yaml), &json, &info);
    if (!code)
        ck_assert_str_eq(json.bytes, wanted);
    else
        ck_assert(*info.message);
    buffer_fini(&json);
    return code;
}

START_TEST(scalars_have_their_types)
{
    ck_assert_int_eq(convert("a: 1\nb: -2.5\nc: 1e3\nd: true\ne: null\nf:\n",
                             "{\"a\":1,\"b\":-2.5,\"c\":1e3,\"d\":true,\"e\":null,"
                             "\"f\":null}"),
                     ERR_OK);
    ck_assert_int_eq(convert("[\"1\", '2', 1.2.3, 0x10, yes, e, -, 3.1.0, inf, nan]",
                             "[\"1\",\"2\",\"1.2.3\",\"0x10\",\"yes\",\"e\",\"-\","
                             "\"3.1.0\",\"inf\",\"nan\"]"),
                     ERR_OK);
}
END_TEST

START_TEST(texts_are_escaped)
{
    ck_assert_int_eq(convert("\"a\\\"b\": |\n  two\n  \"lines\"\n",
                             "{\"a\\\"b\":\"two\\n\\\"lines\\\"\\n\"}"),
                     ERR_OK);
}
END_TEST

START_TEST(aliases_are_resolved)
{
    ck_assert_int_eq(
        convert("a: &x {n: [1]}\nb: *x\n", "{\"a\":{\"n\":[1]},\"b\":{\"n\":[1]}}"),
        ERR_OK);
}
END_TEST

START_TEST(what_is_no_document_is_refused)
{
    char deep[201];
    memset(deep, '[', 100);
    memset(deep + 100, ']', 100);
    deep[200] = '\0';
    ck_assert_int_eq(convert("a: [1", NULL), ERR_SYNTAX);
    ck_assert_int_eq(convert("", NULL), ERR_SYNTAX);
    ck_assert_int_eq(convert("a: *nobody", NULL), ERR_SYNTAX);
    ck_assert_int_eq(convert("? [a]\n: b\n", NULL), ERR_SYNTAX);
    ck_assert_int_eq(convert(deep, NULL), ERR_SYNTAX);
}
END_TEST

START_TEST(the_program_holds_the_description)
{
    struct buffer json;
    struct err_info info = {0};
    buffer_init(&json, 1 << 24);
    ck_assert_int_eq(
        openapi_to_json(span_of(openapi_yaml, openapi_yaml_size), &json, &info), ERR_OK);
    json_t *root = json_loadb(json.bytes, json.size, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_ptr_nonnull(root);
    ck_assert_str_eq(json_string_value(json_object_get(root, "openapi")), "3.1.0");
    ck_assert_ptr_nonnull(json_object_get(json_object_get(root, "paths"), "/score"));
    json_decref(root);
    buffer_fini(&json);
}
END_TEST

UNIT_SUITE(openapi)
{
    tcase_add_test(unit, scalars_have_their_types);
    tcase_add_test(unit, texts_are_escaped);
    tcase_add_test(unit, aliases_are_resolved);
    tcase_add_test(unit, what_is_no_document_is_refused);
    tcase_add_test(unit, the_program_holds_the_description);
}

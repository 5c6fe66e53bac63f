/* SPDX-License-Identifier: MIT */
#include "api/fields.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/unit.h"

struct wanted {
    int64_t count;
    double weight;
    bool flag, flag_given;
    const char *name, *text;
    int choice;
    json_t *list, *object, *any;
};

static const char *const choices[] = {"low", "high", NULL};
static const struct field fields[] = {
    {.name = "count",
     .type = FIELD_INTEGER,
     .offset = offsetof(struct wanted, count),
     .minimum = 1,
     .maximum = 10,
     .required = true},
    {.name = "weight",
     .type = FIELD_NUMBER,
     .offset = offsetof(struct wanted, weight),
     .minimum = 0,
     .maximum = 1,
     .exclusive = true},
    {.name = "flag",
     .type = FIELD_FLAG,
     .offset = offsetof(struct wanted, flag),
     .given = FIELD_GIVEN(struct wanted, flag_given)},
    {.name = "name", .type = FIELD_NAME, .offset = offsetof(struct wanted, name)},
    {.name = "text",
     .type = FIELD_TEXT,
     .offset = offsetof(struct wanted, text),
     .minimum = 1,
     .maximum = 3},
    {.name = "choice",
     .type = FIELD_CHOICE,
     .offset = offsetof(struct wanted, choice),
     .choices = choices},
    {.name = "list",
     .type = FIELD_ARRAY,
     .offset = offsetof(struct wanted, list),
     .minimum = 1,
     .maximum = 2},
    {.name = "object", .type = FIELD_OBJECT, .offset = offsetof(struct wanted, object)},
    {.name = "any", .type = FIELD_ANY, .offset = offsetof(struct wanted, any)}};
enum { FIELD_COUNT = sizeof fields / sizeof fields[0] };

/* Reads `text`; the complaints' pointers joined by blanks must be `pointers`. */
static struct wanted read_text(const char *text, bool ignore, const char *pointers)
{
    struct wanted wanted = {.count = 5, .weight = 0.5};
    struct field_errors errors = {0};
    char joined[4096] = "";
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    ck_assert_ptr_nonnull(value);
    enum err code =
        fields_read(value, "/top", fields, FIELD_COUNT, ignore, &wanted, &errors);
    for (size_t i = 0; i < errors.count && i < FIELD_ERRORS_MAX; i++) {
        size_t at = strlen(joined);
        snprintf(joined + at, sizeof joined - at, "%s%s", at ? " " : "",
                 errors.rows[i].pointer);
        ck_assert(*errors.rows[i].detail);
    }
    ck_assert_str_eq(joined, pointers);
    ck_assert_int_eq(code, *pointers ? ERR_INVALID : ERR_OK);
    field_errors_fini(&errors);
    json_decref(value);
    return wanted;
}

START_TEST(good_ones_are_stored)
{
    struct wanted wanted = read_text("{\"count\":10,\"weight\":1,\"flag\":true,"
                                     "\"choice\":\"high\",\"any\":null}",
                                     false, "");
    ck_assert_int_eq(wanted.count, 10);
    ck_assert_double_eq(wanted.weight, 1);
    ck_assert(wanted.flag && wanted.flag_given);
    ck_assert_int_eq(wanted.choice, 1);
    ck_assert_ptr_nonnull(wanted.any);
}
END_TEST

START_TEST(absent_ones_keep_their_default)
{
    struct wanted wanted = read_text("{\"count\":1,\"weight\":null}", false, "");
    ck_assert_double_eq(wanted.weight, 0.5);
    ck_assert(!wanted.flag_given);
    ck_assert_ptr_null(wanted.name);
}
END_TEST

START_TEST(every_bad_one_is_told)
{
    read_text("{}", false, "/top/count");
    read_text("{\"count\":null}", false, "/top/count");
    read_text(
        "{\"count\":0,\"weight\":0,\"flag\":1,\"name\":\"A\",\"text\":\"\","
        "\"choice\":\"x\",\"list\":[],\"object\":[]}",
        false,
        "/top/count /top/weight /top/flag /top/name /top/text /top/choice /top/list "
        "/top/object");
    read_text(
        "{\"count\":1,\"weight\":\"1\",\"text\":\"long\",\"list\":[1,2,3],\"choice\":1}",
        false, "/top/weight /top/text /top/choice /top/list");
    read_text("[]", false, "/top");
    read_text("null", false, "/top");
}
END_TEST

START_TEST(integers_are_integers)
{
    read_text("{\"count\":3.0}", false, "/top/count");
    read_text("{\"count\":1e0}", false, "/top/count");
    read_text("{\"count\":9223372036854775807}", false, "/top/count");
    read_text("{\"count\":-9223372036854775808}", false, "/top/count");
    read_text("{\"count\":true}", false, "/top/count");
}
END_TEST

START_TEST(unknown_members)
{
    read_text("{\"count\":1,\"a/b~c\":1}", false, "/top/a~1b~0c");
    read_text("{\"count\":1,\"other\":1}", true, "");
}
END_TEST

START_TEST(complaints_are_bounded)
{
    struct field_errors errors = {0};
    for (int i = 0; i < 100; i++)
        field_errors_add(&errors, "/x", "wrong");
    ck_assert_uint_eq(errors.count, 100);
    field_errors_fini(&errors);
}
END_TEST

START_TEST(names)
{
    char long_name[66];
    memset(long_name, 'a', sizeof long_name);
    ck_assert(fields_is_name("a", 1));
    ck_assert(fields_is_name("0-a_b.c", 7));
    ck_assert(fields_is_name(long_name, 64));
    ck_assert(!fields_is_name(long_name, 65));
    ck_assert(!fields_is_name("", 0));
    ck_assert(!fields_is_name(".a", 2));
    ck_assert(!fields_is_name("A", 1));
    ck_assert(!fields_is_name("a/b", 3));
    ck_assert(!fields_is_name("a\0b", 3));
    ck_assert(!fields_is_name("é", 2));
}
END_TEST

UNIT_SUITE(fields)
{
    tcase_add_test(unit, good_ones_are_stored);
    tcase_add_test(unit, absent_ones_keep_their_default);
    tcase_add_test(unit, every_bad_one_is_told);
    tcase_add_test(unit, integers_are_integers);
    tcase_add_test(unit, unknown_members);
    tcase_add_test(unit, complaints_are_bounded);
    tcase_add_test(unit, names);
}

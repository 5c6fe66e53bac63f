/* SPDX-License-Identifier: MIT */
/* Hyperparameters: defaults, every type's range, and refusals that explain themselves. */
#include "tests/support/unit.h"

#include <math.h>
#include <string.h>

#include "base/buffer.h"
#include "model/kinds.h"

static const struct param rows[] = {
    {"order", PARAM_INTEGER, 1, 8, "3", NULL, "largest n"},
    {"rate", PARAM_NUMBER, 0, INFINITY, "0.05", NULL, "a rate"},
    {"tied", PARAM_BOOLEAN, 0, 1, "true", NULL, "a switch"},
    {"smoothing", PARAM_CHOICE, 0, 0, "katz", "mle|katz|kneser-ney", "a choice"},
    {"prune", PARAM_INTEGERS, 0, 1000, "0,0,1", NULL, "a list"},
    {"models", PARAM_NAMES, 0, 0, "", NULL, "names"},
    {0},
};
static const struct kind kind = {.name = "toy", .params = rows};

static struct params defaults(void)
{
    struct params params;
    params_init(&params, &kind);
    return params;
}

START_TEST(defaults_come_from_the_table)
{
    struct params params = defaults();
    ck_assert_double_eq(params_number(&params, "order"), 3);
    ck_assert_double_eq_tol(params_number(&params, "rate"), 0.05, 1e-15);
    ck_assert(params_boolean(&params, "tied"));
    ck_assert_str_eq(params_choice(&params, "smoothing"), "katz");
    ck_assert_uint_eq(params_value(&params, "prune")->list_count, 3);
    ck_assert_double_eq(params_value(&params, "prune")->list[2], 1);
    ck_assert_uint_eq(params_value(&params, "models")->list_count, 0);
    ck_assert(!params_value(&params, "order")->given);
}
END_TEST

START_TEST(values_are_set)
{
    struct params params = defaults();
    double list[] = {0, 2};
    const char *names[] = {"small", "large-2.1_x"};
    ck_assert_int_eq(params_set_number(&params, "order", 8, NULL), ERR_OK);
    ck_assert_int_eq(params_set_number(&params, "rate", 1e300, NULL), ERR_OK);
    ck_assert_int_eq(params_set_boolean(&params, "tied", false, NULL), ERR_OK);
    ck_assert_int_eq(params_set_text(&params, "smoothing", "kneser-ney", NULL), ERR_OK);
    ck_assert_int_eq(params_set_list(&params, "prune", list, 2, NULL), ERR_OK);
    ck_assert_int_eq(params_set_names(&params, "models", names, 2, NULL), ERR_OK);
    ck_assert_double_eq(params_number(&params, "order"), 8);
    ck_assert(!params_boolean(&params, "tied"));
    ck_assert_str_eq(params_choice(&params, "smoothing"), "kneser-ney");
    ck_assert_double_eq(params_value(&params, "smoothing")->number, 2);
    ck_assert_double_eq(params_value(&params, "prune")->list[1], 2);
    ck_assert_str_eq(params_value(&params, "models")->names[1], "large-2.1_x");
    ck_assert(params_value(&params, "order")->given);
}
END_TEST

START_TEST(refusals_name_type_range_and_default)
{
    struct params params = defaults();
    struct err_info info = {0};
    ck_assert_int_eq(params_set_number(&params, "order", 9, &info), ERR_INVALID);
    ck_assert_str_eq(info.pointer, "/params/order");
    ck_assert_str_eq(info.message, "order must be an integer from 1 to 8 (default: 3)");
    info = (struct err_info){0};
    ck_assert_int_eq(params_set_number(&params, "rate", -1, &info), ERR_INVALID);
    ck_assert_str_eq(info.message, "rate must be a number of at least 0 (default: 0.05)");
    info = (struct err_info){0};
    ck_assert_int_eq(params_set_text(&params, "smoothing", "kat", &info), ERR_INVALID);
    ck_assert_str_eq(info.message,
                     "smoothing must be one of mle, katz, kneser-ney (default: katz)");
    info = (struct err_info){0};
    ck_assert_int_eq(params_set_number(&params, "tied", 1, &info), ERR_INVALID);
    ck_assert_str_eq(info.message, "tied must be true or false (default: true)");
    info = (struct err_info){0};
    ck_assert_int_eq(params_set_number(&params, "prune", 1, &info), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(info.message, "16 integers, each from 0 to 1000"));
    ck_assert_double_eq(params_number(&params, "order"), 3);
}
END_TEST

START_TEST(refuses_wrong_values)
{
    struct params params = defaults();
    double list[PARAM_LIST_MAX + 1] = {0}, half = 0.5;
    const char *names[] = {"Upper"}, *path[] = {"../x"}, *empty[] = {""};
    static const double wrong[] = {0, 8.5, -3, NAN, INFINITY, 1e300};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_int_eq(params_set_number(&params, "order", wrong[i], NULL),
                         ERR_INVALID);
    ck_assert_int_eq(params_set_number(&params, "rate", NAN, NULL), ERR_INVALID);
    ck_assert_int_eq(params_set_number(&params, "rate", INFINITY, NULL), ERR_INVALID);
    ck_assert_int_eq(params_set_text(&params, "order", "3", NULL), ERR_INVALID);
    ck_assert_int_eq(params_set_boolean(&params, "order", true, NULL), ERR_INVALID);
    ck_assert_int_eq(params_set_list(&params, "prune", list, PARAM_LIST_MAX + 1, NULL),
                     ERR_INVALID);
    ck_assert_int_eq(params_set_list(&params, "prune", &half, 1, NULL), ERR_INVALID);
    ck_assert_int_eq(params_set_names(&params, "models", names, 1, NULL), ERR_INVALID);
    ck_assert_int_eq(params_set_names(&params, "models", path, 1, NULL), ERR_INVALID);
    ck_assert_int_eq(params_set_names(&params, "models", empty, 1, NULL), ERR_INVALID);
}
END_TEST

START_TEST(unknown_names_are_told_the_known_ones)
{
    struct params params = defaults();
    struct err_info info = {0};
    ck_assert_int_eq(params_set_number(&params, "ordr", 3, &info), ERR_INVALID);
    ck_assert_str_eq(info.pointer, "/params/ordr");
    ck_assert_ptr_nonnull(strstr(info.message, "order, rate, tied"));
    info = (struct err_info){0};
    ck_assert_int_eq(params_set_number(&params, "a/b~c", 3, &info), ERR_INVALID);
    ck_assert_str_eq(info.pointer, "/params/a~1b~0c");
}
END_TEST

START_TEST(words_of_a_command_line)
{
    static const struct {
        const char *name, *text;
        enum err code;
    } cases[] = {
        {"order", "4", ERR_OK},
        {"order", "4x", ERR_INVALID},
        {"order", "", ERR_INVALID},
        {"order", "nan", ERR_INVALID},
        {"order", "0x3", ERR_INVALID},
        {"rate", "1e-3", ERR_OK},
        {"rate", "inf", ERR_INVALID},
        {"tied", "false", ERR_OK},
        {"tied", "no", ERR_INVALID},
        {"smoothing", "mle", ERR_OK},
        {"smoothing", "mle|katz", ERR_INVALID},
        {"smoothing", "", ERR_INVALID},
        {"prune", "0,0,2", ERR_OK},
        {"prune", "", ERR_OK},
        {"prune", "0,,2", ERR_INVALID},
        {"prune", "0,x", ERR_INVALID},
        {"models", "a,b", ERR_OK},
        {"models", "a,", ERR_INVALID},
        {"prune", "0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0", ERR_INVALID},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct params params = defaults();
        ck_assert_int_eq(params_parse(&params, cases[i].name, cases[i].text, NULL),
                         cases[i].code);
    }
}
END_TEST

/* What is printed is read back to the same value. */
START_TEST(formats_and_parses_alike)
{
    struct params params = defaults(), again = defaults();
    ck_assert_int_eq(params_parse(&params, "rate", "0.1", NULL), ERR_OK);
    ck_assert_int_eq(params_parse(&params, "prune", "0,3,1000", NULL), ERR_OK);
    ck_assert_int_eq(params_parse(&params, "models", "a,b.c", NULL), ERR_OK);
    ck_assert_int_eq(params_parse(&params, "tied", "false", NULL), ERR_OK);
    ck_assert_int_eq(params_parse(&params, "smoothing", "mle", NULL), ERR_OK);
    for (size_t i = 0; rows[i].name; i++) {
        struct buffer text;
        buffer_init(&text, 4096);
        ck_assert_int_eq(params_format(&params, &rows[i], &text), ERR_OK);
        ck_assert_int_eq(
            params_parse(&again, rows[i].name, text.bytes ? text.bytes : "", NULL),
            ERR_OK);
        buffer_fini(&text);
        again.values[i].given = params.values[i].given;
        ck_assert_mem_eq(&again.values[i].number, &params.values[i].number,
                         sizeof(double));
        ck_assert_mem_eq(again.values[i].list, params.values[i].list,
                         sizeof again.values[i].list);
        ck_assert_uint_eq(again.values[i].list_count, params.values[i].list_count);
    }
}
END_TEST

/* Every kind's own table is sound. */
START_TEST(all_kinds_have_sound_tables)
{
    for (const struct kind *const *next = kinds; *next; next++) {
        struct params params;
        params_init(&params, *next);
        ck_assert_ptr_eq(kind_find((*next)->name), *next);
        ck_assert_uint_lt(strlen((*next)->name), 16);
        ck_assert_ptr_nonnull((*next)->train);
        ck_assert_ptr_nonnull((*next)->load);
        for (const struct param *param = (*next)->params; param->name; param++)
            ck_assert_str_ne(param->help, "");
    }
    ck_assert_ptr_null(kind_find("nothing"));
    ck_assert_ptr_nonnull(kind_find("mixture"));
}
END_TEST

UNIT_SUITE(params)
{
    tcase_add_test(unit, defaults_come_from_the_table);
    tcase_add_test(unit, values_are_set);
    tcase_add_test(unit, refusals_name_type_range_and_default);
    tcase_add_test(unit, refuses_wrong_values);
    tcase_add_test(unit, unknown_names_are_told_the_known_ones);
    tcase_add_test(unit, words_of_a_command_line);
    tcase_add_test(unit, formats_and_parses_alike);
    tcase_add_test(unit, all_kinds_have_sound_tables);
}

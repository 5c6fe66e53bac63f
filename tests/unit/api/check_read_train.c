/* SPDX-License-Identifier: MIT */
/* Training requests: defaults, every member, every complaint. */
#include "tests/support/unit.h"

#include <stdlib.h>
#include <string.h>

#include "api/read_train.h"

static struct train_spec spec;
static struct field_errors errors;
static char *metadata;

static enum err read(const char *body)
{
    json_t *json = json_loads(body, 0, NULL);
    ck_assert_ptr_nonnull(json);
    free(metadata);
    field_errors_fini(&errors);
    enum err code = read_train(json, &spec, &metadata, &errors);
    json_decref(json);
    return code;
}

static bool complains(const char *pointer)
{
    for (size_t i = 0; i < errors.count; i++)
        if (strcmp(errors.rows[i].pointer, pointer) == 0)
            return true;
    return false;
}

static void release(void)
{
    free(metadata);
    metadata = NULL;
    field_errors_fini(&errors);
}

START_TEST(what_is_absent_is_the_default)
{
    struct train_spec defaults;
    ck_assert_int_eq(read("{\"kind\":\"ngram\",\"model\":\"m\",\"corpus\":\"c\"}"),
                     ERR_OK);
    train_spec_init(&defaults, kind_find("ngram"));
    ck_assert_str_eq(spec.model, "m");
    ck_assert_str_eq(spec.corpus, "c");
    ck_assert_double_eq(spec.valid_fraction, defaults.valid_fraction);
    ck_assert_uint_eq(spec.seed, defaults.seed);
    ck_assert_uint_eq(spec.memory_bytes, defaults.memory_bytes);
    ck_assert_mem_eq(&spec.tokenizer, &defaults.tokenizer, sizeof spec.tokenizer);
    ck_assert_double_eq(params_number(&spec.params, "order"), 3);
    ck_assert_ptr_null(metadata);
    release();
}
END_TEST

START_TEST(every_member_arrives)
{
    ck_assert_int_eq(
        read(
            "{\"kind\":\"ngram\",\"model\":\"m\",\"corpus\":\"c\",\"valid\":\"v\","
            "\"tokenizer\":{\"unit\":\"char\",\"segment\":\"document\",\"lowercase\":"
            "true,"
            "\"min_count\":2,\"max_vocab\":9},\"params\":{\"order\":5,\"prune\":[0,1],"
            "\"smoothing\":\"katz\",\"compact\":true},\"seed\":7,\"threads\":2,"
            "\"budget\":{\"seconds\":1.5},\"early_stopping\":{\"patience\":3},"
            "\"checkpoint_every_s\":5,\"memory_bytes\":2097152,\"resume_from\":\"job-1\","
            "\"replace\":true,\"metadata\":{\"a\":[1]}}"),
        ERR_OK);
    ck_assert_str_eq(spec.valid_corpus, "v");
    ck_assert_int_eq(spec.tokenizer.unit, UNIT_CHAR);
    ck_assert_int_eq(spec.tokenizer.segment, SEGMENT_DOCUMENT);
    ck_assert(spec.tokenizer.lowercase);
    ck_assert_uint_eq(spec.tokenizer.min_count, 2);
    ck_assert_uint_eq(spec.tokenizer.max_vocab, 9);
    ck_assert_double_eq(params_number(&spec.params, "order"), 5);
    ck_assert_uint_eq(params_value(&spec.params, "prune")->list_count, 2);
    ck_assert_str_eq(params_choice(&spec.params, "smoothing"), "katz");
    ck_assert(params_boolean(&spec.params, "compact"));
    ck_assert_uint_eq(spec.seed, 7);
    ck_assert_uint_eq(spec.threads, 2);
    ck_assert_double_eq(spec.budget.seconds, 1.5);
    ck_assert_uint_eq(spec.patience, 3);
    ck_assert_uint_eq(spec.memory_bytes, 2097152);
    ck_assert_str_eq(spec.resume_from, "job-1");
    ck_assert(spec.replace);
    ck_assert_str_eq(metadata, "{\"a\":[1]}");
    release();
}
END_TEST

START_TEST(every_complaint_is_collected)
{
    ck_assert_int_eq(
        read(
            "{\"kind\":\"ngram\",\"model\":\"M\",\"valid\":0.9,\"tokenizer\":{\"unit\":1,"
            "\"x\":1},\"params\":{\"order\":9,\"none\":1,\"prune\":[\"a\",1],"
            "\"smoothing\":{}},\"seed\":-1,\"budget\":{\"epochs\":0},"
            "\"early_stopping\":{\"patience\":-1},\"more\":1}"),
        ERR_INVALID);
    static const char *const pointers[] = {"/model",
                                           "/corpus",
                                           "/valid",
                                           "/tokenizer/unit",
                                           "/tokenizer/x",
                                           "/params/order",
                                           "/params/none",
                                           "/params/prune",
                                           "/params/smoothing",
                                           "/seed",
                                           "/budget/epochs",
                                           "/early_stopping/patience",
                                           "/more"};
    for (size_t i = 0; i < sizeof pointers / sizeof pointers[0]; i++)
        ck_assert_msg(complains(pointers[i]), "%s is not complained about", pointers[i]);
    ck_assert_uint_eq(errors.count, sizeof pointers / sizeof pointers[0]);
    release();
}
END_TEST

START_TEST(an_unknown_kind_is_told_the_known_ones)
{
    ck_assert_int_eq(read("{\"kind\":\"oracle\",\"model\":\"m\",\"corpus\":\"c\","
                          "\"params\":{\"anything\":1}}"),
                     ERR_INVALID);
    ck_assert_uint_eq(errors.count, 1);
    ck_assert_str_eq(errors.rows[0].pointer, "/kind");
    ck_assert_ptr_nonnull(strstr(errors.rows[0].detail, "ngram"));
    ck_assert_int_eq(read("[]"), ERR_INVALID);
    ck_assert_int_eq(read("{}"), ERR_INVALID);
    ck_assert(complains("/kind") && complains("/model") && complains("/corpus"));
    release();
}
END_TEST

START_TEST(large_metadata_is_refused)
{
    char body[20000];
    size_t at = (size_t)snprintf(body, sizeof body,
                                 "{\"kind\":\"ngram\",\"model\":\"m\",\"corpus\":\"c\","
                                 "\"metadata\":{\"a\":\"");
    memset(body + at, 'x', 17000);
    (void)snprintf(body + at + 17000, sizeof body - at - 17000, "\"}}");
    ck_assert_int_eq(read(body), ERR_INVALID);
    ck_assert(complains("/metadata"));
    ck_assert_ptr_null(metadata);
    release();
}
END_TEST

UNIT_SUITE(read_train)
{
    tcase_add_test(unit, what_is_absent_is_the_default);
    tcase_add_test(unit, every_member_arrives);
    tcase_add_test(unit, every_complaint_is_collected);
    tcase_add_test(unit, an_unknown_kind_is_told_the_known_ones);
    tcase_add_test(unit, large_metadata_is_refused);
}
